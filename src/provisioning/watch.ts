/**
 * How far a step is, told and kept while it works. Also when nothing comes any more: a rate that falls to nothing is how a person,
 * and whoever reads the log, sees a stall.
 */
import { type Amount, Meter } from "./progress.ts";
import type { Store } from "./store.ts";

const LOOK_AGAIN_MS = 2_000;
const KEEP_EACH_MS = 1_000;

export class Watch {
  readonly #step: string;
  readonly #store: Store;
  readonly #draw: (progress: string) => void;
  readonly #meter = new Meter();
  #last: Amount | null = null;
  #keptAt = Number.NEGATIVE_INFINITY;
  #again: NodeJS.Timeout | null = null;

  constructor(step: string, store: Store, draw: (progress: string) => void) {
    this.#step = step;
    this.#store = store;
    this.#draw = draw;
  }

  progress(amount: Amount): void {
    this.#last = amount;
    this.#again ??= setInterval(() => this.#look(), LOOK_AGAIN_MS);
    this.#look();
  }

  end(): void {
    if (this.#again !== null) clearInterval(this.#again);
    this.#again = null;
    if (this.#last !== null) this.#store.progress(null);
  }

  #look(): void {
    if (this.#last === null) return;
    const now = performance.now();
    const line = this.#meter.at(this.#last, now);
    if (line !== null) this.#draw(line);
    if (now - this.#keptAt < KEEP_EACH_MS) return;
    this.#keptAt = now;
    this.#store.progress({ step: this.#step, ...this.#last, bytesPerSecond: this.#meter.bytesPerSecond });
  }
}
