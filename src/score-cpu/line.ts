/**
 * The line of requests that want scores. A few are worked on at a time, a slice of each in turn; the others wait in the
 * order in which they came, and whoever finds the line full is sent away at once instead of waiting for longer than any
 * client would. What nobody waits for any more is dropped between two slices.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Pair, Ranker, Scored, ScoreOptions } from "./ranker.ts";

/** More would only make each of them later: there is one thread. */
const RUNNING_AT_ONCE = 4;
/** What they wait with is bounded by the bytes of their bodies (body.ts). */
const MOST_WAITING = 2048;

export interface Line {
  /** Both as vLLM counts them: a request that waits is not running. */
  readonly running: number;
  readonly waiting: number;
  /** "full": come again later. "gone": nobody wants the answer any more. */
  score(pairs: readonly Pair[], options: ScoreOptions, isGone: () => boolean): Promise<Scored | "full" | "gone">;
}

export function lineBefore(ranker: Ranker): Line {
  let running = 0;
  const waiting: (() => void)[] = [];

  async function work(pairs: readonly Pair[], options: ScoreOptions, isGone: () => boolean): Promise<Scored | "gone"> {
    const scores: number[] = [];
    let tokens = 0;
    for await (const slice of ranker.slices(pairs, options)) {
      for (const score of slice.scores) scores.push(score);
      tokens += slice.tokens;
      await nextTurn(); // Sockets and `/health` have their turn.
      if (isGone()) return "gone";
    }
    return { scores, tokens };
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiting.length;
    },
    async score(pairs, options, isGone) {
      if (running >= RUNNING_AT_ONCE) {
        if (waiting.length >= MOST_WAITING) return "full";
        await new Promise<void>((turn) => waiting.push(turn)); // Whoever ends hands over its place.
      } else {
        running++;
      }
      try {
        if (isGone()) return "gone";
        return await work(pairs, options, isGone);
      } finally {
        const next = waiting.shift();
        if (next === undefined) running--;
        else next();
      }
    },
  };
}
