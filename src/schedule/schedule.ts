/**
 * A schedule as plain data: what an expression means once it is read, whichever dialect it was written in.
 *
 *   calendar   the dates and times of a clock on the wall, in the time zone of the job
 *   every      so long after the last start, whatever the clock shows
 *   boot       once for each start of the machine
 *
 * Debian's cron knows two paces of a calendar, told by how an expression is written and not by what it means: `fixed` is a
 * job for a time of the day, to be run once each day whatever is done to the clock; `wildcard` (minute or hour begin with
 * `*`) is a rhythm, to be kept while time passes. They differ where the clock is changed: see `next.ts`.
 */

/** Milliseconds since 1970 in UTC. */
export type WallTime = number;

export type Schedule = Calendar | Every | AtBoot;

export interface Calendar {
  readonly kind: "calendar";
  /** Each ascending; one that is empty never matches. */
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** 1 to 31. */
  readonly days: readonly number[];
  /** 1 to 12. */
  readonly months: readonly number[];
  /** 0 is Sunday, 6 is Saturday. */
  readonly weekdays: readonly number[];
  /** Days of a month that move with it; the crontab dialect has none. */
  readonly movingDays: readonly MovingDay[];
  /** Must a date fit the days of the month and the weekdays, or is one of them enough? */
  readonly dayRule: "both" | "either";
  readonly pace: "fixed" | "wildcard";
}

export type MovingDay =
  /** `L`, `L-3`: so many days before the last of the month. */
  | { readonly kind: "last"; readonly daysBefore: number }
  /** `15W`: the working day (Monday to Friday) nearest to it in the same month. */
  | { readonly kind: "working"; readonly day: number }
  /** `LW`. */
  | { readonly kind: "last working" }
  /** `1#2`: the second Monday. */
  | { readonly kind: "nth weekday"; readonly weekday: number; readonly nth: number }
  /** `5L`: the last Friday. */
  | { readonly kind: "last weekday"; readonly weekday: number };

export interface Every {
  readonly kind: "every";
  readonly everyMs: number;
}

export interface AtBoot {
  readonly kind: "boot";
}

export type FieldName = "second" | "minute" | "hour" | "day" | "month" | "weekday";

/** The values of each field; the 7 that is Sunday too is only a way to write 0. */
export const RANGES: Readonly<Record<FieldName, readonly [first: number, last: number]>> = {
  second: [0, 59],
  minute: [0, 59],
  hour: [0, 23],
  day: [1, 31],
  month: [1, 12],
  weekday: [0, 6],
};

const WHOLE: Readonly<Record<FieldName, readonly number[]>> = {
  second: all("second"),
  minute: all("minute"),
  hour: all("hour"),
  day: all("day"),
  month: all("month"),
  weekday: all("weekday"),
};

function all(field: FieldName): readonly number[] {
  const [first, last] = RANGES[field];
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Every value of a field. The same array each time: ten thousand jobs share it. */
export function whole(field: FieldName): readonly number[] {
  return WHOLE[field];
}

export function isWhole(field: FieldName, values: readonly number[]): boolean {
  return values.length === WHOLE[field].length;
}
