/**
 * When one job starts: one or several schedules in its zone, and its share of the splay. The splay keeps jobs with the same
 * schedule apart; the share is made from host and name, so a job starts at the same second each day and each host at another.
 * A splayed start is never later than half the way to the next slot, so nothing overtakes and nothing is due for ever.
 */
import { latest, next, type Slot, slotsBetween } from "./next.ts";
import type { Schedule, WallTime } from "./schedule.ts";
import { UTC, type Zone, zoneNamed } from "./zone.ts";

export interface Timetable {
  readonly schedules: readonly Schedule[];
  readonly timezone: string;
  readonly splayMs: number;
  /** In [0, 1). */
  readonly share: number;
}

/** A slot, and when the job starts for it. */
export interface Start {
  readonly slot: Slot;
  readonly at: WallTime;
}

export function nextStart(timetable: Timetable, from: WallTime): Start | null {
  const slot = nextSlot(timetable, from);
  return slot === null ? null : { slot, at: slot.at + delayMs(timetable, slot) };
}

export function nextSlot({ schedules, timezone }: Timetable, from: WallTime): Slot | null {
  const zone = zoneOf(timezone);
  return schedules.reduce<Slot | null>((first, schedule) => earlier(first, next(schedule, zone, from)), null);
}

/** The slots in `(after, until]`, earliest first; no more than `most`. */
export function slotsOf(timetable: Timetable, after: WallTime, until: WallTime, most: number): readonly Slot[] {
  const zone = zoneOf(timetable.timezone);
  const [only, ...others] = timetable.schedules;
  if (only !== undefined && others.length === 0) return slotsBetween(only, zone, after, until, most);
  const slots = timetable.schedules.flatMap((schedule) => slotsBetween(schedule, zone, after, until, most));
  slots.sort((a, b) => a.at - b.at);
  // Two schedules that meet in one instant want one start.
  return slots.filter((slot, index) => slot.at !== slots[index - 1]?.at).slice(0, most);
}

/** The last slot in `(after, until]`. */
export function latestSlot({ schedules, timezone }: Timetable, after: WallTime, until: WallTime): Slot | null {
  const zone = zoneOf(timezone);
  return schedules.reduce<Slot | null>((last, schedule) => {
    const slot = latest(schedule, zone, after, until);
    return last === null || (slot !== null && slot.at > last.at) ? slot : last;
  }, null);
}

/** Is it a job for times of the day, to be made up for when a change of the clock skipped them? */
export function isFixed({ schedules }: Timetable): boolean {
  return schedules.every((schedule) => schedule.kind === "calendar" && schedule.pace === "fixed");
}

export function delayMs(timetable: Timetable, slot: Slot): number {
  const { splayMs, share, schedules } = timetable;
  if (splayMs === 0 || schedules.some(({ kind }) => kind === "every")) return 0; // Those are apart by themselves.
  const after = nextSlot(timetable, slot.at);
  const most = after === null ? splayMs : Math.min(splayMs, (after.at - slot.at) / 2);
  return Math.floor(share * most);
}

/** In [0, 1), the same for a host and a job for ever (FNV-1a). */
export function shareOf(host: string, job: string): number {
  let hash = 0x811c9dc5;
  const text = `${host}\n${job}`;
  for (let at = 0; at < text.length; at++) {
    const point = text.codePointAt(at)!;
    if (point > 0xffff) at++;
    hash = Math.imul(hash ^ point, 0x01000193);
  }
  // The low bits of FNV differ most between names that differ in their last letter; mixing carries them up.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}

function earlier(a: Slot | null, b: Slot | null): Slot | null {
  if (a === null || b === null) return a ?? b;
  return b.at < a.at ? b : a;
}

/** A plan has no zone that does not exist. */
function zoneOf(name: string): Zone {
  return zoneNamed(name) ?? UTC;
}
