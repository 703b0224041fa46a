/**
 * How far a step is, as lines that a person and a simple pattern can both read:
 *
 *   [3/7] download model.safetensors  41 %  1.2 GB of 2.9 GB  84 MB/s
 *
 * `Meter` decides when there is something new to say. It has no clock: the time comes with each number.
 */
import { inBytes } from "./sizes.ts";

/** `[3/7] download model.safetensors` */
export function label(index: number, count: number, name: string): string {
  return `[${index + 1}/${count}] ${name}`;
}

export interface Amount {
  readonly bytes: number;
  /** null: nobody knows. */
  readonly total: number | null;
}

/** A line each percent, not more often than each second, and a sign of life at least. */
const LEAST_MS = 1_000;
const MOST_MS = 10_000;
/** The rate of the last seconds, so that a stall shows and a hiccup does not. */
const RATE_OVER_MS = 10_000;

export class Meter {
  readonly #leastMs: number;
  #samples: { readonly at: number; readonly bytes: number }[] = [];
  #saidAt = Number.NEGATIVE_INFINITY;
  #saidPercent = -1;

  constructor(leastMs = LEAST_MS) {
    this.#leastMs = leastMs;
  }

  /** The line's end, or null: not yet. `bytes` counts from the beginning of the file, also of what an earlier run has brought. */
  at({ bytes, total }: Amount, now: number): string | null {
    const first = this.#samples[0];
    if (first !== undefined && bytes < first.bytes) this.#samples = []; // It began anew.
    this.#samples.push({ at: now, bytes });
    while (this.#samples.length > 2 && now - this.#samples[1]!.at >= RATE_OVER_MS) this.#samples.shift();
    const percent = percentOf({ bytes, total });
    const since = now - this.#saidAt;
    const isNews = percent !== this.#saidPercent && since >= this.#leastMs;
    if (!isNews && since < MOST_MS) return null;
    this.#saidAt = now;
    this.#saidPercent = percent ?? -1;
    return this.#line({ bytes, total }, percent);
  }

  get bytesPerSecond(): number | null {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return null;
    return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
  }

  #line(amount: Amount, percent: number | null): string {
    const rate = this.bytesPerSecond;
    const parts = [
      ...(percent === null ? [] : [`${percent} %`]),
      amountInWords(amount),
      ...(rate === null ? [] : [`${inBytes(rate)}/s`]),
    ];
    return parts.join("  ");
  }
}

/** Whole percent, rounded down: 100 is all of it. */
export function percentOf({ bytes, total }: Amount): number | null {
  return total === null || total <= 0 ? null : Math.min(100, Math.floor((bytes * 100) / total));
}

export function amountInWords({ bytes, total }: Amount): string {
  return total === null ? inBytes(bytes) : `${inBytes(bytes)} of ${inBytes(total)}`;
}
