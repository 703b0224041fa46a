/**
 * How long a start will still take, told from earlier starts of the same service that went well. Nothing is guessed: where
 * no earlier start went through this phase, nothing is said.
 */

/** A start that went well. */
export interface PastStart {
  /** In their order, with milliseconds from the start of the process. */
  readonly phases: readonly { readonly name: string; readonly afterMs: number }[];
  /** Until it was ready. */
  readonly totalMs: number;
}

export interface Present {
  readonly phase: string;
  /** How long it has been in this phase. */
  readonly forMs: number;
  /** How much of it is done, 0 to 1; null: nobody knows. */
  readonly fraction: number | null;
}

/** Remembered of a service: models and caches change, so what is long ago says little. */
export const KEPT_STARTS = 10;

/** Milliseconds, the median of what the earlier starts say; null: they say nothing. */
export function leftMs(past: readonly PastStart[], present: Present): number | null {
  const all = past
    .map((start) => leftBy(start, present))
    .filter((ms) => ms !== null)
    .sort((a, b) => a - b);
  if (all.length === 0) return null;
  const middle = (all.length - 1) / 2;
  return (all[Math.floor(middle)]! + all[Math.ceil(middle)]!) / 2;
}

function leftBy({ phases, totalMs }: PastStart, { phase, forMs, fraction }: Present): number | null {
  const at = phases.findIndex(({ name }) => name === phase);
  if (at < 0) return null;
  const begunAt = phases[at]!.afterMs;
  const endedAt = phases[at + 1]?.afterMs ?? totalMs;
  const tookMs = endedAt - begunAt;
  const inPhase = fraction === null ? tookMs - forMs : tookMs * (1 - fraction);
  return Math.max(inPhase, 0) + Math.max(totalMs - endedAt, 0);
}

/** "about 2 min left", "about 40 s left"; "" for what is too near or past to say. */
export function leftInWords(ms: number): string {
  if (ms < 1_000) return "";
  if (ms < 10_000) return `about ${Math.round(ms / 1_000)} s left`;
  if (ms < 90_000) return `about ${Math.round(ms / 10_000) * 10} s left`;
  if (ms < 90 * 60_000) return `about ${Math.round(ms / 60_000)} min left`;
  return `about ${Math.round(ms / 360_000) / 10} h left`;
}
