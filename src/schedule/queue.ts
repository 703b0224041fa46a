/**
 * All jobs by when they start next: one heap and one timer for ten thousand of them.
 *
 * The timer runs by the monotonic clock, the jobs by the clock on the wall, and that one can be set, or stand still for the
 * monotonic clock while the machine is suspended. So the queue is looked at every 30 seconds at the latest, and on each look
 * the two clocks are compared:
 *
 *   both went on             what has become due is due; how long nobody looked, is told (`overdue.ts` decides what follows)
 *   the wall clock jumped    forward: the same, as if nobody had looked for so long
 *                            back by up to 3 h: a job for a time of the day is not repeated, a rhythm goes on at once
 *                            back by more: it is another time, everything counts from now
 *
 * Corrections by a minute or less back repeat nothing: a machine that learns the time by NTP must not run jobs twice.
 */
import { BEAT_MS, toBeat } from "../beat.ts";
import type { Instant } from "../service/life.ts";
import { Deadlines } from "./deadlines.ts";
import type { Look } from "./overdue.ts";
import type { WallTime } from "./schedule.ts";
import { delayMs, isFixed, latestSlot, nextStart, type Start, type Timetable } from "./timetable.ts";

/** Both clocks, read together. */
export interface Clocks {
  readonly wall: WallTime;
  readonly monotonic: Instant;
}

export interface Wake {
  /** By the time they start, then by name. Each job once. */
  readonly due: readonly Due[];
  /** By how much the wall clock was set, or the machine slept; 0: neither. */
  readonly jumpMs: number;
}

export interface Due extends Look {
  readonly name: string;
}

/** So late a suspend or a new time of the clock is noticed, and a timer of Node is never too long for it. */
export const LONGEST_SLEEP_MS = BEAT_MS;

/** Less is the two clocks being read one after the other. */
const SMALLEST_JUMP_MS = 1_000;
const SMALLEST_STEP_BACK_MS = 60_000;
/** Debian's cron: beyond this the clock was set to another time. */
const LONGEST_STEP_BACK_MS = 180 * 60_000;

const MINUTE_MS = 60_000;

interface Entry {
  readonly timetable: Timetable;
  /** The slots up to here are dealt with. */
  settled: WallTime;
  next: Start | null;
}

export class Queue {
  readonly #jobs = new Map<string, Entry>();
  readonly #starts = new Deadlines();
  #last: Clocks;
  #lookedAt: WallTime;

  /** `lookedAt`: when the svcd before this one last looked; without one, now. */
  constructor(now: Clocks, lookedAt: WallTime = now.wall) {
    this.#last = now;
    this.#lookedAt = lookedAt;
  }

  /** `settled`: its slots up to here are dealt with; of a new job, now. An `@every` counts from here: from its last start. */
  put(name: string, timetable: Timetable, settled: WallTime): void {
    const entry: Entry = { timetable, settled, next: null };
    this.#jobs.set(name, entry);
    this.#plan(name, entry);
  }

  remove(name: string): void {
    this.#jobs.delete(name);
    this.#starts.set(name, null);
  }

  /** null: it is not in the queue, or never due. */
  nextStart(name: string): Start | null {
    return this.#jobs.get(name)?.next ?? null;
  }

  /** When to look next, at the latest: at once when the clock was set since the last look, or the alarm would be by the old time. */
  wakeAt(now: Clocks): Instant {
    if (this.#jumpMs(now) !== 0) return now.monotonic;
    const next = this.#starts.next();
    const longestMs = Math.min(toBeat(now.monotonic, LONGEST_SLEEP_MS), LONGEST_SLEEP_MS);
    return now.monotonic + (next === null ? longestMs : Math.min(longestMs, Math.max(0, next - now.wall)));
  }

  /** A look at the clocks. What is due is handed out once; whoever takes it writes down that it is, before it is started. */
  wake(now: Clocks): Wake {
    const jumpMs = this.#jumpMs(now);
    // When the clock was set nobody saw; what became due on it since then must not be left out.
    if (jumpMs !== 0) this.#clockJumped(jumpMs, now.wall - (now.monotonic - this.#last.monotonic));
    const stallMinutes = Math.floor(now.wall / MINUTE_MS) - Math.floor(this.#lookedAt / MINUTE_MS);
    const starting = this.#starts.due(now.wall).map((name) => ({ name, entry: this.#jobs.get(name)! }));
    starting.sort((a, b) => a.entry.next!.at - b.entry.next!.at || (a.name < b.name ? -1 : 1));
    const due = starting.map(({ name, entry }): Due => {
      const after = entry.settled;
      const until = this.#dueUntil(entry, now.wall);
      entry.settled = Math.max(after, until);
      this.#plan(name, entry);
      return { name, after, until, now: now.wall, stallMinutes };
    });
    this.#last = now;
    this.#lookedAt = now.wall;
    return { due, jumpMs };
  }

  #jumpMs(now: Clocks): number {
    const drift = now.wall - this.#last.wall - (now.monotonic - this.#last.monotonic);
    return Math.abs(drift) > SMALLEST_JUMP_MS ? drift : 0;
  }

  #plan(name: string, entry: Entry): void {
    entry.next = nextStart(entry.timetable, entry.settled);
    this.#starts.set(name, entry.next?.at ?? null);
  }

  /** The last slot may be there while its splay is not over. */
  #dueUntil({ timetable, settled }: Entry, now: WallTime): WallTime {
    if (timetable.splayMs === 0) return now;
    const last = latestSlot(timetable, settled, now);
    if (last === null) return now;
    const delay = delayMs(timetable, last);
    return last.at + delay <= now ? now - delay : last.at - 1;
  }

  #clockJumped(jumpMs: number, since: WallTime): void {
    const isStepBack = jumpMs < -SMALLEST_STEP_BACK_MS;
    if (isStepBack) this.#lookedAt = since;
    const isOtherTime = jumpMs < -LONGEST_STEP_BACK_MS;
    for (const [name, entry] of this.#jobs) {
      const isSpan = entry.timetable.schedules.every(({ kind }) => kind === "every");
      if (isSpan)
        entry.settled += jumpMs; // So much time has not passed.
      else if (isOtherTime || (isStepBack && !isFixed(entry.timetable))) entry.settled = Math.min(entry.settled, since);
      else continue;
      this.#plan(name, entry);
    }
  }
}
