/**
 * The schedule at the beginning of a crontab line, as Debian's cron 3.0pl1-162 reads it: five fields or a nickname.
 *
 * Exactly what Debian refuses is refused. Where Debian accepts a line and reads it in a way nobody expects (`5.5` is 5,
 * `22-2` is nothing), it is read the same way, so that a job taken over runs as it always did, and a remark says so.
 *
 *   field = range {"," range}        range = ("*" | value ["-" value]) ["/" step], a step only behind * or two values
 *
 * A field that *begins* with `*` counts as unrestricted, whatever follows: of the two day fields it makes both conditions
 * count (else one is enough), of minute and hour it makes the pace a rhythm. So every second day
 * written from `*` is not the same as from `1-31`.
 */
import { bad, type Flaw, quoted } from "../plan/flaw.ts";
import { suggestion } from "../plan/suggest.ts";
import type { Remark } from "./remark.ts";
import { type Calendar, type FieldName, RANGES, type Schedule, whole } from "./schedule.ts";

export type ExpressionReading =
  | {
      readonly ok: true;
      readonly schedule: Schedule;
      readonly remarks: readonly Remark[];
      /** Where the rest of the line begins: the user or the command. */
      readonly end: number;
    }
  | { readonly ok: false; readonly flaw: Flaw & { readonly at: number } };

export const MONTH_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
export const WEEKDAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

type CrontabField = Exclude<FieldName, "second">;

const ORDER: readonly CrontabField[] = ["minute", "hour", "day", "month", "weekday"];

/** As messages call them. */
const NOUNS: Readonly<Record<CrontabField, string>> = {
  minute: "minute",
  hour: "hour",
  day: "day of the month",
  month: "month",
  weekday: "day of the week",
};

/** What the numbers of a field may be; 7 is Sunday like 0. */
function boundsOf(field: CrontabField): readonly [low: number, high: number] {
  return field === "weekday" ? [0, 7] : RANGES[field];
}

