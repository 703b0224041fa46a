/**
 * The schedule that `next` and `explain` are asked about: the words of the call as one expression (quoted or not), its time
 * zone, and from when on. No daemon is needed: when a schedule is due is arithmetic.
 */
import { type Dialect, parseExpression } from "../schedule/expression.ts";
import { lintSchedule } from "../schedule/lint.ts";
import { type Slot, slotsBetween } from "../schedule/next.ts";
import type { Remark } from "../schedule/remark.ts";
import type { Schedule, WallTime } from "../schedule/schedule.ts";
import { instantOf, wrongZone, type Zone, zoneNamed } from "../schedule/zone.ts";
import type { Call } from "./call.ts";
import { EXIT, Failure, usage } from "./failure.ts";
import { countOf, type OptionName } from "./options.ts";

export interface AskedSchedule {
  readonly text: string;
  readonly schedule: Schedule;
  readonly zone: Zone;
  readonly from: WallTime;
  readonly slots: readonly Slot[];
  readonly warnings: readonly Warning[];
}

/** As JSON has it. */
export interface Warning {
  readonly rule: Remark["rule"];
  /** From 1. */
  readonly column: number;
  readonly what: string;
  readonly fix: string;
}

const USUAL_COUNT = 5;
/** More lines than that nobody reads; a program asks again from the last one. */
const MOST = 10_000;

const DIALECTS: readonly Dialect[] = ["crontab", "extended"];

export function askedSchedule(call: Call): AskedSchedule {
  const { words, options, written } = call;
  const text = words.join(" ");
  const spelled = (name: OptionName) => written.get(name) ?? `--${name}`;
  const zone = zoneOf(options.tz, spelled("tz"));
  const { from, count } = countAndStart(call, zone);
  const dialect = DIALECTS.find((known) => known === (options.dialect ?? "crontab"));
  if (dialect === undefined) {
    throw usage(`unknown dialect \`${options.dialect}\``, `there are ${DIALECTS.join(" and ")}`);
  }
  const reading = parseExpression(text, dialect);
  if (!reading.ok) {
    const { what, fix, at } = reading.flaw;
    const shown = `${what}\n  ${text}\n  ${text.slice(0, at).replace(/[^\t]/g, " ")}^`;
    throw new Failure(EXIT.usage, shown, { where: `column ${at + 1}`, fix });
  }
  const warnings = lintSchedule(reading, zone, from).map(({ rule, at, what, fix }) => ({
    rule,
    column: at + 1,
    what,
    fix,
  }));
  const slots = slotsBetween(reading.schedule, zone, from, Number.POSITIVE_INFINITY, count);
  return { text, schedule: reading.schedule, zone, from, slots, warnings };
}

/** How many due times are asked for, and from when on. */
export function countAndStart(call: Call, zone: Zone): { readonly from: WallTime; readonly count: number } {
  const { options, written } = call;
  const spelled = written.get("count") ?? "--count";
  const count = options.count === undefined ? USUAL_COUNT : countOf(options.count, spelled);
  if (count < 1 || count > MOST) throw usage(`\`${spelled} ${count}\` is out of bounds`, `choose from 1 to ${MOST}`);
  return { from: fromOf(call, zone), count };
}

function zoneOf(given: string | undefined, spelled: string): Zone {
  const name = given ?? (new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
  const zone = zoneNamed(name);
  if (zone === null) throw usage(`\`${spelled} ${name}\`: no such time zone`, wrongZone(name)?.fix);
  return zone;
}

function fromOf({ options, written, world }: Call, zone: Zone): WallTime {
  if (options.from === undefined) return world.now().getTime();
  const instant = instantOf(options.from, zone);
  if (instant === null) {
    const what = `\`${written.get("from") ?? "--from"} ${options.from}\` is no date`;
    throw usage(what, "write it like 2026-03-08, 2026-03-08T01:30 (there) or 2026-03-08T06:30:00Z");
  }
  return instant;
}

/** `2026-01-15T10:08:00Z`. */
export function iso(at: WallTime): string {
  return new Date(at).toISOString().replace(/\.000Z$/, "Z");
}

/** `Sun 2026-03-29 03:00:00 +02:00`: what a clock there shows. */
export function localTimeIn(zone: Zone, at: WallTime): string {
  const offset = zone.offsetAt(at);
  const there = new Date(at + offset * 1000).toISOString();
  const weekday = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][new Date(at + offset * 1000).getUTCDay()];
  const minutes = Math.abs(Math.trunc(offset / 60));
  const two = (number: number) => String(number).padStart(2, "0");
  const sign = offset < 0 ? "-" : "+";
  return `${weekday} ${there.slice(0, 10)} ${there.slice(11, 19)} ${sign}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}
