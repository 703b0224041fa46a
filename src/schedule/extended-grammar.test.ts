import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExpression } from "./expression.ts";
import { slotsBetween } from "./next.ts";
import type { Schedule } from "./schedule.ts";
import { zoneNamed } from "./zone.ts";

function scheduleOf(text: string, days: "and" | "or" | null = null): Schedule {
  const reading = parseExpression(text, "extended", days);
  assert.ok(reading.ok, `${text}: ${reading.ok ? "" : reading.flaw.what}`);
  return reading.schedule;
}

/** The next three instants, as local dates and times of 2026 in Berlin. */
function after(from: string, text: string, days: "and" | "or" | null = null): string[] {
  const zone = zoneNamed("Europe/Berlin")!;
  const slots = slotsBetween(scheduleOf(text, days), zone, Date.parse(from), Number.POSITIVE_INFINITY, 3);
  return slots.map(({ at }) => new Date(at + zone.offsetAt(at) * 1000).toISOString().slice(0, 19).replace("T", " "));
}

function flawOf(text: string): string {
  const reading = parseExpression(text, "extended");
  assert.ok(!reading.ok, `${text} was taken`);
  return `${reading.flaw.at + 1}: ${reading.flaw.what}: ${reading.flaw.fix}`;
}

const JANUARY = "2026-01-10T12:00:00Z";

test("six fields begin with the seconds", () => {
  assert.deepEqual(after(JANUARY, "*/20 30 14 * * *"), [
    "2026-01-10 14:30:00",
    "2026-01-10 14:30:20",
    "2026-01-10 14:30:40",
  ]);
});

test("L, L-n, nW and LW move with the month", () => {
  assert.deepEqual(after(JANUARY, "0 9 L * *"), ["2026-01-31 09:00:00", "2026-02-28 09:00:00", "2026-03-31 09:00:00"]);
  assert.deepEqual(after(JANUARY, "0 9 L-2 * *"), [
    "2026-01-29 09:00:00",
    "2026-02-26 09:00:00",
    "2026-03-29 09:00:00",
  ]);
  // 2026: February 15th is a Sunday, March 15th too; August 1st is a Saturday, May 31st a Sunday.
  assert.deepEqual(after(JANUARY, "0 9 15W * *"), [
    "2026-01-15 09:00:00",
    "2026-02-16 09:00:00",
    "2026-03-16 09:00:00",
  ]);
  assert.deepEqual(after("2026-07-20T00:00:00Z", "0 9 1W * *").slice(0, 1), ["2026-08-03 09:00:00"]);
  assert.deepEqual(after("2026-05-02T00:00:00Z", "0 9 31W * *").slice(0, 1), ["2026-05-29 09:00:00"]);
  assert.deepEqual(after(JANUARY, "0 9 LW * *"), ["2026-01-30 09:00:00", "2026-02-27 09:00:00", "2026-03-31 09:00:00"]);
});

test("w#n and wL choose one weekday of the month", () => {
  assert.deepEqual(after(JANUARY, "0 9 * * 1#2"), [
    "2026-01-12 09:00:00",
    "2026-02-09 09:00:00",
    "2026-03-09 09:00:00",
  ]);
  assert.deepEqual(after(JANUARY, "0 9 ? * friL"), [
    "2026-01-30 09:00:00",
    "2026-02-27 09:00:00",
    "2026-03-27 09:00:00",
  ]);
  assert.deepEqual(after(JANUARY, "0 9 * * sun#5"), [
    "2026-03-29 09:00:00",
    "2026-05-31 09:00:00",
    "2026-08-30 09:00:00",
  ]);
});

test("two days are alternatives as in a crontab, unless both are asked for", () => {
  assert.deepEqual(after(JANUARY, "0 9 L * 1#3"), [
    "2026-01-19 09:00:00",
    "2026-01-31 09:00:00",
    "2026-02-16 09:00:00",
  ]);
  assert.deepEqual(after(JANUARY, "0 9 1-7 * mon", "and"), [
    "2026-02-02 09:00:00",
    "2026-03-02 09:00:00",
    "2026-04-06 09:00:00",
  ]);
});

