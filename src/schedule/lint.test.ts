import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExpression } from "./expression.ts";
import { lintSchedule } from "./lint.ts";
import { zoneNamed } from "./zone.ts";

const NOW = Date.parse("2026-01-15T12:00:00Z");

function remarksOn(text: string, zone = "UTC"): string[] {
  const reading = parseExpression(text, null);
  assert.ok(reading.ok, text);
  return lintSchedule(reading, zoneNamed(zone)!, NOW).map(({ rule, what }) => `${rule}: ${what}`);
}

test("an ordinary schedule has nothing to be said against it", () => {
  for (const text of ["30 4 * * *", "*/15 * * * *", "@daily", "0 9 * * 1-5", "@every 5m", "0 0 L * *"]) {
    assert.deepEqual(remarksOn(text, "Europe/Berlin"), [], text);
  }
});

test("a day of the month beside a weekday is said in words", () => {
  assert.deepEqual(remarksOn("0 0 13 * 5"), [
    "either-day: a day of the month and a weekday: cron starts the job on the 13th of every month and every Friday at 00:00, not only when both fit",
  ]);
  assert.deepEqual(remarksOn("0 0 */2 * 1"), []);
});

test("what never comes is said, whether the date or the time is missing", () => {
  assert.deepEqual(remarksOn("0 0 31 2 *"), ["never: it never comes: on the 31st of February at 00:00"]);
  assert.match(remarksOn("0 22-2 * * *")[1]!, /^never: it never comes: it has no time of the day/);
});

test("jobs of the small hours hear what the next change of the clocks does to them", () => {
  const about = (text: string, zone = "Europe/Berlin") => remarksOn(text, zone).join();
  assert.equal(
    about("30 2 * * *"),
    "clock-change: Europe/Berlin, 2026-03-29: 02:30 does not exist there; the job starts at 03:00 instead",
  );
  assert.match(about("*/15 2 * * *"), /02:00 does not exist there; the job does not start/);
  assert.match(about("30 2 * 10 *"), /2026-10-25: 02:30 comes twice there; the job starts the first time only/);
  assert.match(about("*/30 2 * 10 *"), /02:00 comes twice there; the job starts each time/);
  assert.match(
    about("15 2 * * *", "Australia/Lord_Howe"),
    /2026-10-04: 02:15 does not exist there; .* at 02:30 instead/,
  );
  assert.equal(about("30 2 * * *", "UTC"), "");
  assert.equal(about("0 * * * *"), "");
  assert.equal(about("30 12 * * *"), "");
});

test("@reboot says that it is the machine's start, and a step that leaves one value says so", () => {
  assert.match(remarksOn("@reboot").join(), /^boot: .*not each time svcd does/);
  assert.match(remarksOn("*/100 * * * *").join(), /step-beyond-field: .*only the minute 0 is left/);
});
