import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCrontabExpression } from "./crontab-expression.ts";
import { latest, next, slotsBetween } from "./next.ts";
import { debianStarts, minutesOf, randomLine, randomNumbers } from "./oracle.ts";
import type { Calendar, Schedule } from "./schedule.ts";
import { truth } from "./truth.ts";
import { type Zone, zoneNamed } from "./zone.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function scheduleOf(text: string): Schedule {
  const reading = parseCrontabExpression(text);
  assert.ok(reading.ok, text);
  return reading.schedule;
}

function zoneOf(name: string): Zone {
  const zone = zoneNamed(name);
  assert.ok(zone !== null, name);
  return zone;
}

const at = (text: string) => Date.parse(text);
const iso = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z");

for (const { id, expr, tz, from, next: expected, rule, debianRuns } of truth.cases) {
  test(`as Debian's cron: ${id}: ${rule}`, () => {
    const schedule = scheduleOf(expr);
    const slots = slotsBetween(schedule, zoneOf(tz), at(from), Number.POSITIVE_INFINITY, Math.max(1, expected.length));
    assert.deepEqual(
      slots.map((slot) => iso(slot.at)),
      expected,
    );
    if (expected.length > 0) {
      assert.deepEqual(
        slots.map(({ coalesced }) => coalesced),
        debianRuns ?? expected.map(() => 1),
      );
    }
  });
}

/** Where clocks are changed in many ways, and one day on which they are. */
const SHIFTS: readonly (readonly [zone: string, day: string])[] = [
  ["UTC", "2026-02-28"],
  ["America/New_York", "2026-03-08"],
  ["America/New_York", "2026-11-01"],
  ["Europe/Berlin", "2026-03-29"],
  ["Europe/Berlin", "2026-10-25"],
  ["Australia/Lord_Howe", "2026-10-03"],
  ["Australia/Lord_Howe", "2026-04-04"],
  ["America/Havana", "2024-03-10"],
  ["Africa/Cairo", "2024-04-25"],
  ["Africa/Cairo", "2024-10-31"],
  ["Antarctica/Troll", "2026-03-29"],
  ["Antarctica/Troll", "2026-10-25"],
  ["America/Caracas", "2016-05-01"],
  ["America/Caracas", "2007-12-09"],
  ["Pacific/Apia", "2011-12-30"],
  ["Pacific/Kwajalein", "1993-08-21"], // A whole day less, in a zone far from it.
  ["America/Scoresbysund", "2024-03-31"], // The offset changes twice at once: forward and not at all.
  ["Asia/Kathmandu", "1985-12-31"], // 15 minutes forward.
  ["Antarctica/Casey", "2010-03-04"], // Three hours back at once.
  ["Antarctica/Casey", "2009-10-17"], // Three hours forward at once.
  ["Asia/Pyongyang", "2018-05-04"],
  ["America/St_Johns", "2010-03-14"], // At one minute past midnight.
  ["America/St_Johns", "2010-11-07"],
  ["Asia/Kolkata", "2026-01-31"],
];

test("thousands of random lines, minute by minute through days on which clocks are changed, as Debian's loop runs them", () => {
  const random = randomNumbers(20261124);
  let lines = 0;
  let starts = 0;
  for (const [zone, day] of SHIFTS) {
    const begin = at(`${day}T00:00:00Z`) - DAY;
    const minutes = minutesOf(zone, begin - 6 * HOUR, begin + 3 * DAY, 1);
    for (let i = 0; i < 150; i++, lines++) {
      const line = randomLine(random);
      const expected = debianStarts(line, minutes).filter((start) => start.at > begin);
      const slots = slotsBetween(scheduleOf(line), zoneOf(zone), begin, begin + 3 * DAY - MINUTE, 10_000);
      assert.deepEqual(slots, expected, `${line} in ${zone} around ${day}`);
      starts += slots.length;
      const from = begin + Math.floor(random() * 2 * DAY);
      const after = expected.find((start) => start.at > from);
      if (after !== undefined) {
        assert.deepEqual(next(scheduleOf(line), zoneOf(zone), from), after, `${line} in ${zone} from ${iso(from)}`);
      }
    }
  }
  assert.equal(lines, SHIFTS.length * 150);
  assert.ok(starts > 10_000, `only ${starts} starts were compared`);
});

