/** Reading a log: which one is open, what of it is shown, following, searching. */

import { width } from "../text/columns.ts";
import { instant } from "../text/instant.ts";
import type { TextLine } from "../text/terminal-text.ts";
import { TerminalText } from "../text/terminal-text.ts";
import { layout, paneRows } from "../view/layout.ts";
import {
  AT_THE_END,
  type LogPlace,
  type LogRange,
  type LogSource,
  type Model,
  type OpenLog,
  type Search,
} from "./model.ts";

/** So many lines are fetched at first; `5` fetches all that is kept. */
const FIRST_LINES = 500;
/** Of a very long log: what is further back is read with `svctl logs`. */
export const ALL_BYTES = 8 * 1024 * 1024;
/** Logs that are kept open behind the one that is read, to come back to. */
const KEPT_BEHIND = 4;
/** Each is a stream of svcd; whoever has more marks those that matter. */
export const MOST_MERGED = 64;

/** The log that the screen is about; null: none. */
export function sourceNow(model: Model): LogSource | null {
  if (model.view === "logs") return { kind: "merged", names: mergedNames(model) };
  if (model.pane !== "log") return null;
  const { chosen } = model.lists[model.view];
  if (chosen === null) return null;
  if (model.view === "services") {
    return { kind: "service", name: chosen, run: null, begin: { lines: FIRST_LINES }, until: null };
  }
  if (model.view !== "jobs") return null;
  const run = model.chosenRun ?? newestRun(model, chosen);
  return run === null ? null : { kind: "job", name: chosen, run };
}

function mergedNames(model: Model): readonly string[] {
  const { marks } = model.lists.services;
  const names = model.services.map(({ name }) => name);
  return (marks.size > 0 ? names.filter((name) => marks.has(name)) : names).slice(0, MOST_MERGED);
}

export function newestRun(model: Model, job: string): number | null {
  const status = model.jobs.find(({ name }) => name === job);
  const inHistory = model.histories.get(job)?.find(({ run }) => run !== null)?.run;
  // Both are told, and either may be told first.
  const over = Math.max(status?.last?.run ?? 0, inHistory ?? 0);
  return status?.runs.at(-1)?.run ?? (over > 0 ? over : null);
}

export function keyOf(source: LogSource): string {
  switch (source.kind) {
    case "service":
      return source.run === null
        ? `service ${source.name} ${"bytes" in source.begin ? "all" : ""}`
        : `service ${source.name} ${source.run}`;
    case "job":
      return `job ${source.name} ${source.run}`;
    case "merged":
      return `merged ${source.names.join(" ")}`;
  }
}

/** Between the key of several logs and the name of one of them: stands in no name. */
export const PART = "\n";

export function partKey(mergedKey: string, name: string): string {
  return `${mergedKey}${PART}${name}`;
}

/** Which log is read: the one that was asked for by keys of the log (another run, all of it), else that of the choice. */
export function logNow(model: Model): OpenLog | null {
  const source = sourceNow(model);
  if (source === null) return null;
  const asked = model.askedLog;
  if (asked !== null && isOfTheSame(asked, source)) {
    const open = model.logs.get(keyOf(asked));
    if (open !== undefined) return open;
  }
  return model.logs.get(keyOf(source)) ?? null;
}

function isOfTheSame(asked: LogSource, source: LogSource): boolean {
  return asked.kind !== "merged" && source.kind === asked.kind && asked.name === source.name;
}

/** Opens what should be open and is not. */
export function withLogOpen(model: Model): Model {
  const source =
    model.askedLog !== null && logNow(model)?.key === keyOf(model.askedLog) ? model.askedLog : sourceNow(model);
  return source === null ? model : opened(model, source);
}

export function opened(model: Model, source: LogSource): Model {
  const key = keyOf(source);
  if (model.logs.has(key)) return model;
  const before = logNow(model)?.place ?? AT_THE_END;
  const place: LogPlace = { ...AT_THE_END, wraps: before.wraps, showsTimes: before.showsTimes };
  const log: OpenLog = { key, source, text: new TerminalText(), place, position: null, flaw: null, isOver: false };
  const others = [...model.logs.values()].slice(-KEPT_BEHIND);
  return { ...model, logs: new Map([...others, log].map((one) => [one.key, one])) };
}

export function withLog(model: Model, key: string, changes: Partial<OpenLog>): Model {
  const log = model.logs.get(key);
  if (log === undefined) return model;
  return { ...model, logs: new Map([...model.logs, [key, { ...log, ...changes }]]) };
}

export function withPlace(model: Model, log: OpenLog, changes: Partial<LogPlace>): Model {
  return withLog(model, log.key, { place: { ...log.place, ...changes } });
}

// What is shown

const RANGE_MS: Readonly<Partial<Record<LogRange, number>>> = { "1m": 60_000, "5m": 300_000, "1h": 3_600_000 };

/** Number of the first line that may be shown. */
export function firstLine({ text, place }: OpenLog, now: number): number {
  const least = Math.max(text.first, place.from);
  const rangeMs = RANGE_MS[place.range];
  if (rangeMs === undefined) return least;
  let line = text.end;
  for (; line > least; line--) {
    const at = timeOf(text.line(line - 1));
    if (at === null || at < now - rangeMs) break;
  }
  return line;
}