/** An expression that stands alone: nothing may follow it. */
export function parseCrontabExpression(text: string): ExpressionReading {
  const reading = readCrontabExpression(text);
  if (!reading.ok || reading.end === text.length) return reading;
  const rest = text.slice(reading.end);
  if (reading.schedule.kind !== "calendar" || text.trimStart().startsWith("@")) {
    return no(`${quoted(rest)} stands behind the nickname`, "write the nickname alone", reading.end);
  }
  const fields = text.trim().split(/[ \t]+/).length;
  const isSeconds = /^[\d*,/?LW#-]+$/.test(rest.trim());
  return no(
    `${fields} fields; a crontab line has five, and ${quoted(rest)} would be its command`,
    isSeconds
      ? "leave one out; seconds are for YAML jobs, with `dialect: extended`"
      : "give the five fields without user and command",
    reading.end,
  );
}

/** The expression at the beginning of a line; what follows it and its blanks is somebody else's. */
export function readCrontabExpression(line: string): ExpressionReading {
  const start = skipBlanks(line, 0);
  if (line[start] === "@") return readNickname(line, start);
  const remarks: Remark[] = [];
  const fields: Partial<Record<CrontabField, Field>> = {};
  let at = start;
  for (const name of ORDER) {
    if (at >= line.length) {
      const count = Object.keys(fields).length;
      const has = count === 0 ? "there is no schedule" : `only ${count} of five fields`;
      return no(`${has}: the ${NOUNS[name]} is missing`, "write minute, hour, day of the month, month, weekday", at);
    }
    const field = readField(line, at, name);
    if (!field.ok) return field;
    fields[name] = field;
    remarks.push(...field.remarks);
    at = skipBlanks(line, field.end);
  }
  return { ok: true, schedule: calendarOf(fields as Record<CrontabField, Field>), remarks, end: at };
}

interface Field {
  readonly values: readonly number[];
  /** Its first character is `*`. */
  readonly isStar: boolean;
}

const AT_ZERO = [0];
const NONE: readonly never[] = [];

function calendarOf(fields: Readonly<Record<CrontabField, Field>>): Calendar {
  return {
    kind: "calendar",
    seconds: AT_ZERO,
    minutes: fields.minute.values,
    hours: fields.hour.values,
    days: fields.day.values,
    months: fields.month.values,
    weekdays: fields.weekday.values,
    movingDays: NONE,
    dayRule: fields.day.isStar || fields.weekday.isStar ? "both" : "either",
    pace: fields.minute.isStar || fields.hour.isStar ? "wildcard" : "fixed",
  };
}

// Nicknames.

const NICKNAMES: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const ALL_NICKNAMES = [...Object.keys(NICKNAMES), "@reboot"];

/** What a nickname stands for; null: it is none, or `@reboot`. */
export function fieldsOfNickname(nickname: string): string | null {
  return Object.hasOwn(NICKNAMES, nickname) ? NICKNAMES[nickname]! : null;
}

function readNickname(line: string, start: number): ExpressionReading {
  const wordEnd = skipWord(line, start);
  const word = line.slice(start, wordEnd);
  const end = skipBlanks(line, wordEnd);
  if (word === "@reboot") return { ok: true, schedule: { kind: "boot" }, remarks: [], end };
  const fields = fieldsOfNickname(word);
  if (fields === null) return no(`unknown nickname ${quoted(word)}`, nicknameFix(word), start);
  const reading = readCrontabExpression(fields);
  return reading.ok ? { ...reading, end } : reading;
}

function nicknameFix(word: string): string {
  if (word === "@every") return 'a crontab has no `@every`; in a YAML job write `schedule: "@every 5m"`';
  return suggestion(word, ALL_NICKNAMES, `there are ${ALL_NICKNAMES.join(" ")}, in small letters`);
}

// Fields.

type FieldReading =
  | (Field & { readonly ok: true; readonly end: number; readonly remarks: readonly Remark[] })
  | Refusal;
type Refusal = Extract<ExpressionReading, { ok: false }>;

/**
 * Fields about which there is nothing to say. Ten thousand jobs write a few hundred different ones: each is read once, and its
 * values are one array for all.
 */
const known = new Map<string, Field>();
const MOST_KNOWN = 2_000;

function readField(line: string, start: number, name: CrontabField): FieldReading {
  const end = skipWord(line, start);
  const key = `${name} ${line.slice(start, end)}`;
  const before = known.get(key);
  if (before !== undefined) return { ok: true, ...before, end, remarks: [] };
  const reading = readNewField(line, start, name);
  if (reading.ok && reading.remarks.length === 0 && known.size < MOST_KNOWN) {
    known.set(key, { values: reading.values, isStar: reading.isStar });
  }
  return reading;
}

function readNewField(line: string, start: number, name: CrontabField): FieldReading {
  const set = new Set<number>();
  const remarks: Remark[] = [];
  let at = start;
  for (;;) {
    const range = readRange(line, at, name);
    if (!range.ok) return range;
    const [first, last] = [range.first, range.last];
    // 7 is merged with 0 only when the set is there: a step counts over 0 to 7.
    for (let value = first; value <= last; value += range.step) set.add(name === "weekday" ? value % 7 : value);
    if (first < last && range.step > last - first) remarks.push(stepBeyond(line.slice(at, range.end), first, name, at));
    if (first > last) remarks.push(emptyRange(line.slice(at, range.end), range, name, at));
    at = range.end;
    if (line[at] !== ",") break;
    at++;
  }
  const end = skipWord(line, at);
  if (end > at) remarks.push(ignoredText(line.slice(start, end), line.slice(start, at), line[at]!, name, at));
  const values = [...set].sort((a, b) => a - b);
  const isAll = values.length === whole(name).length;
  return { ok: true, values: isAll ? whole(name) : values, isStar: line[start] === "*", end, remarks };
}

interface Range {
  readonly ok: true;
  readonly first: number;
  readonly last: number;
  readonly step: number;
  readonly end: number;
}

function readRange(line: string, start: number, name: CrontabField): Range | Refusal {
  const [low, high] = boundsOf(name);
  let [first, last, at] = [low, high, start + 1];
  if (line[start] !== "*") {
    const from = readValue(line, start, name);
    if (!from.ok) return from;
    [first, last, at] = [from.value, from.value, from.end];
    if (line[at] === "/") {
      const step = /^\d+/.exec(line.slice(at + 1))?.[0] ?? "N";
      return no(`a step behind a single value: ${quoted(wordAt(line, start))}`, `write ${first}-${high}/${step}`, at);
    }
    if (line[at] === "-") {
      const to = readValue(line, at + 1, name);
      if (!to.ok) return to;
      [last, at] = [to.value, to.end];
    }
  }
  if (line[at] !== "/") return { ok: true, first, last, step: 1, end: at };
  const word = alphanumericAt(line, at + 1);
  const step = /^\d+$/.test(word) ? Number(word) : 0;
  if (step === 0) {
    const what = word === "" ? "there is no number behind `/`" : `${quoted(word)} is no step`;
    return no(what, "a step is a number from 1 on: */5", at + 1);
  }
  return { ok: true, first, last, step, end: at + 1 + word.length };
}

function readValue(
  line: string,
  at: number,
  name: CrontabField,
): { ok: true; readonly value: number; readonly end: number } | Refusal {
  const [low, high] = boundsOf(name);
  const word = alphanumericAt(line, at);
  const named = name === "month" ? MONTH_NAMES : name === "weekday" ? WEEKDAY_NAMES : [];
  const index = named.indexOf(word.toLowerCase());
  const end = at + word.length;
  if (index >= 0) return { ok: true, value: index + low, end };
  if (/^\d+$/.test(word)) {
    const value = Number(word);
    if (value >= low && value <= high) return { ok: true, value, end };
    return no(`${quoted(word)} is no ${NOUNS[name]}`, `write a number from ${low} to ${high}`, at);
  }
  const [what, fix] = wordsForNoValue(word, line[end], wordAt(line, at), name);
  return no(what, fix, at);
}

function wordsForNoValue(
  word: string,
  behind: string | undefined,
  rest: string,
  name: CrontabField,
): [what: string, fix: string] {
  const [low, high] = boundsOf(name);
  const named = name === "month" ? MONTH_NAMES : name === "weekday" ? WEEKDAY_NAMES : [];
  const numbers = `write a number from ${low} to ${high}`;
  if (word === "") {
    if (behind === "?") return ["`?` is not cron's", "write `*`"];
    const what = behind === undefined || /[\s,]/.test(behind) ? "a value is missing" : `${quoted(rest)} is no value`;
    return [`${what} (${NOUNS[name]})`, `${numbers}, without a sign, or \`*\``];
  }
  const what = `${quoted(word)} is no ${NOUNS[name]}`;
  const short = named.find((letters) => word.length > 3 && word.toLowerCase().startsWith(letters));
  if (short !== undefined) return [what, `names have three letters: \`${short}\``];
  if (/^(L|\d*W|LW|\d+L|L\d*)$/.test(word)) return [what, "L and W are for YAML jobs, with `dialect: extended`"];
  if (word === "H") return [what, "write a fixed number; a YAML job spreads its start with `splay:`"];
  if (named.length > 0 && /^[a-z]+$/i.test(word)) return [what, suggestion(word, named, `write ${named.join(", ")}`)];
  return [what, numbers];
}

// Remarks.

function emptyRange(text: string, { first, last, step }: Range, name: CrontabField, at: number): Remark {
  return {
    rule: "empty-range",
    what: `cron reads the range ${quoted(text)} as nothing, for it ends before it begins`,
    fix: step === 1 ? `write ${unwrapped(first, last, name)}` : "write it as two ranges",
    at,
  };
}

function stepBeyond(text: string, first: number, name: CrontabField, at: number): Remark {
  return {
    rule: "step-beyond-field",
    what: `the step of ${quoted(text)} is larger than its range, so only the ${NOUNS[name]} ${first} is left`,
    fix: `write ${first} if that is meant`,
    at,
  };
}

/** `22-2` as cron understands it: `22-23,0-2`. */
function unwrapped(first: number, last: number, name: CrontabField): string {
  const [low, high] = boundsOf(name);
  const range = (from: number, to: number) => (from === to ? `${from}` : `${from}-${to}`);
  if (name !== "weekday") return `${range(first, high)},${range(low, last)}`;
  return last === 0 ? range(first, 7) : `${range(first, 7)},${range(1, last)}`;
}

function ignoredText(text: string, read: string, behind: string, name: CrontabField, at: number): Remark {
  return {
    rule: "ignored-text",
    what: `cron reads the ${NOUNS[name]} ${quoted(text)} as \`${read}\` and ignores the rest`,
    fix: ignoredTextFix(read, behind),
    at,
  };
}

function ignoredTextFix(read: string, behind: string): string {
  if (/^\d$/.test(behind) && read === "*") return "for a step write `*/5`, else `*` alone";
  switch (behind) {
    case ";":
    case ".":
      return "separate values by commas";
    case "~":
      return "cron has no random values; a YAML job spreads its start with `splay:`";
    case "#":
      return "`#` (the n-th weekday of a month) is for YAML jobs, with `dialect: extended`";
    default:
      return `write \`${read}\` if that is meant`;
  }
}

// Characters.

function no(what: string, fix: string, at: number): Refusal {
  return { ok: false, flaw: { ...bad(what, fix).flaw, at } };
}

function alphanumericAt(line: string, at: number): string {
  let end = at;
  while (end < line.length && /[A-Za-z0-9]/.test(line[end]!)) end++;
  return line.slice(at, end);
}

function wordAt(line: string, at: number): string {
  return line.slice(at, skipWord(line, at));
}

function skipWord(line: string, at: number): number {
  let end = at;
  while (end < line.length && line[end] !== " " && line[end] !== "\t") end++;
  return end;
}

function skipBlanks(line: string, at: number): number {
  let end = at;
  while (line[end] === " " || line[end] === "\t") end++;
  return end;
}
