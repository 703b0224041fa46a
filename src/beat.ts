/**
 * Whatever svcd does now and then (look at the clocks, look at the files, ask the core whether it is well) it does on the same
 * beat, in both processes: every thirty seconds of CLOCK_MONOTONIC. An idle machine is then woken twice a minute and not once for
 * each of them, and what comes second finds the processor's caches warm.
 */

export const BEAT_MS = 30_000;

/** Timers come up to a millisecond early; what comes a little before the beat has been on it. */
const EARLY_MS = 50;

/**
 * From `now`, in milliseconds of CLOCK_MONOTONIC, to the last beat within `mostMs` (and no more than 50 ms beyond it). What comes
 * oftener than the beat goes on as it does.
 */
export function toBeat(now: number, mostMs: number): number {
  return mostMs < BEAT_MS ? mostMs : mostMs + EARLY_MS - ((now + mostMs + EARLY_MS) % BEAT_MS);
}
