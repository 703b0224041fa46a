/**
 * What changes of the clocks do to a job: said before they do it. A rhythm that goes on all day is left alone; a job for the
 * small hours is made up for, dropped or repeated once a year, and people ask why.
 */
import { dateOf } from "./dates.ts";
import { firstIn, LONGEST_GAP_S, LONGEST_REPEAT_S } from "./next.ts";
import { type Calendar, isWhole, type Schedule, type WallTime } from "./schedule.ts";
import type { Shift, Zone } from "./zone.ts";

export interface ClockChange {
  readonly at: WallTime;
  /** "2026-03-29: 02:30 does not exist there; the job starts at 03:00 instead". */
  readonly what: string;
}

const DAY_S = 86_400;

/** Changes in `(from, until]` that touch the job, in order. */
export function clockChanges(schedule: Schedule, zone: Zone, from: WallTime, until: WallTime): readonly ClockChange[] {
  if (schedule.kind !== "calendar") return [];
  const changes: ClockChange[] = [];
  for (let day = Math.floor(from / 1000 / DAY_S); day * DAY_S * 1000 <= until; day++) {
    const shift = zone.shiftOn(day);
    if (shift === null || shift.at * 1000 <= from || shift.at * 1000 > until) continue;
    const what = whatHappens(schedule, shift);
    if (what !== null) changes.push({ at: shift.at * 1000, what });
  }
  return changes;
}

function whatHappens(calendar: Calendar, shift: Shift): string | null {
  const before = shift.at + shift.offsetBefore;
  const after = shift.at + shift.offsetAfter;
  const isRhythm = calendar.pace === "wildcard";
  if (isRhythm && isWhole("hour", calendar.hours)) return null; // It goes on as if nothing had happened.
  if (after > before) {
    const missing = firstIn(calendar, before, after);
    if (missing === null) return null;
    const consequence =
      isRhythm || after - before > LONGEST_GAP_S
        ? "the job does not start"
        : `the job starts at ${clock(after)} instead`;
    return `${dateText(missing)}: ${clock(missing)} does not exist there; ${consequence}`;
  }
  const repeated = firstIn(calendar, after, before);
  if (repeated === null) return null;
  const isOnce = !isRhythm && before - after <= LONGEST_REPEAT_S;
  const consequence = isOnce ? "the job starts the first time only" : "the job starts each time";
  return `${dateText(repeated)}: ${clock(repeated)} comes twice there; ${consequence}`;
}

function dateText(local: number): string {
  const { year, month, day } = dateOf(Math.floor(local / DAY_S));
  return `${year}-${two(month)}-${two(day)}`;
}

function clock(local: number): string {
  const second = ((local % DAY_S) + DAY_S) % DAY_S;
  return `${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
