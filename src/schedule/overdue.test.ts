import assert from "node:assert/strict";
import { test } from "node:test";
import { parseExpression } from "./expression.ts";
import { randomNumbers } from "./oracle.ts";
import { type Look, type OnMissed, type Overdue, overdue } from "./overdue.ts";
import { slotsOf, type Timetable } from "./timetable.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOON = Date.parse("2026-01-15T12:00:00Z");

function timetableOf(...texts: string[]): Timetable {
  const schedules = texts.map((text) => {
    const reading = parseExpression(text, null);
    assert.ok(reading.ok, text);
    return reading.schedule;
  });
  return { schedules, timezone: "UTC", splayMs: 0, share: 0 };
}

/** Nobody looked for so many minutes, until one second past noon. */
function afterStall(minutes: number, text: string, onMissed: OnMissed, missedWindowMs = 24 * HOUR): Overdue {
  const now = NOON + 1_000;
  const look: Look = { after: now - minutes * MINUTE, until: now, now, stallMinutes: minutes };
  return overdue(timetableOf(text), look, onMissed, missedWindowMs);
}

/** "schedule 11:58", "catch-up 11:55 for 3", "missed 2: …" */
function told({ starts, missed }: Overdue): string[] {
  const time = (at: number) => new Date(at).toISOString().slice(11, 16);
  const words = starts.map(({ cause: { trigger, scheduledFor, coalesced } }) => {
    return `${trigger} ${time(scheduledFor)}${coalesced > 1 ? ` for ${coalesced}` : ""}`;
  });
  if (missed !== null) words.push(`missed ${missed.isAtLeast ? "at least " : ""}${missed.count}: ${missed.reason}`);
  return words;
}

const EVERY: OnMissed[] = ["cron", "skip", "once", "all"];

test("what is at most five minutes late runs minute by minute, whatever the rule", () => {
  for (const rule of EVERY) {
    assert.deepEqual(told(afterStall(2, "* * * * *", rule)), ["schedule 11:59", "schedule 12:00"]);
    assert.equal(told(afterStall(5, "* * * * *", rule)).length, 5);
    assert.deepEqual(told(afterStall(5, "57 11 * * *", rule)), ["schedule 11:57"]);
  }
});

test("cron: after a longer stall a rhythm has this minute only, a job for times of the day is made up for in one start", () => {
  for (const minutes of [6, 14, 179, 180]) {
    const why = `the clock was not looked at for ${minutes} minutes, and cron does not make up for it`;
    assert.deepEqual(told(afterStall(minutes, "* * * * *", "cron")), [
      "schedule 12:00",
      `missed ${minutes - 1}: ${why}`,
    ]);
    assert.deepEqual(told(afterStall(minutes, "55 11 * * *", "cron")), ["catch-up 11:55"]);
  }
  assert.deepEqual(told(afterStall(120, "0,30 11,12 * * *", "cron")), ["schedule 12:00 for 3"]);
  assert.deepEqual(told(afterStall(120, "15,30,45 11 * * *", "cron")), ["catch-up 11:45 for 3"]);
});

test("cron: after more than three hours only this minute counts", () => {
  const why = "the clock was not looked at for 181 minutes, and cron does not make up for it";
  assert.deepEqual(told(afterStall(181, "30 11 * * *", "cron")), [`missed 1: ${why}`]);
  assert.deepEqual(told(afterStall(181, "0 10,11,12 * * *", "cron")), ["schedule 12:00", `missed 2: ${why}`]);
  assert.match(told(afterStall(222, "* * * * *", "cron")).join(), /^schedule 12:00,missed 221/);
});

test("three missed slots are none, one or three runs: skip, once, all", () => {
  const hourly = "30 * * * *"; // Of 10:30, 9:30 and 8:30, half an hour after the last.
  const hours = 3 * 60 + 20;
  assert.deepEqual(told(afterStall(hours, hourly, "skip")), ["missed 3: on_missed: skip"]);
  assert.deepEqual(told(afterStall(hours, hourly, "once")), ["catch-up 11:30 for 3"]);
  assert.deepEqual(told(afterStall(hours, hourly, "all")), ["catch-up 09:30", "catch-up 10:30", "catch-up 11:30"]);
});

test("a slot of this minute and what was missed before it are one start with once, several with all", () => {
  assert.deepEqual(told(afterStall(150, "0 * * * *", "once")), ["schedule 12:00 for 3"]);
  assert.deepEqual(told(afterStall(150, "0 * * * *", "all")), ["catch-up 10:00", "catch-up 11:00", "schedule 12:00"]);
  assert.deepEqual(told(afterStall(150, "0 * * * *", "skip")), ["schedule 12:00", "missed 2: on_missed: skip"]);
});

test("nothing older than missed_window is caught up", () => {
  const window = 100 * MINUTE;
  const old = "missed 2: older than missed_window";
  assert.deepEqual(told(afterStall(200, "30 * * * *", "once", window)), [
    "catch-up 11:30 for 2",
    "missed 1: older than missed_window",
  ]);
  assert.deepEqual(told(afterStall(260, "30 * * * *", "all", window)), ["catch-up 10:30", "catch-up 11:30", old]);
  assert.deepEqual(told(afterStall(200, "0 9,10 * * *", "once", MINUTE)), [old]);
});

test("a week of a job for each second is counted, not run", () => {
  const week = 7 * 24 * 60;
  assert.deepEqual(told(afterStall(week, "* * * * * *", "skip")).slice(-1), ["missed at least 1000: on_missed: skip"]);
  const all = afterStall(week, "* * * * * *", "all", 8 * 24 * HOUR);
  assert.equal(all.starts.length, 100 + 2); // And the two of this minute.
  assert.equal(all.missed?.reason, "more than 100 were missed");
  assert.ok(all.missed.isAtLeast);
});

test("several schedules that meet in one instant want one start", () => {
  const look: Look = { after: NOON - HOUR, until: NOON, now: NOON, stallMinutes: 1 };
  const both = overdue(timetableOf("0 12 * * *", "*/30 * * * *"), look, "once", HOUR);
  assert.deepEqual(told(both), ["schedule 11:30", "schedule 12:00"]);
});

test("whatever was not looked for: every slot is in one start or counted as missed", () => {
  const random = randomNumbers(5);
  const texts = [
    "* * * * *",
    "*/7 * * * *",
    "30 * * * *",
    "0,15 9-17 * * *",
    "0 4 * * *",
    "*/20 * * * * *",
    "@every 7m",
  ];
  for (let i = 0; i < 3_000; i++) {
    const timetable = timetableOf(texts[i % texts.length]!);
    const now = NOON + Math.floor(random() * HOUR);
    const after = now - Math.floor(random() ** 3 * 10 * HOUR);
    const stallMinutes = Math.floor(now / MINUTE) - Math.floor(after / MINUTE);
    const rule = EVERY[Math.floor(random() * EVERY.length)]!;
    const { starts, missed } = overdue(
      timetable,
      { after, until: now, now, stallMinutes },
      rule,
      Math.floor(random() * 8 * HOUR),
    );
    const slots = slotsOf(timetable, after, now, 10_000).length;
    const started = starts.reduce((sum, { cause }) => sum + cause.coalesced, 0);
    if (missed?.isAtLeast || started >= 1_000) assert.ok(started + (missed?.count ?? 0) <= slots);
    else assert.equal(started + (missed?.count ?? 0), slots, `${texts[i % texts.length]} ${rule} ${stallMinutes} min`);
  }
});
