/**
 * When a job is due next, with the rules of Debian's cron for clocks that are changed:
 *
 *   forward by less than 3 h    what a fixed job missed is made up for at the first second after the gap, in one start
 *                               (Debian starts it once for each slot, ten seconds apart: our one difference);
 *                               a wildcard job drops what fell into the gap
 *   back by up to 3 h           a fixed job runs in the first pass only; a wildcard job runs in both
 *   further                     the new time counts as it is, nothing is made up for or left out
 *
 * Whether the reason is summer time, a new law or the date line does not matter. The search walks days of UTC (in each there
 * is at most one shift of the zone) and skips those around which no local date fits, so it is quick for rare dates too.
 */
import { dateOf, daysIn, weekdayOf } from "./dates.ts";
import type { Calendar, MovingDay, Schedule, WallTime } from "./schedule.ts";
import type { Shift, Zone } from "./zone.ts";

/** A moment at which a job is due. */
export interface Slot {
  readonly at: WallTime;
  /** How many slots this one start is for: more than 1 only at the end of a gap. */
  readonly coalesced: number;
}

const DAY_S = 86_400;
/** Debian counts minutes: a jump of more than 180 is no shift but another time. */
export const LONGEST_GAP_S = 180 * 60 - 1;
export const LONGEST_REPEAT_S = 180 * 60;
/**
 * A date that does not come in so many years never comes: the rarest is a leap day on a given weekday over a century without
 * a leap year (2072 to 2112).
 */
const LONGEST_WAIT_YEARS = 41;

/**
 * The first slot after `from`; null: never. An `every` counts from `from`, which is its last start; `boot` is no matter of
 * the clock.
 */
export function next(schedule: Schedule, zone: Zone, from: WallTime): Slot | null {
  switch (schedule.kind) {
    case "calendar":
      return nextOnCalendar(schedule, zone, Math.floor(from / 1000));
    case "every":
      return { at: from + schedule.everyMs, coalesced: 1 };
    case "boot":
      return null;
  }
}

/** The slots in `(after, until]`, earliest first; no more than `most`. */
export function slotsBetween(
  schedule: Schedule,
  zone: Zone,
  after: WallTime,
  until: WallTime,
  most: number,
): readonly Slot[] {
  const slots: Slot[] = [];
  let from = after;
  while (slots.length < most) {
    const slot = next(schedule, zone, from);
    if (slot === null || slot.at > until) break;
    slots.push(slot);
    from = slot.at;
  }
  return slots;
}

/** The last slot in `(after, until]`; null: there is none. Found by halving, so that a week of seconds is not walked. */
export function latest(schedule: Schedule, zone: Zone, after: WallTime, until: WallTime): Slot | null {
  let found = next(schedule, zone, after);
  if (found === null || found.at > until) return null;
  if (schedule.kind === "every") return { at: until - ((until - after) % schedule.everyMs), coalesced: 1 };
  let low = found.at; // The last slot is here or later,
  let high = until; // and none begins after this.
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const slot = next(schedule, zone, middle);
    if (slot === null || slot.at > until) high = middle;
    else {
      found = slot;
      low = slot.at;
    }
  }
  return found;
}

/** `from` in seconds. */
function nextOnCalendar(calendar: Calendar, zone: Zone, from: number): Slot | null {
  if (calendar.hours.length === 0 || calendar.minutes.length === 0 || calendar.seconds.length === 0) return null;
  const firstUtcDay = Math.floor((from + 1) / DAY_S);
  const lastUtcDay = firstUtcDay + Math.ceil(LONGEST_WAIT_YEARS * 365.25);
  let date: number | null = null;
  for (let utcDay = firstUtcDay; utcDay <= lastUtcDay; utcDay++) {
    // No clock is a day or more from UTC, so of the local dates only three can touch this day.
    if (date === null || date < utcDay - 1) date = nextDate(calendar, utcDay - 1, lastUtcDay);
    if (date === null) return null;
    if (date > utcDay + 1) utcDay = date - 1;
    const slot = firstOnUtcDay(calendar, zone, utcDay, from);
    if (slot !== null) return slot;
  }
  return null;
}

function firstOnUtcDay(calendar: Calendar, zone: Zone, utcDay: number, from: number): Slot | null {
  const begin = utcDay * DAY_S;
  const end = begin + DAY_S;
  const yesterdays = zone.shiftOn(utcDay - 1);
  const todays = zone.shiftOn(utcDay);
  const until = todays === null ? end : Math.min(todays.at, end);
  const offset = todays?.offsetBefore ?? zone.offsetAt(begin * 1000);
  return (
    firstOfStretch(calendar, { begin, end: until, offset, shift: yesterdays }, from) ??
    (todays === null || until === end
      ? null
      : firstOfStretch(calendar, { begin: todays.at, end, offset: todays.offsetAfter, shift: todays }, from))
  );
}

