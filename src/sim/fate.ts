/**
 * Every decision about the world that is not the core's: which fault strikes at which occasion, how long things take.
 *
 * A fault is named by its kind and the number of the occasion: "core dies, 17th". Drawn from a seed, those that strike are
 * noted; given as a list, exactly those strike and no other. So a sweep ("at the n-th action"), a replay and a shrunken
 * replay (the same list with some left out) are one mechanism. Every matter has a stream of its own: a fault that is left
 * out does not shift what chance says about another.
 */
import { FAULT_NAMES, type Fault, fairWeather, type Weather } from "./faults.ts";
import { Random } from "./random.ts";

export interface Strike {
  readonly fault: Fault;
  /** Counted from 1 over the occasions at which this fault could have struck. */
  readonly nth: number;
}

interface Line {
  occasions: number;
  readonly random: Random;
  readonly given: ReadonlySet<number>;
}

export class Fate {
  /** The faults that struck, in order. */
  readonly struck: Strike[] = [];
  /** The weather is clear: no fault strikes any more. */
  isCalm = false;
  readonly #seed: number;
  readonly #weather: Weather | null;
  readonly #lines: Record<Fault, Line>;
  readonly #matters = new Map<string, Random>();

  private constructor(seed: number, weather: Weather | null, given: readonly Strike[]) {
    this.#seed = seed;
    this.#weather = weather;
    const line = (fault: Fault): Line => ({
      occasions: 0,
      random: this.#stream(fault),
      given: new Set(given.filter((strike) => strike.fault === fault).map(({ nth }) => nth)),
    });
    this.#lines = Object.fromEntries(FAULT_NAMES.map((fault) => [fault, line(fault)])) as Record<Fault, Line>;
  }

  static drawn(seed: number, weather: Weather): Fate {
    return new Fate(seed, weather, []);
  }

  /** Fair weather but for these faults. */
  static given(seed: number, strikes: readonly Strike[] = []): Fate {
    return new Fate(seed, null, strikes);
  }

  happens(fault: Fault): boolean {
    const line = this.#lines[fault];
    line.occasions++;
    if (this.isCalm) return false;
    const strikes = this.#weather === null ? line.given.has(line.occasions) : line.random.happens(this.#weather[fault]);
    if (strikes) this.struck.push({ fault, nth: line.occasions });
    return strikes;
  }

  /** Durations, choices: chance that is no fault. */
  of(matter: string): Random {
    let random = this.#matters.get(matter);
    if (random === undefined) {
      random = this.#stream(matter);
      this.#matters.set(matter, random);
    }
    return random;
  }

  clears(): void {
    this.isCalm = true;
  }

  /** A number of its own for each matter, the same on every machine (FNV-1a). */
  #stream(matter: string): Random {
    let hash = 0x811c9dc5 ^ this.#seed;
    for (let index = 0; index < matter.length; index++) hash = Math.imul(hash ^ matter.charCodeAt(index), 0x01000193);
    return new Random(hash);
  }
}

/** For tests that tell their own story: nothing goes wrong by itself. */
export function fairFate(seed = 1): Fate {
  return Fate.drawn(seed, fairWeather);
}