test("random lines through random weeks in any zone there is", () => {
  const random = randomNumbers(7);
  const zones = Intl.supportedValuesOf("timeZone");
  for (let i = 0; i < 60; i++) {
    const zone = zones[Math.floor(random() * zones.length)]!;
    const begin = at("1980-01-01T00:00:00Z") + Math.floor(random() * 57 * 365) * DAY;
    const minutes = minutesOf(zone, begin - 6 * HOUR, begin + 7 * DAY, 15);
    for (let j = 0; j < 20; j++) {
      const line = randomLine(random);
      const expected = debianStarts(line, minutes).filter((start) => start.at > begin);
      const slots = slotsBetween(scheduleOf(line), zoneOf(zone), begin, begin + 7 * DAY - MINUTE, 20_000);
      assert.deepEqual(slots, expected, `${line} in ${zone} from ${iso(begin)}`);
    }
  }
});

for (const zone of ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"]) {
  test(`a year in ${zone}: every job starts as often and when Debian's cron starts it`, () => {
    const begin = at("2026-01-01T00:00:00Z");
    const end = at("2027-01-01T00:00:00Z");
    const minutes = minutesOf(zone, begin - 6 * HOUR, end, 15);
    for (const line of [
      "@hourly",
      "@daily",
      "@weekly",
      "@monthly",
      "30 2 * * *",
      "30 1 * * *",
      "*/15 2 * * *",
      "0,15,30,45 1-3 * * *",
      "15 0-23 * * *",
      "0 2 1,15 * 0",
      "45 1 */2 4,10,11 0",
    ]) {
      const slots = slotsBetween(scheduleOf(line), zoneOf(zone), begin, end - MINUTE, 100_000);
      assert.deepEqual(
        slots,
        debianStarts(line, minutes).filter((start) => start.at > begin),
        line,
      );
    }
  });
}

test("a date that never comes is answered without looking for ever", () => {
  for (const line of ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 22-2 * * *", "0 0 * 2 5-1"]) {
    assert.equal(next(scheduleOf(line), zoneOf("Europe/Berlin"), at("2026-01-01T00:00:00Z")), null, line);
  }
});

test("the rarest date is found: a leap day on a Monday, over a century without a leap year", () => {
  const leapMonday: Schedule = { ...(scheduleOf("0 12 29 2 1") as Calendar), dayRule: "both" };
  assert.equal(iso(next(leapMonday, zoneOf("UTC"), at("2072-03-01T00:00:00Z"))!.at), "2112-02-29T12:00:00Z");
});

test("the next slot is strictly after the instant that was asked, down to the millisecond", () => {
  const zone = zoneOf("America/New_York");
  const schedule = scheduleOf("*/30 * * * *");
  for (const offsetMs of [-1, 0, 1, 999, 29 * MINUTE + 59_999]) {
    const from = at("2026-03-08T07:00:00Z") + offsetMs;
    const slot = next(schedule, zone, from)!;
    assert.ok(slot.at > from && slot.at - from <= 30 * MINUTE, `${offsetMs}`);
  }
});

test("the latest missed slot is found wherever it lies", () => {
  const zone = zoneOf("Europe/Berlin");
  const random = randomNumbers(3);
  for (let i = 0; i < 300; i++) {
    const schedule = scheduleOf(randomLine(random));
    const after = at("2026-03-27T00:00:00Z") + Math.floor(random() * DAY);
    const until = after + Math.floor(random() * 3 * DAY);
    const all = slotsBetween(schedule, zone, after, until, 100_000);
    assert.deepEqual(latest(schedule, zone, after, until), all.at(-1) ?? null);
  }
});

test("every five minutes counts from the last start, and a boot is no time of the clock", () => {
  const zone = zoneOf("UTC");
  assert.deepEqual(next({ kind: "every", everyMs: 5 * MINUTE }, zone, 1_234_567), {
    at: 1_234_567 + 5 * MINUTE,
    coalesced: 1,
  });
  assert.equal(next({ kind: "boot" }, zone, 0), null);
});