/** Seconds of UTC with one offset, and the shift that came before them. */
interface Stretch {
  readonly begin: number;
  readonly end: number;
  readonly offset: number;
  readonly shift: Shift | null;
}

function firstOfStretch(calendar: Calendar, { begin, end, offset, shift }: Stretch, from: number): Slot | null {
  let first = Math.max(begin, from + 1);
  if (shift !== null && calendar.pace === "fixed") {
    const gap = shift.offsetAfter - shift.offsetBefore;
    if (gap > 0 && gap <= LONGEST_GAP_S && shift.at >= first) {
      const missed = countIn(calendar, shift.at + shift.offsetBefore, shift.at + shift.offsetAfter);
      const ordinary = firstIn(calendar, shift.at + offset, shift.at + offset + 1) === null ? 0 : 1;
      if (missed > 0) return { at: shift.at * 1000, coalesced: missed + ordinary };
    }
    if (gap < 0 && -gap <= LONGEST_REPEAT_S) first = Math.max(first, shift.at - gap);
  }
  const local = firstIn(calendar, first + offset, end + offset);
  return local === null ? null : { at: (local - offset) * 1000, coalesced: 1 };
}

function countIn(calendar: Calendar, begin: number, end: number): number {
  let count = 0;
  for (let at = firstIn(calendar, begin, end); at !== null; at = firstIn(calendar, at + 1, end)) count++;
  return count;
}

/** The first matching second of local time in `[begin, end)`, counted from 1970 on that clock. */
export function firstIn(calendar: Calendar, begin: number, end: number): number | null {
  for (let date = Math.floor(begin / DAY_S); date * DAY_S < end; date++) {
    const midnight = date * DAY_S;
    const time = firstTime(calendar, Math.max(0, begin - midnight));
    if (time !== null && midnight + time < end && isDate(calendar, date)) return midnight + time;
  }
  return null;
}

/** The first matching time of the day, in seconds, not before `from`. */
function firstTime(calendar: Calendar, from: number): number | null {
  const fromHour = Math.floor(from / 3600);
  for (const hour of calendar.hours) {
    if (hour < fromHour) continue;
    const fromMinute = hour > fromHour ? 0 : Math.floor(from / 60) % 60;
    for (const minute of calendar.minutes) {
      if (minute < fromMinute) continue;
      const fromSecond = hour > fromHour || minute > fromMinute ? 0 : from % 60;
      for (const second of calendar.seconds) if (second >= fromSecond) return hour * 3600 + minute * 60 + second;
    }
  }
  return null;
}

/** The first matching date in `[from, last]`. */
function nextDate(calendar: Calendar, from: number, last: number): number | null {
  let { year, month, day } = dateOf(from);
  for (let first = from - day + 1; first <= last; ) {
    const days = daysIn(year, month);
    if (calendar.months.includes(month)) {
      for (; day <= days; day++) if (isDay(calendar, first, days, day)) return first + day - 1;
    }
    first += days;
    day = 1;
    month = (month % 12) + 1;
    if (month === 1) year++;
  }
  return null;
}

function isDate(calendar: Calendar, date: number): boolean {
  const { year, month, day } = dateOf(date);
  return calendar.months.includes(month) && isDay(calendar, date - day + 1, daysIn(year, month), day);
}

/** `first` is the date of the first of the month, which has so many `days`. */
function isDay({ days, weekdays, movingDays, dayRule }: Calendar, first: number, length: number, day: number): boolean {
  const weekday = weekdayOf(first + day - 1);
  let isDayOfMonth = days.includes(day);
  let isWeekday = weekdays.includes(weekday);
  for (const moving of movingDays) {
    if (isAbout(moving) === "weekday") isWeekday ||= isMovingDay(moving, first, length, day);
    else isDayOfMonth ||= isMovingDay(moving, first, length, day);
  }
  return dayRule === "both" ? isDayOfMonth && isWeekday : isDayOfMonth || isWeekday;
}

/** In which field it was written. */
function isAbout(moving: MovingDay): "day" | "weekday" {
  return moving.kind === "nth weekday" || moving.kind === "last weekday" ? "weekday" : "day";
}

function isMovingDay(moving: MovingDay, first: number, length: number, day: number): boolean {
  switch (moving.kind) {
    case "last":
      return day === length - moving.daysBefore;
    case "working":
      return moving.day <= length && day === nearestWorkingDay(first, length, moving.day);
    case "last working":
      return day === nearestWorkingDay(first, length, length);
    case "nth weekday":
      return weekdayOf(first + day - 1) === moving.weekday && Math.ceil(day / 7) === moving.nth;
    case "last weekday":
      return weekdayOf(first + day - 1) === moving.weekday && day > length - 7;
  }
}

function nearestWorkingDay(first: number, length: number, day: number): number {
  switch (weekdayOf(first + day - 1)) {
    case 6:
      return day > 1 ? day - 1 : day + 2; // Never in another month.
    case 0:
      return day < length ? day + 1 : day - 2;
    default:
      return day;
  }
}
