/**
 * How far a step is, told and kept while it works. Also when nothing comes any more: a rate that falls to nothing is how a person,
 * and whoever reads the log, sees a stall. A step that neither brings bytes nor prints anything says each minute that it lives.
 */
import { type Amount, Meter } from "./progress.ts";
import { inTime } from "./sizes.ts";
import type { Store } from "./store.ts";

const LOOK_EACH_MS = 2_000;
const KEEP_EACH_MS = 1_000;
const QUIET_MS = 60_000;

export class Watch {
  readonly #step: string;
  readonly #store: Store;
  readonly #draw: (progress: string) => void;
  readonly #meter = new Meter();
  readonly #beganAt = performance.now();
  readonly #looking: NodeJS.Timeout;
  #heardAt = this.#beganAt;
  #last: Amount | null = null;
  #keptAt = Number.NEGATIVE_INFINITY;

  constructor(step: string, store: Store, draw: (progress: string) => void) {
    this.#step = step;
    this.#store = store;
    this.#draw = draw;
    this.#looking = setInterval(() => this.#look(), LOOK_EACH_MS);
  }

  progress(amount: Amount): void {
    this.#last = amount;
    this.#look();
  }

  /** It has printed something. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  end(): void {
    clearInterval(this.#looking);
    if (this.#last !== null) this.#store.progress(null);
  }

  #look(): void {
    const now = performance.now();
    if (this.#last === null) {
      if (now - this.#heardAt < QUIET_MS) return;
      this.#heardAt = now;
      this.#draw(`still at it after ${inTime(now - this.#beganAt)}`);
      return;
    }
    const line = this.#meter.at(this.#last, now);
    if (line !== null) this.#draw(line);
    if (now - this.#keptAt < KEEP_EACH_MS) return;
    this.#keptAt = now;
    this.#store.progress({ step: this.#step, ...this.#last, bytesPerSecond: this.#meter.bytesPerSecond });
  }
}
