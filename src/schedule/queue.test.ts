import assert from "node:assert/strict";
import { test } from "node:test";
import { BEAT_MS } from "../beat.ts";
import { parseExpression } from "./expression.ts";
import { debianStarts, minutesOf, randomLine, randomNumbers } from "./oracle.ts";
import { overdue } from "./overdue.ts";
import { type Clocks, LONGEST_SLEEP_MS, Queue } from "./queue.ts";
import type { Timetable } from "./timetable.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NOON = Date.parse("2026-01-15T12:00:30Z");

function timetableOf(text: string, timezone = "UTC"): Timetable {
  const reading = parseExpression(text, null);
  assert.ok(reading.ok, text);
  return { schedules: [reading.schedule], timezone, splayMs: 0, share: 0 };
}

/** svcd's day: looks whenever the queue says so, with clocks that the test can stop and set. */
class Watch {
  now: Clocks = { wall: NOON, monotonic: 5_000 };
  readonly queue = new Queue(this.now);
  readonly #timetables = new Map<string, Timetable>();
  /** "minutely 12:01 schedule", "daily 11:55 catch-up for 2". */
  did: string[] = [];

  put(name: string, text: string): void {
    const timetable = timetableOf(text);
    this.#timetables.set(name, timetable);
    this.queue.put(name, timetable, this.now.wall);
  }

  /** Time passes, and the timer is never late. */
  passes(ms: number): void {
    const end = this.now.monotonic + ms;
    for (;;) {
      const wakeAt = this.queue.wakeAt(this.now);
      assert.ok(wakeAt - this.now.monotonic <= LONGEST_SLEEP_MS);
      if (wakeAt > end) break;
      this.#goesTo(wakeAt);
      this.looks();
    }
    this.#goesTo(end);
  }

  /** Time passes and nobody looks: the process was stopped, or the machine was busy. */
  stalls(ms: number): void {
    this.#goesTo(this.now.monotonic + ms);
    this.looks();
  }

  /** The monotonic clock stands still. */
  sleeps(ms: number): void {
    this.setClock(ms);
    this.looks();
  }

  setClock(byMs: number): void {
    this.now = { ...this.now, wall: this.now.wall + byMs };
  }

  looks(): void {
    for (const { name, ...look } of this.queue.wake(this.now).due) {
      for (const { cause } of overdue(this.#timetables.get(name)!, look, "cron", DAY).starts) {
        const many = cause.coalesced > 1 ? ` for ${cause.coalesced}` : "";
        this.did.push(`${name} ${new Date(cause.scheduledFor).toISOString().slice(11, 16)} ${cause.trigger}${many}`);
      }
    }
  }

  #goesTo(monotonic: number): void {
    this.now = { wall: this.now.wall + monotonic - this.now.monotonic, monotonic };
  }
}

function watch(): Watch {
  const watch = new Watch();
  watch.put("minutely", "* * * * *");
  watch.put("fixed", "5,20 12,15 * * *");
  return watch;
}

test("what is due comes when it is due, once, in order of time and then of name", () => {
  const day = watch();
  day.put("again", "* * * * *");
  day.passes(2 * MINUTE);
  assert.deepEqual(day.did, [
    "again 12:01 schedule",
    "minutely 12:01 schedule",
    "again 12:02 schedule",
    "minutely 12:02 schedule",
  ]);
});

test("a daemon that was stopped for 150 seconds starts every slot it slept through", () => {
  const day = watch();
  day.put("fixed", "2 12 * * *");
  day.stalls(150 * SECOND);
  assert.deepEqual(day.did, [
    "minutely 12:01 schedule",
    "minutely 12:02 schedule",
    "minutely 12:03 schedule",
    "fixed 12:02 schedule",
  ]);
});

test("after ten minutes it starts the minutely job once and makes up for the fixed one, stopped or suspended", () => {
  for (const how of ["stalls", "sleeps"] as const) {
    const day = watch();
    day[how](10 * MINUTE);
    assert.deepEqual(day.did, ["minutely 12:10 schedule", "fixed 12:05 catch-up"], how);
  }
});

test("2 h 59 are made up for, 3 h 01 are another time", () => {
  const long = watch();
  long.stalls(2 * HOUR + 59 * MINUTE);
  assert.deepEqual(long.did, ["minutely 14:59 schedule", "fixed 12:20 catch-up for 2"]);
  const longer = watch();
  longer.stalls(3 * HOUR + MINUTE);
  assert.deepEqual(longer.did, ["minutely 15:01 schedule"]);
});