test("ranges wrap", () => {
  assert.deepEqual(scheduleOf("0 22-2 * nov-feb fri-sun"), {
    ...(scheduleOf("0 0,1,2,22,23 * 1,2,11,12 0,5,6") as object),
  });
});

test("a date that does not exist is legal and never comes, as in a crontab", () => {
  assert.deepEqual(after(JANUARY, "0 0 31 2 *"), []);
  assert.deepEqual(after(JANUARY, "0 9 31 2 1"), ["2026-02-02 09:00:00", "2026-02-09 09:00:00", "2026-02-16 09:00:00"]);
});

test("a second behind the minute is made up for after a gap, a rhythm of seconds is not", () => {
  const zone = zoneNamed("Europe/Berlin")!;
  const spring = Date.parse("2026-03-29T00:59:59Z");
  assert.deepEqual(slotsBetween(scheduleOf("0,30 30 2 * * *"), zone, spring, spring + 60_000, 10), [
    { at: spring + 1000, coalesced: 2 },
  ]);
  assert.deepEqual(slotsBetween(scheduleOf("*/30 30 2 * * *"), zone, spring, spring + 60_000, 10), []);
});

test("what the grammar would take for something else is refused", () => {
  assert.match(flawOf("0 0 * JANFEB *"), /^7: `JANFEB` is no month/);
  assert.match(flawOf("0 0 * * sunmon"), /^9: `sunmon` is no weekday/);
  assert.match(flawOf("0 0 * * mnday"), /did you mean `monday`\?/);
  assert.match(flawOf("5-64/30 * * * *"), /^1: `5-64\/30` is no minute/);
  assert.match(flawOf("60-5 * * * *"), /is no minute/);
});

test("a flaw is found in its element of the field", () => {
  assert.match(flawOf("0 0 1,L,15X * *"), /^9: `15X` is no day: .*L, L-3, 15W, LW/);
  assert.match(flawOf("0 0 * * 1#6"), /^9: `1#6` is no weekday/);
  assert.match(flawOf("1,,2 * * * *"), /^3: a value is missing/);
  assert.match(flawOf("0 0 * *"), /4 fields; a schedule has five or six/);
  assert.match(flawOf("0 0 0 * * * *"), /7 fields/);
  assert.match(flawOf("? 0 * * *"), /^1: `\?` is no minute/);
});

test("a YAML job names no dialect: what a crontab cannot say is extended, the rest is read as a crontab reads it", () => {
  const kindOf = (text: string) => {
    const reading = parseExpression(text, null);
    return reading.ok ? reading.schedule : reading.flaw.what;
  };
  assert.deepEqual(kindOf("0 9 * * 1#2"), scheduleOf("0 9 * * 1#2"));
  assert.deepEqual(kindOf("0 0 9 * jul wed"), scheduleOf("0 0 9 * jul wed"));
  assert.equal(kindOf("0 9 * jul wednesday"), "`wednesday` is no day of the week"); // A crontab, with its hint.
  const wrapped = parseExpression("0 22-2 * * *", null);
  assert.equal(wrapped.ok && wrapped.remarks[0]?.rule, "empty-range");
});

test("@every is a span of time, and a kind of its own", () => {
  assert.deepEqual(scheduleOf("@every 1h30m"), { kind: "every", everyMs: 5_400_000 });
  assert.match(flawOf("@every"), /needs a duration/);
  assert.match(flawOf("@every soon"), /^8: `soon` is not a duration/);
  assert.match(flawOf("@every 100ms"), /out of bounds/);
  assert.deepEqual(scheduleOf("@daily"), scheduleOf("0 0 0 * * *"));
});
