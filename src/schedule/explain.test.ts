import assert from "node:assert/strict";
import { test } from "node:test";
import { explain } from "./explain.ts";
import { parseExpression } from "./expression.ts";
import { slotsBetween } from "./next.ts";
import { randomLine, randomNumbers } from "./oracle.ts";
import type { Schedule } from "./schedule.ts";
import { UTC } from "./zone.ts";

function scheduleOf(text: string): Schedule {
  const reading = parseExpression(text, null);
  assert.ok(reading.ok, text);
  return reading.schedule;
}

test("schedules are said as a person would say them", () => {
  for (const [text, words] of [
    ["* * * * *", "every minute"],
    ["*/15 * * * *", "every 15 minutes"],
    ["*/7 * * * *", "at every 7th minute from 0 to 56 of every hour"],
    ["17 * * * *", "every hour at minute 17"],
    ["30 7 * * 1-5", "every weekday at 07:30"],
    ["0 0,12 * * *", "every day at 00:00 and 12:00"],
    ["*/15 9-17 * * 1-5", "every 15 minutes from 09:00 to 17:45, every weekday"],
    ["30 */2 * * *", "every 2 hours at minute 30"],
    ["0 9-17 * * *", "every hour from 09:00 to 17:00"],
    ["* 2 * * *", "every minute from 02:00 to 02:59"],
    ["0,1,5-9 3-5,8 * * *", "at minutes 0, 1 and 5 to 9 of the hours 3 to 5 and 8"],
    ["30 4 1,15 * 5", "on the 1st and 15th of every month and every Friday at 04:30"],
    ["0 0 */5 * 1", "on every 5th day from the 1st to the 31st of every month, if that is a Monday, at 00:00"],
    ["0 0 1 */3 *", "on the 1st of January, April, July and October at 00:00"],
    ["@weekly", "every Sunday at 00:00"],
    ["0 0 * jul-sep mon", "every Monday in July to September at 00:00"],
    ["0 0 * jul *", "every day in July at 00:00"],
    ["*/10 * * * * *", "every 10 seconds"],
    ["5 0 * * * *", "at second 5 of minute 0 of every hour"],
    ["30 15 7 * * *", "every day at 07:15:30"],
    ["0 9 L-2 * *", "on the 3rd last day of every month at 09:00"],
    ["0 9 15W,LW * *", "on the working day nearest to the 15th and the last working day of every month at 09:00"],
    ["0 9 * * 1#2", "on the 2nd Monday of the month at 09:00"],
    ["0 9 * * 5L", "on the last Friday of the month at 09:00"],
    ["@reboot", "once when the machine has started"],
    ["@every 90s", "every 1m30s, counted from the last start"],
    ["0 22-2 * * *", "never: it has no time of the day"],
  ] as const) {
    assert.equal(explain(scheduleOf(text)), words, text);
  }
});

test("schedules with the same words start at the same times", () => {
  const random = randomNumbers(99);
  const starts = (schedule: Schedule) => slotsBetween(schedule, UTC, Date.UTC(2028, 0), Number.POSITIVE_INFINITY, 100);
  const byWords = new Map<string, Schedule>();
  let compared = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = randomLine(random);
    const schedule = scheduleOf(text);
    const words = explain(schedule);
    const same = byWords.get(words);
    byWords.set(words, schedule);
    if (same === undefined) continue;
    assert.deepEqual(starts(schedule), starts(same), `${text}: ${words}`);
    compared++;
  }
  assert.ok(compared > 1_000, `only ${compared} had the words of another`);
});
