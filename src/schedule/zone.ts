/**
 * Time zones by what `Intl` knows of them: how far the clocks there are from UTC, and when that shifts.
 *
 * Asking `Intl` takes microseconds, and ten thousand jobs ask for the same few days. So each zone remembers its offset at
 * the midnights of UTC that were asked for. Where two midnights differ, the shift between them is found to the second by
 * halving. Two shifts within one day would be taken for one; no zone has had that.
 */
import { bad, type Flaw, quoted } from "../plan/flaw.ts";
import { suggestion } from "../plan/suggest.ts";
import type { WallTime } from "./schedule.ts";

export interface Zone {
  /** As the operator wrote it. */
  readonly name: string;
  /** Seconds to add to UTC to read the clock there. */
  offsetAt(at: WallTime): number;
  /** The shift in `(midnight of this UTC day, next midnight]`; null: none. */
  shiftOn(utcDay: number): Shift | null;
}

/** The clocks are changed. */
export interface Shift {
  /** Seconds since 1970: the first one with the offset after. */
  readonly at: number;
  readonly offsetBefore: number;
  readonly offsetAfter: number;
}

const DAY_S = 86_400;

/** There are about 600 names; more can only be wrong ones. */
const MOST_ZONES = 1_000;
/** 27 years of midnights, 0.5 MB. Beyond that it begins anew, which costs time and nothing else. */
const MOST_DAYS = 10_000;

const zones = new Map<string, Zone>();

/** null: `Intl` has no such zone. */
export function zoneNamed(name: string): Zone | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = name === "UTC" ? UTC : made(name);
  if (zone === null) return null;
  if (zones.size >= MOST_ZONES) zones.clear();
  zones.set(name, zone);
  return zone;
}

export const UTC: Zone = { name: "UTC", offsetAt: () => 0, shiftOn: () => null };

/** Why this is no time zone, with what was meant; null: it is one. */
export function wrongZone(name: string): Flaw | null {
  if (zoneNamed(name) !== null) return null;
  const near = suggestion(name, Intl.supportedValuesOf("timeZone"), "write it like Europe/Berlin or UTC");
  return bad(`${quoted(name)} is no time zone`, near).flaw;
}

/**
 * An ISO date or date with time; without an offset it is what a clock there shows. What such a clock shows twice is the
 * first time, what it never shows is the time after the gap. null: it is none.
 */
export function instantOf(text: string, zone: Zone): WallTime | null {
  const found = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(
    text.trim(),
  );
  if (found === null) return null;
  const [, date, time = "00:00", offset] = found;
  const there = new Date(`${date}T${time}${offset ?? "Z"}`).getTime();
  if (Number.isNaN(there) || new Date(`${date}T00:00Z`).toISOString().slice(0, 10) !== date) return null;
  if (offset !== undefined) return there;
  const before = there - zone.offsetAt(there - DAY_S * 1000) * 1000;
  const after = there - zone.offsetAt(there + DAY_S * 1000) * 1000;
  const fits = (at: WallTime) => at + zone.offsetAt(at) * 1000 === there;
  return fits(before) || !fits(after) ? before : after;
}

function made(name: string): Zone | null {
  let clock: Intl.DateTimeFormat;
  try {
    clock = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    return null;
  }
  return new RememberedZone(name, clock);
}

class RememberedZone implements Zone {
  readonly name: string;
  readonly #clock: Intl.DateTimeFormat;
  readonly #midnights = new Map<number, number>();
  readonly #shifts = new Map<number, Shift>();

  constructor(name: string, clock: Intl.DateTimeFormat) {
    this.name = name;
    this.#clock = clock;
  }

  offsetAt(at: WallTime): number {
    const day = Math.floor(at / 1000 / DAY_S);
    const before = this.#atMidnight(day);
    const shift = this.shiftOn(day);
    return shift === null || at < shift.at * 1000 ? before : shift.offsetAfter;
  }

  shiftOn(utcDay: number): Shift | null {
    const offsetBefore = this.#atMidnight(utcDay);
    const offsetAfter = this.#atMidnight(utcDay + 1);
    if (offsetBefore === offsetAfter) return null;
    const known = this.#shifts.get(utcDay);
    if (known !== undefined) return known;
    let before = utcDay * DAY_S;
    let after = before + DAY_S;
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.#ask(middle) === offsetBefore) before = middle;
      else after = middle;
    }
    const shift = { at: after, offsetBefore, offsetAfter };
    this.#shifts.set(utcDay, shift);
    return shift;
  }

  #atMidnight(utcDay: number): number {
    const known = this.#midnights.get(utcDay);
    if (known !== undefined) return known;
    if (this.#midnights.size >= MOST_DAYS) {
      this.#midnights.clear();
      this.#shifts.clear();
    }
    const offset = this.#ask(utcDay * DAY_S);
    this.#midnights.set(utcDay, offset);
    return offset;
  }

  /** "3/8/2026, 03:00:00" there, read back as if it were UTC. */
  #ask(seconds: number): number {
    const [month, day, year, hour, minute, second] = this.#clock
      .format(seconds * 1000)
      .split(/\D+/)
      .map(Number);
    return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) / 1000 - seconds;
  }
}
