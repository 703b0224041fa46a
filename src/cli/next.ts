/** `svctl next`: when a schedule is due, without a daemon, or when a job of svcd is. */
import { explain } from "../schedule/explain.ts";
import type { Slot } from "../schedule/next.ts";
import type { Zone } from "../schedule/zone.ts";
import { type AskedSchedule, askedSchedule, iso, localTimeIn } from "./asked-schedule.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT, Failure, usage } from "./failure.ts";
import { type DueTimes, dueTimesOfJob } from "./next-of-job.ts";
import { sayWarnings } from "./schedule-warnings.ts";
import { table } from "./table.ts";
import { plain } from "./text.ts";
import { span } from "./time.ts";

export const details = `
  svctl next '30 7 * * 1-5' --tz Europe/Berlin --from 2026-03-27 -n 10
  svctl next nightly-backup    the due times of a job, in its own time zone
  svctl next @daily --json      {"expr", "timezone", "next": ["2026-01-15T10:08:00Z", …], "warnings": […]}
The rules are those of Debian's cron, also where clocks are changed: see svctl explain. A schedule that never
comes has an empty list, and that is no failure.`;

export async function run(call: Call): Promise<number> {
  const asked = await scheduleOrJob(call);
  if ("job" in asked) return tellJob(call, asked);
  const { text, schedule, zone, slots, warnings } = asked;
  if (call.json) {
    sayJson(call, { expr: text, timezone: zone.name, next: slots.map(({ at }) => iso(at)), warnings });
    return EXIT.done;
  }
  print(call, zone, slots);
  if (slots.length === 0) say(call.world.out, schedule.kind === "boot" ? explain(schedule) : "never");
  sayWarnings(call, text, warnings);
  return EXIT.done;
}

/** What is no schedule may be the name of a job. */
async function scheduleOrJob(call: Call): Promise<AskedSchedule | DueTimes> {
  try {
    return askedSchedule(call);
  } catch (error) {
    const times = error instanceof Failure ? await dueTimesOfJob(call) : null;
    if (times !== null) return times;
    const [word = "", ...more] = call.words;
    if (more.length > 0 || !/^[A-Za-z][\w.@-]*$/.test(word)) throw error;
    const what = `\`${plain(word)}\` is no schedule, and no job of a running svcd is called so`;
    throw usage(what, "svctl jobs lists the jobs; a schedule is five fields in quotes: '30 7 * * 1-5'");
  }
}

function tellJob(call: Call, { job, zone, slots, splayMs }: DueTimes): number {
  const { out } = call.world;
  if (call.json) {
    const expr = job.schedules.map(({ expression }) => expression).join(", ");
    sayJson(call, { job: job.name, expr, timezone: zone.name, next: slots.map(({ at }) => iso(at)), warnings: [] });
    return EXIT.done;
  }
  print(call, zone, slots);
  if (slots.length === 0) say(out, job.schedules.map(({ words }) => plain(words)).join("; ") || "never");
  if (splayMs > 0) say(out, `note: each start is up to ${span(splayMs)} later, by an amount of its own (splay)`);
  if (job.paused) say(out, call.ink.paint("yellow", `note: paused, nothing starts: svctl resume ${plain(job.name)}`));
  return EXIT.done;
}

function print(call: Call, zone: Zone, slots: readonly Slot[]): void {
  const now = call.world.now().getTime();
  const rows = slots.map(({ at, coalesced }) => [
    { text: localTimeIn(zone, at) },
    { text: at > now ? `in ${span(at - now)}` : `${span(now - at)} ago` },
    { text: coalesced > 1 ? `(one start for ${coalesced})` : "" },
  ]);
  for (const line of table(rows, null)) say(call.world.out, line);
}
