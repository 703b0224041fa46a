/**
 * The machine's clocks, and the one alarm.
 */
import type { Clock } from "../ports.ts";
import type { Instant } from "../service/life.ts";

/** A timer longer than 2^31 ms fires at once (Node's documentation of setTimeout); an hour is a fine longest sleep. */
const LONGEST_SLEEP_MS = 3_600_000;

export class SystemClock implements Clock {
  readonly #onAlarm: () => void;
  #alarm: NodeJS.Timeout | null = null;
  #alarmAt: Instant | null = null;

  constructor(onAlarm: () => void) {
    this.#onAlarm = onAlarm;
  }

  now(): Instant {
    return Number(process.hrtime.bigint() / 1000n) / 1000;
  }

  wallTime(): Date {
    return new Date();
  }

  wakeAt(at: Instant | null): void {
    if (at === this.#alarmAt) return;
    this.#alarmAt = at;
    if (this.#alarm !== null) clearTimeout(this.#alarm);
    this.#alarm = null;
    if (at === null) return;
    // A timer may come up to a millisecond early; rounding up spares an idle round.
    const ms = Math.min(Math.max(Math.ceil(at - this.now()), 0), LONGEST_SLEEP_MS);
    this.#alarm = setTimeout(() => {
      this.#alarm = null;
      this.#alarmAt = null;
      this.#onAlarm();
    }, ms);
  }
}
