/**
 * The extended dialect: five fields, or six with seconds first, `L L-3 15W LW` in the day of the month, `5L 1#2` in the
 * weekday, `?`, and ranges that wrap (`22-2`, `fri-sun`). The grammar is node-cron's, and this is the only file that knows
 * it; node-cron never decides when anything runs.
 *
 * node-cron takes some slips for values (`JANFEB` is December, `5-64/30` a range): those are refused before it sees them.
 * It refuses dates that do not exist; here they are legal and never come, as in a crontab. Its answer has no word of which
 * field began with `*`: that is read from the text, and means what it means in a crontab.
 */
import { type ParsedFields, validateDetailed } from "node-cron";
import { bad, quoted } from "../plan/flaw.ts";
import { suggestion } from "../plan/suggest.ts";
import { type ExpressionReading, MONTH_NAMES, WEEKDAY_NAMES } from "./crontab-expression.ts";
import { type FieldName, type MovingDay, RANGES, whole } from "./schedule.ts";

/** How a day of the month and a weekday that are both given go together; null: as in a crontab. */
export type DaysTogether = "and" | "or" | null;

interface Word {
  readonly text: string;
  readonly at: number;
}

const ORDER: readonly FieldName[] = ["second", "minute", "hour", "day", "month", "weekday"];
const THEIRS = {
  second: "second",
  minute: "minute",
  hour: "hour",
  day: "dayOfMonth",
  month: "month",
  weekday: "dayOfWeek",
} as const satisfies Record<FieldName, keyof ParsedFields>;

export function parseExtendedExpression(text: string, days: DaysTogether = null): ExpressionReading {
  const words = [...text.matchAll(/[^ \t]+/g)].map((found): Word => ({ text: found[0], at: found.index }));
  if (words.length < 5 || words.length > 6) {
    const fix = "write minute, hour, day of the month, month, weekday, with seconds in front if you like";
    return no(`${words.length} fields; a schedule has five or six`, fix, words[6]?.at ?? text.length);
  }
  if (words.length === 5) words.unshift({ text: "0", at: 0 });
  const read: Partial<Record<FieldName, readonly (number | string)[]>> = {};
  for (const [index, name] of ORDER.entries()) {
    const word = words[index]!;
    const field = readField(word, name);
    if ("flaw" in field) return field;
    read[name] = field.values;
  }
  const starts = (name: FieldName) => /^[*?]/.test(words[ORDER.indexOf(name)]!.text);
  const isUnrestricted = starts("day") || starts("weekday");
  return {
    ok: true,
    schedule: {
      kind: "calendar",
      seconds: numbers(read.second!, "second"),
      minutes: numbers(read.minute!, "minute"),
      hours: numbers(read.hour!, "hour"),
      days: numbers(read.day!, "day"),
      months: numbers(read.month!, "month"),
      weekdays: numbers(read.weekday!, "weekday"),
      movingDays: [...read.day!, ...read.weekday!].filter((value) => typeof value === "string").map(movingDayOf),
      dayRule: days === "and" || isUnrestricted ? "both" : "either",
      // A rhythm of seconds is kept like one of minutes.
      pace: starts("second") || starts("minute") || starts("hour") ? "wildcard" : "fixed",
    },
    remarks: [],
    end: text.length,
  };
}

type FieldReading = { readonly values: readonly (number | string)[] } | Extract<ExpressionReading, { ok: false }>;

/** Each field is asked alone: the others cannot make it impossible, and a slip is found in its element. */
function readField(word: Word, name: FieldName): FieldReading {
  let at = word.at;
  const values: (number | string)[] = [];
  for (const element of word.text.split(",")) {
    const slip = slipIn(element, name);
    const answer = slip === null && element !== "" ? validateDetailed(alone(element, name)) : null;
    if (answer === null || answer.fields === undefined) {
      const what = element === "" ? `a value is missing (${name})` : `${quoted(element)} is no ${name}`;
      return no(what, slip ?? formsOf(name), at);
    }
    values.push(...answer.fields[THEIRS[name]]);
    at += element.length + 1;
  }
  return { values };
}

function alone(element: string, name: FieldName): string {
  return ORDER.map((field) => (field === name ? element : "*")).join(" ");
}

/** What node-cron would take for something else; the fix. */
function slipIn(element: string, name: FieldName): string | null {
  const names = name === "month" ? MONTHS : name === "weekday" ? WEEKDAYS : [];
  for (const [letters] of element.matchAll(/[A-Za-z]+/g)) {
    const word = letters.toLowerCase();
    if (names.includes(word)) continue;
    if (name === "day" && ["l", "w", "lw"].includes(word)) continue;
    if (name === "weekday" && (word === "l" || (word.endsWith("l") && names.includes(word.slice(0, -1))))) continue;
    return names.length > 0 ? suggestion(word, names, formsOf(name)) : formsOf(name);
  }
  const beyond = element
    .split("/")[0]!
    .match(/\d+/g)
    ?.find((number) => Number(number) > highest(name));
  return beyond === undefined ? null : formsOf(name);
}

const MONTHS = [
  ...MONTH_NAMES,
  ...["january", "february", "march", "april", "june", "july", "august"],
  ...["september", "october", "november", "december"],
];
const WEEKDAYS = [...WEEKDAY_NAMES, ...["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]];

function highest(name: FieldName): number {
  return name === "weekday" ? 7 : RANGES[name][1];
}

function formsOf(name: FieldName): string {
  const numbers = `numbers from ${RANGES[name][0]} to ${highest(name)}, like 5, 1-5, */2, 1-30/7`;
  if (name === "day") return `write ${numbers}; or L, L-3, 15W, LW`;
  if (name === "weekday") return `write ${numbers}; or mon, fri-sun, 5L, 1#2`;
  return name === "month" ? `write ${numbers}; or jan, nov-feb` : `write ${numbers}`;
}

function numbers(values: readonly (number | string)[], name: FieldName): readonly number[] {
  const set = [...new Set(values.filter((value) => typeof value === "number"))].sort((a, b) => a - b);
  return set.length === whole(name).length ? whole(name) : set;
}

/** node-cron's tokens, with names already numbers: `L`, `L-3`, `15W`, `LW`, `5L`, `1#2`. */
function movingDayOf(token: string): MovingDay {
  const [, first, kind, second] = /^(\d*)(LW|L|W|#)-?(\d*)$/.exec(token) ?? [];
  const number = Number(first);
  switch (kind) {
    case "LW":
      return { kind: "last working" };
    case "W":
      return { kind: "working", day: number };
    case "#":
      return { kind: "nth weekday", weekday: number % 7, nth: Number(second) };
    case "L":
      return first === ""
        ? { kind: "last", daysBefore: Number(second) }
        : { kind: "last weekday", weekday: number % 7 };
    default:
      throw new Error(`node-cron answered ${token}, which is no day: its grammar is not the one this file knows`);
  }
}

function no(what: string, fix: string, at: number): Extract<ExpressionReading, { ok: false }> {
  return { ok: false, flaw: { ...bad(what, fix).flaw, at } };
}