/** When a line came: as we saw it, or as it says itself (`timestamps: true`). */
export function timeOf(line: TextLine | null): number | null {
  if (line === null) return null;
  if (line.at !== null) return line.at;
  const [stamp] =
    /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?/.exec(line.spans[0]?.text ?? "") ?? [];
  const at = stamp === undefined ? Number.NaN : instant(stamp.replace(",", "."));
  return Number.isNaN(at) ? null : at;
}

/** Columns that times, and names where several are merged, take before a line. */
export function marginOf(log: OpenLog): number {
  const names = log.source.kind === "merged" ? nameColumns(log.source.names) + 3 : 0;
  return names + (log.place.showsTimes ? 9 : 0);
}

export function nameColumns(names: readonly string[]): number {
  return Math.min(16, Math.max(...names.map(width), 4));
}

/** Rows of the screen that a line takes. */
export function heightOf(line: TextLine | null, columns: number, place: LogPlace): number {
  if (!place.wraps || line === null) return 1;
  let taken = 0;
  for (const { text } of line.spans) taken += width(text);
  return Math.max(1, Math.ceil(taken / Math.max(1, columns)));
}

/** The first line of the screen, and how many of its rows are above it. */
export function topOf(
  log: OpenLog,
  rows: number,
  columns: number,
  now: number,
): { readonly line: number; readonly skip: number } {
  const { text, place } = log;
  const first = firstLine(log, now);
  const room = columns - marginOf(log);
  if (!place.follows) {
    // Not further down than where the last line is at the foot.
    const last = fromTheEnd(log, rows, room, first);
    const line = Math.max(first, place.top);
    return line > last.line || (line === last.line && last.skip > 0) ? last : { line, skip: 0 };
  }
  return fromTheEnd({ text, place }, rows, room, first);
}

function fromTheEnd({ text, place }: Pick<OpenLog, "text" | "place">, rows: number, room: number, first: number) {
  let left = rows;
  for (let line = text.end - 1; line >= first; line--) {
    const height = heightOf(text.line(line), room, place);
    if (height >= left) return { line, skip: height - left };
    left -= height;
  }
  return { line: first, skip: 0 };
}

/** A step of lines; upwards ends following, and at the foot it follows again. */
export function scrolled(model: Model, by: number): Model {
  const log = logNow(model);
  if (log === null) return model;
  const { rows, columns } = paneSize(model);
  const { line } = topOf(log, rows, columns, model.now);
  const first = firstLine(log, model.now);
  const room = columns - marginOf(log);
  const last = fromTheEnd(log, rows, room, first);
  if (log.place.follows && by > 0) return model;
  const top = Math.min(Math.max(first, line + by), Math.max(first, last.line));
  const isAtEnd = by > 0 && top >= last.line;
  return withPlace(model, log, { top, follows: isAtEnd });
}

export function paneSize(model: Model): { readonly rows: number; readonly columns: number } {
  return { rows: paneRows(model), columns: layout(model).pane?.columns ?? model.columns };
}

// Searching

export function matcher({ text, isRegex }: Pick<Search, "text" | "isRegex">): RegExp | null {
  if (text === "") return null;
  // Small letters mean both, as in less -i.
  const flags = /\p{Lu}/u.test(text) ? "gu" : "giu";
  try {
    return new RegExp(isRegex ? text : text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&"), flags);
  } catch {
    return null;
  }
}

/** `/…/` is a regular expression, all else is text. */
export function searchOf(text: string): Search {
  const [, pattern] = /^\/(.+)\/$/.exec(text) ?? [];
  return pattern === undefined ? { text, isRegex: false, at: null } : { text: pattern, isRegex: true, at: null };
}

/** The line of the next hit from `from` on; null: there is none. */
export function hitFrom(log: OpenLog, search: Search, from: number, step: 1 | -1, now: number): number | null {
  const pattern = matcher(search);
  if (pattern === null) return null;
  const first = firstLine(log, now);
  for (let line = from; line >= first && line < log.text.end; line += step) {
    pattern.lastIndex = 0;
    if (pattern.test(log.text.plain(line))) return line;
  }
  return null;
}

export function hitCount(
  log: OpenLog,
  search: Search,
  now: number,
): { readonly hits: number; readonly before: number } {
  const pattern = matcher(search);
  let hits = 0;
  let before = 0;
  for (let line = firstLine(log, now); pattern !== null && line < log.text.end; line++) {
    pattern.lastIndex = 0;
    if (!pattern.test(log.text.plain(line))) continue;
    hits++;
    if (search.at !== null && line <= search.at) before++;
  }
  return { hits, before };
}

export function jumpedTo(model: Model, log: OpenLog, search: Search, line: number | null): Model {
  if (line === null) return withPlace(model, log, { search });
  const { rows } = paneSize(model);
  const top = Math.max(firstLine(log, model.now), line - Math.floor(rows / 2));
  return withPlace(model, log, { search: { ...search, at: line }, top, follows: false });
}
