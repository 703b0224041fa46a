/**
 * What is to be started when svcd looks at the clock: nearly always one slot, a moment ago. After a stall, a suspend, a step
 * of the clock or a time without svcd it is more, and each rule has its own answer:
 *
 *   not looked for   cron (as Debian's cron)                    skip        once                 all
 *   up to 5 min      each slot                                  each slot   each slot            each slot
 *   up to 3 h        fixed: one start for all that was missed   this        one start for all    each slot
 *                    wildcard: this minute's                    minute's    that was missed
 *   longer           this minute's                              this minute's   the same         the same
 *
 * once and all reach back as far as `missed_window`. Nothing is forgotten: what is not started is counted, with the reason.
 */
import type { Cause } from "./run.ts";
import type { WallTime } from "./schedule.ts";
import { isFixed, latestSlot, slotsOf, type Timetable } from "./timetable.ts";

export const ON_MISSED = ["cron", "skip", "once", "all"] as const;
export type OnMissed = (typeof ON_MISSED)[number];

/** A look at the clock, as the queue tells of it. */
export interface Look {
  /** The slots of the job up to here are dealt with. */
  readonly after: WallTime;
  /** Those up to here are due. */
  readonly until: WallTime;
  readonly now: WallTime;
  /** Minutes of the wall clock since the last look. */
  readonly stallMinutes: number;
}

export interface Overdue {
  readonly starts: readonly DueStart[];
  readonly missed: Missed | null;
}

export interface DueStart {
  readonly cause: Cause;
  readonly lateMs: number;
}

/** Due times that are not started. */
export interface Missed {
  readonly count: number;
  /** There are more; nobody counts further. */
  readonly isAtLeast: boolean;
  readonly first: WallTime;
  readonly last: WallTime;
  readonly reason: string;
}

/** Debian's cron: what it is so late for, it runs minute by minute as if it were on time. */
const ON_TIME_MINUTES = 5;
/** Debian's cron: beyond this the clock was set to another time, and nothing is made up for. */
const LONGEST_STALL_MINUTES = 180;
/** Five minutes of a job for each second. */
const MOST_ON_TIME = 300;
/** More starts at once are no help to anybody: kubernetes gave up at as many. */
const MOST_CATCH_UPS = 100;
/** Counting one slot takes a microsecond; a thousand jobs must not hold up a boot by seconds. */
const MOST_COUNTED = 1_000;

const MINUTE_MS = 60_000;

export function overdue(timetable: Timetable, look: Look, onMissed: OnMissed, missedWindowMs: number): Overdue {
  const { after, until, now, stallMinutes } = look;
  if (stallMinutes <= ON_TIME_MINUTES) {
    const slots = slotsOf(timetable, after, until, MOST_ON_TIME);
    const last = slots.at(-1);
    const rest =
      slots.length < MOST_ON_TIME || last === undefined ? null : missedIn(timetable, last.at, until, TOO_MANY);
    return { starts: slots.map(({ at, coalesced }) => start("schedule", at, coalesced, now)), missed: rest };
  }
  // Of a splayed job this minute's slot is earlier by the splay.
  const thisMinute = atSlot(timetable, after, Math.floor(now / MINUTE_MS) * MINUTE_MS - 1 - (now - until));
  const current = slotsOf(timetable, thisMinute, until, MOST_ON_TIME);
  const starts = current.map(({ at, coalesced }) => start("schedule", at, coalesced, now));
  switch (onMissed) {
    case "cron": {
      if (isFixed(timetable) && stallMinutes <= LONGEST_STALL_MINUTES)
        return oneForAll(timetable, look, thisMinute, starts);
      const why = `the clock was not looked at for ${stallMinutes} minutes, and cron does not make up for it`;
      return { starts, missed: missedIn(timetable, after, thisMinute, why) };
    }
    case "skip":
      return { starts, missed: missedIn(timetable, after, thisMinute, "on_missed: skip") };
    case "once": {
      const oldest = atSlot(timetable, after, Math.min(thisMinute, now - missedWindowMs));
      const caught = oneForAll(timetable, { ...look, after: oldest }, thisMinute, starts);
      return { ...caught, missed: missedIn(timetable, after, oldest, "older than missed_window") };
    }
    case "all":
      return each(timetable, look, thisMinute, starts, missedWindowMs);
  }
}

/** The last slot up to `bound`: to go on from there is the same as from `bound`, also for an `@every`, which counts from slots. */
function atSlot(timetable: Timetable, after: WallTime, bound: WallTime): WallTime {
  return latestSlot(timetable, after, bound)?.at ?? after;
}

/** One start for all that was missed; with a slot of this minute, together with it. */
function oneForAll(
  timetable: Timetable,
  { after, now }: Look,
  thisMinute: WallTime,
  starts: readonly DueStart[],
): Overdue {
  const last = latestSlot(timetable, after, thisMinute);
  if (last === null) return { starts, missed: null };
  const count = slotsOf(timetable, after, thisMinute, MOST_COUNTED).reduce((sum, slot) => sum + slot.coalesced, 0);
  const [first, ...others] = starts;
  if (first === undefined) return { starts: [start("catch-up", last.at, count, now)], missed: null };
  const cause = { ...first.cause, coalesced: first.cause.coalesced + count };
  return { starts: [{ ...first, cause }, ...others], missed: null };
}

/** A start for each that was missed, the newest of them. */
function each(
  timetable: Timetable,
  { after, now }: Look,
  thisMinute: WallTime,
  starts: readonly DueStart[],
  missedWindowMs: number,
): Overdue {
  const oldest = atSlot(timetable, after, Math.min(thisMinute, now - missedWindowMs));
  const inWindow = newest(timetable, oldest, thisMinute);
  const isAll = inWindow.length < MOST_CATCH_UPS;
  const from = isAll ? oldest : inWindow[0]!.at - 1;
  const why = isAll ? "older than missed_window" : `more than ${MOST_CATCH_UPS} were missed`;
  const caught = inWindow.map(({ at, coalesced }) => start("catch-up", at, coalesced, now));
  return { starts: [...caught, ...starts], missed: missedIn(timetable, after, from, why) };
}

function newest(timetable: Timetable, after: WallTime, until: WallTime) {
  const slots = [];
  for (let end = until; slots.length < MOST_CATCH_UPS; end = slots[0]!.at - 1) {
    const slot = latestSlot(timetable, after, end);
    if (slot === null) break;
    slots.unshift(slot);
  }
  return slots;
}

const TOO_MANY = `more than ${MOST_ON_TIME} at once`;

function missedIn(timetable: Timetable, after: WallTime, until: WallTime, reason: string): Missed | null {
  const slots = slotsOf(timetable, after, until, MOST_COUNTED);
  const first = slots[0];
  if (first === undefined) return null;
  const isAtLeast = slots.length === MOST_COUNTED;
  const last = isAtLeast ? (latestSlot(timetable, after, until) ?? first) : slots.at(-1)!;
  return { count: slots.length, isAtLeast, first: first.at, last: last.at, reason };
}

function start(trigger: Cause["trigger"], scheduledFor: WallTime, coalesced: number, now: WallTime): DueStart {
  return { cause: { trigger, scheduledFor, coalesced, attempt: 1 }, lateMs: Math.max(0, now - scheduledFor) };
}