test("a clock that is set back by ten minutes: the minutely job goes on at once, the fixed one is not repeated", () => {
  const day = watch();
  day.passes(6 * MINUTE);
  day.did = [];
  day.setClock(-10 * MINUTE);
  day.passes(20 * MINUTE);
  assert.equal(day.did[0], "minutely 11:57 schedule");
  assert.equal(day.did.length, 20);
  assert.ok(!day.did.includes("fixed 12:05 schedule"));
});

test("a clock that is set forward by ten minutes: the fixed job runs once", () => {
  const day = watch();
  day.setClock(10 * MINUTE);
  day.passes(MINUTE);
  assert.deepEqual(day.did, ["minutely 12:10 schedule", "fixed 12:05 catch-up", "minutely 12:11 schedule"]);
});

test("who asks for the alarm after the clock was set is to look at once, and not by the old time", () => {
  for (const byMs of [-10 * MINUTE, 10 * MINUTE]) {
    const watch = new Watch();
    watch.put("minutely", "* * * * *");
    watch.setClock(byMs);
    assert.equal(watch.queue.wakeAt(watch.now), watch.now.monotonic);
    watch.looks();
    assert.ok(watch.queue.wakeAt(watch.now) > watch.now.monotonic);
  }
});

test("while nothing is due the clocks are looked at on the beat, and at once when something is", () => {
  const idle = new Watch();
  idle.put("yearly", "0 0 1 1 *");
  idle.passes(12_345);
  const wakes = [1, 2, 3].map(() => {
    const wakeAt = idle.queue.wakeAt(idle.now);
    idle.passes(wakeAt - idle.now.monotonic);
    return wakeAt;
  });
  assert.deepEqual(
    wakes.map((at) => at % BEAT_MS),
    [0, 0, 0],
  );
  idle.put("minutely", "* * * * *");
  const { wall, monotonic } = idle.now;
  idle.passes(MINUTE - (wall % MINUTE) - 1);
  assert.equal(idle.queue.wakeAt(idle.now), monotonic + MINUTE - (wall % MINUTE));
});

test("a clock that is set back by more than three hours is another time for every job", () => {
  const day = watch();
  day.passes(6 * MINUTE);
  day.did = [];
  day.setClock(-DAY);
  day.passes(24 * MINUTE);
  assert.equal(day.did.filter((deed) => deed.startsWith("fixed")).length, 1); // 12:20 of the day before.
  assert.equal(day.did[0], "minutely 12:07 schedule");
});

test("NTP sets the clock back by seconds and nothing runs twice", () => {
  const day = watch();
  day.passes(35 * SECOND);
  day.setClock(-20 * SECOND);
  day.passes(2 * MINUTE);
  assert.deepEqual(day.did, ["minutely 12:01 schedule", "minutely 12:02 schedule"]);
});

test("@every counts time that passed, whatever the clock shows", () => {
  const day = new Watch();
  day.put("span", "@every 10m");
  day.passes(4 * MINUTE);
  day.setClock(3 * HOUR);
  day.passes(5 * MINUTE);
  day.setClock(-7 * HOUR);
  day.passes(59 * SECOND);
  assert.deepEqual(day.did, []);
  day.passes(SECOND);
  assert.equal(day.did.length, 1);
});

test("a job that was put again or removed is due as it was last put", () => {
  const day = watch();
  day.put("minutely", "30 12 * * *");
  day.queue.remove("fixed");
  day.passes(30 * MINUTE);
  assert.deepEqual(day.did, ["minutely 12:30 schedule"]);
  assert.equal(day.queue.nextStart("fixed"), null);
});

test("what became due while no svcd was there is told with how long nobody looked", () => {
  const queue = new Queue({ wall: NOON, monotonic: 1 }, NOON - 2 * HOUR);
  queue.put("hourly", timetableOf("0 * * * *"), NOON - 2 * HOUR);
  const { due } = queue.wake({ wall: NOON + 5, monotonic: 6 });
  assert.deepEqual(due, [
    { name: "hourly", after: NOON - 2 * HOUR, until: NOON + 5, now: NOON + 5, stallMinutes: 120 },
  ]);
});

