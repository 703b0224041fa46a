/**
 * Jobs as a table, one line each. A terminal of 80 columns gets what a person looks for first; a wide one, and a pipe, all
 * of it. The words come last: they are what may be cut.
 */
import type { JobStatus, RunRecord } from "../control/daemon.ts";
import type { Colour, Ink } from "./colour.ts";
import { resultColour, resultSign } from "./run-result.ts";
import type { TableLook } from "./status-table.ts";
import { type Cell, table } from "./table.ts";
import { cut, plain } from "./text.ts";
import { calendarTime, localTime, sinceThen, span } from "./time.ts";

/** From so many columns on there is room for everything. */
const WIDE = 170;

export function jobsTable(jobs: readonly JobStatus[], look: TableLook): string[] {
  const isWide = look.columns === null || look.columns >= WIDE;
  const columns = isWide ? WIDE_COLUMNS : NARROW_COLUMNS;
  const header = columns.map(([title]): Cell => ({ text: title, paint: (cell) => look.ink.paint("grey", cell) }));
  return table([header, ...jobs.map((job) => columns.map(([, cell]) => cell(job, look)))], look.columns);
}

type Column = readonly [title: string, cell: (job: JobStatus, look: TableLook) => Cell];

const NAME: Column = [
  "NAME",
  ({ name }, { ink, columns }) => ({
    text: columns === null ? plain(name) : cut(plain(name), Math.max(16, Math.floor(columns * 0.16))),
    paint: (cell) => ink.paint("bold", cell),
  }),
];
const STATE: Column = [
  "STATE",
  (job, { ink }) => {
    const [sign, colour] = LOOKS[job.state] ?? ["?", "grey"];
    return { text: ink.on ? `${sign} ${job.state}` : job.state, paint: (cell) => ink.paint(colour, cell) };
  },
];

/** What a job does now, or when it is due: one column where there is little room. */
const NOW_OR_NEXT: Column = [
  "NEXT",
  (job, { ink, now }) => {
    const [sign, colour] = LOOKS[job.state] ?? ["?", "grey"];
    if (job.state === "IDLE") {
      return { text: nextOf(job, (next) => `${calendarTime(next, now)} ${untilThen(next, now, 1)}`) };
    }
    const running = job.runs.find(({ startedAt }) => startedAt !== null)?.startedAt;
    const since = running === undefined || running === null ? "" : ` ${largest(sinceThen(running, now))}`;
    const text = `${job.state}${since}`;
    return { text: ink.on ? `${sign} ${text}` : text, paint: (cell) => ink.paint(colour, cell) };
  },
];

const SHORT_RESULTS: Readonly<Partial<Record<RunRecord["result"], string>>> = { success: "ok", failure: "failed" };

const NARROW_COLUMNS: readonly Column[] = [
  NAME,
  NOW_OR_NEXT,
  [
    "LAST",
    ({ last, streak }, { ink }) => {
      const took = tookOf(last);
      return resultCell(last, ink, SHORT_RESULTS, [took === null ? null : largest(took), timesOf(streak)]);
    },
  ],
  [
    "SCHEDULE",
    ({ schedules, timezone }) => {
      // Whoever reads a time takes it for one of the clock on the wall.
      const isHere = timezone === new Intl.DateTimeFormat().resolvedOptions().timeZone;
      return { text: `${scheduleOf(schedules)}${isHere ? "" : ` (${plain(timezone)})`}` };
    },
  ],
];

/** Where there is a width, the reasons at the end must keep some of it. */
const LONGEST_SCHEDULE = 36;

const WIDE_COLUMNS: readonly Column[] = [
  NAME,
  STATE,
  ["NEXT", (job, { now }) => ({ text: nextOf(job, (next) => `${localTime(next)} ${untilThen(next, now, 2)}`) })],
  ["ZONE", ({ timezone }) => ({ text: plain(timezone) })],
  ["LAST", ({ last }, { ink }) => resultCell(last, ink, {}, [])],
  ["ENDED", ({ last }, { now }) => ({ text: last === null ? "-" : `${sinceThen(last.endedAt, now)} ago` })],
  ["TOOK", ({ last }) => ({ text: tookOf(last) ?? "-" })],
  ["STREAK", ({ streak }) => ({ text: streak === null ? "-" : String(streak.count) })],
  [
    "SCHEDULE",
    ({ schedules }, { columns }) => {
      const text = scheduleOf(schedules);
      return { text: columns === null ? text : cut(text, LONGEST_SCHEDULE) };
    },
  ],
  ["WHY", ({ why }) => ({ text: plain(why) })],
];

const LOOKS: Readonly<Record<JobStatus["state"], readonly [sign: string, colour: Colour]>> = {
  IDLE: ["○", "grey"],
  WAITING: ["◌", "cyan"],
  RUNNING: ["●", "green"],
  STOPPING: ["◑", "cyan"],
  PAUSED: ["‖", "yellow"],
};

export function jobColour(state: JobStatus["state"]): Colour {
  return LOOKS[state]?.[1] ?? "grey";
}

export function jobSign(state: JobStatus["state"]): string {
  return LOOKS[state]?.[0] ?? "?";
}

/** `every weekday at 07:30`; several are told one after the other. */
export function scheduleOf(schedules: JobStatus["schedules"]): string {
  return schedules.map(({ words }) => plain(words)).join("; and ");
}

/** `in 5h`, or with two units `in 5h 12m`. */
export function untilThen(then: string, now: Date, units: 1 | 2): string {
  const ms = Date.parse(then) - now.getTime();
  if (!(ms > 0)) return "now";
  return `in ${units === 1 ? largest(span(ms)) : span(ms)}`;
}

/** `2m` of `2m 5s`. */
function largest(text: string): string {
  return text.split(" ")[0]!;
}

function nextOf({ next, paused }: JobStatus, write: (next: string) => string): string {
  if (next !== null) return write(next);
  return paused ? "paused" : "never";
}

function resultCell(
  last: RunRecord | null,
  ink: Ink,
  words: typeof SHORT_RESULTS,
  more: readonly (string | null)[],
): Cell {
  if (last === null) return { text: "-" };
  const sign = ink.on ? `${resultSign(last.result)} ` : "";
  const text = [`${sign}${words[last.result] ?? last.result}`, ...more.filter((part) => part !== null)].join(" ");
  return { text, paint: (cell) => ink.paint(resultColour(last.result), cell) };
}

function tookOf(last: RunRecord | null): string | null {
  if (last === null || last.startedAt === null) return null;
  return span(Date.parse(last.endedAt) - Date.parse(last.startedAt));
}

/** One is no row. */
function timesOf(streak: JobStatus["streak"]): string | null {
  return streak === null || streak.count < 2 ? null : `×${streak.count}`;
}
