/**
 * Waiting for svcd itself: until it is gone, or another one is in charge.
 */
import type { Failure } from "./failure.ts";

const LOOK_EVERY_MS = 50;

/** `look` answers null for "not yet". `timeoutMs: null`: as long as it takes. Null: interrupted. */
export async function until<T>(
  look: () => Promise<T | null>,
  { timeoutMs, isInterrupted, late }: { timeoutMs: number | null; isInterrupted: () => boolean; late: () => Failure },
): Promise<T | null> {
  const startedAt = performance.now();
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (isInterrupted()) return null;
    if (timeoutMs !== null && performance.now() - startedAt >= timeoutMs) throw late();
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
