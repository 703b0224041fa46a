import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExpression } from "./expression.ts";
import { latestSlot, nextStart, shareOf, slotsOf, type Timetable } from "./timetable.ts";

const MINUTE = 60_000;
const NOON = Date.parse("2026-01-15T12:00:00Z");

function timetableOf(text: string, splayMs = 0, share = 0): Timetable {
  const reading = parseExpression(text, null);
  assert.ok(reading.ok);
  return { schedules: [reading.schedule], timezone: "UTC", splayMs, share };
}

test("a splayed job starts at the same distance each day, another host at another", () => {
  const share = shareOf("gpu-1", "backup");
  const daily = timetableOf("0 4 * * *", 30 * MINUTE, share);
  const first = nextStart(daily, NOON)!;
  const second = nextStart(daily, first.slot.at)!;
  assert.equal(first.at - first.slot.at, second.at - second.slot.at);
  assert.notEqual(shareOf("gpu-1", "backup"), shareOf("gpu-2", "backup"));
  assert.notEqual(shareOf("gpu-1", "backup"), shareOf("gpu-1", "backuq"));
});

test("shares are spread evenly, whatever hosts and jobs are called", () => {
  const tenths = Array<number>(10).fill(0);
  for (let host = 0; host < 100; host++) {
    for (let job = 0; job < 100; job++) tenths[Math.floor(shareOf(`gpu-${host}`, `job${job}`) * 10)]!++;
  }
  for (const count of tenths) assert.ok(count > 850 && count < 1_150, tenths.join());
});

test("a splay never reaches beyond half the way to the next slot", () => {
  const start = nextStart(timetableOf("*/10 * * * *", 60 * MINUTE, 0.999), NOON)!;
  assert.ok(start.at - start.slot.at < 5 * MINUTE && start.at - start.slot.at > 4.9 * MINUTE);
  assert.equal(nextStart(timetableOf("@every 10m", 60 * MINUTE, 0.9), NOON)?.at, NOON + 10 * MINUTE);
});

test("of a job with several schedules the nearest counts", () => {
  const both: Timetable = {
    ...timetableOf("0 4 * * *"),
    schedules: [...timetableOf("0 4 * * *").schedules, ...timetableOf("30 13 * * *").schedules],
  };
  const times = slotsOf(both, NOON, NOON + 24 * 60 * MINUTE, 10).map(({ at }) =>
    new Date(at).toISOString().slice(11, 16),
  );
  assert.deepEqual(times, ["13:30", "04:00"]);
  assert.equal(latestSlot(both, NOON, NOON + 24 * 60 * MINUTE)?.at, NOON + 16 * 60 * MINUTE);
  assert.equal(nextStart({ ...both, schedules: [] }, NOON), null);
});
