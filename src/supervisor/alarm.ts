/**
 * The machine has one alarm (`Clock.wakeAt`) and services and jobs each need one: it is set to the earlier of both.
 */
import type { Clock } from "../ports.ts";
import type { Instant } from "../service/life.ts";

export class SharedAlarm {
  readonly #clock: Clock;
  readonly #wanted: (Instant | null)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The same clock, with an alarm of its own. */
  share(): Clock {
    const index = this.#wanted.push(null) - 1;
    return {
      now: () => this.#clock.now(),
      wallTime: () => this.#clock.wallTime(),
      wakeAt: (at) => {
        this.#wanted[index] = at;
        const times = this.#wanted.filter((time) => time !== null);
        this.#clock.wakeAt(times.length === 0 ? null : Math.min(...times));
      },
    };
  }
}