test("a stall in which the clock was set back too is a stall on the new clock", () => {
  const day = watch();
  day.passes(25 * MINUTE);
  day.did = [];
  day.setClock(-20 * MINUTE);
  day.stalls(10 * MINUTE);
  assert.deepEqual(day.did, ["minutely 12:15 schedule"]);
});

/** Looks at `HH:MM:SS` of this day, without time between: only the looks count. */
function splayedStarts(...looks: string[]): string[] {
  const queue = new Queue({ wall: NOON, monotonic: 0 });
  const timetable: Timetable = { ...timetableOf("*/30 * * * *"), splayMs: 10 * MINUTE, share: 0.5 };
  queue.put("splayed", timetable, NOON);
  const time = (at: number) => new Date(at).toISOString().slice(11, 16);
  return looks.flatMap((text) => {
    const wall = Date.parse(`2026-01-15T${text}Z`);
    return queue.wake({ wall, monotonic: wall - NOON }).due.flatMap((look) => {
      const { starts } = overdue(timetable, look, "once", DAY);
      return starts.map(({ cause }) => `${time(wall)} ${cause.trigger} ${time(cause.scheduledFor)}`);
    });
  });
}

test("a splayed job is due when its splay is over, and its slot is the one on the clock", () => {
  assert.deepEqual(splayedStarts("12:30:00", "12:34:59", "12:35:00", "12:35:30", "13:04:59", "13:05:00"), [
    "12:35 schedule 12:30",
    "13:05 schedule 13:00",
  ]);
});

test("after a stall a splayed slot is neither early nor late for its own minute", () => {
  assert.deepEqual(splayedStarts("12:20:00", "13:02:00", "13:05:00"), ["13:02 catch-up 12:30", "13:05 schedule 13:00"]);
  assert.deepEqual(splayedStarts("12:32:00", "12:36:00", "12:50:00", "13:05:10"), [
    "12:36 schedule 12:30",
    "13:05 schedule 13:00",
  ]);
});

test("ten thousand jobs due in one minute are due, each once", () => {
  const queue = new Queue({ wall: NOON, monotonic: 0 });
  const timetable = timetableOf("5 12 * * *");
  for (let i = 0; i < 10_000; i++) queue.put(`job${i}`, timetable, NOON);
  const at = NOON + 4 * MINUTE + 30 * SECOND;
  const { due } = queue.wake({ wall: at, monotonic: at - NOON });
  assert.equal(new Set(due.map(({ name }) => name)).size, 10_000);
  assert.deepEqual(queue.wake({ wall: at + 1, monotonic: at + 1 - NOON }).due, []);
});

test("a year by the queue in New York, Berlin and Lord Howe: every job starts when Debian's cron starts it", () => {
  const begin = Date.parse("2026-01-01T00:00:00Z");
  const end = begin + 365 * DAY;
  const random = randomNumbers(12);
  const queue = new Queue({ wall: begin, monotonic: 0 });
  const jobs = new Map<string, { line: string; timetable: Timetable; starts: { at: number; coalesced: number }[] }>();
  const zones = ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"];
  for (const zone of zones) {
    const lines = ["@hourly", "@daily", "30 2 * * *", "30 1 * * *", "15 1-3 * * *", "*/30 1-2 * * *"];
    for (const line of [...lines, randomLine(random), randomLine(random)]) {
      const timetable = timetableOf(line, zone);
      jobs.set(`${zone} ${line}`, { line, timetable, starts: [] });
      queue.put(`${zone} ${line}`, timetable, begin);
    }
  }
  for (let now: Clocks = { wall: begin, monotonic: 0 }; now.wall < end; ) {
    const monotonic = queue.wakeAt(now);
    now = { wall: begin + monotonic, monotonic };
    if (now.wall >= end) break;
    for (const look of queue.wake(now).due) {
      const job = jobs.get(look.name)!;
      for (const { cause } of overdue(job.timetable, look, "cron", DAY).starts) {
        job.starts.push({ at: cause.scheduledFor, coalesced: cause.coalesced });
      }
    }
  }
  const minutesIn = new Map(zones.map((zone) => [zone, minutesOf(zone, begin - 6 * HOUR, end, 30)]));
  for (const [name, { line, timetable, starts }] of jobs) {
    const minutes = minutesIn.get(timetable.timezone)!;
    const expected = debianStarts(line, minutes).filter(({ at }) => at > begin);
    assert.deepEqual(starts, expected, name);
  }
});
