/**
 * How long svcd waits for whom it asked something. A machine that was suspended, or a core that was stopped, wakes up with
 * the limit long over, and whoever was asked has slept too or its answer is still unread: an alarm that comes much too late
 * proves nothing, so the whole time is given once more.
 */

/** setTimeout fires at once when it is asked for more (Node's documentation). As a limit, 24 days are as good as any longer time. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** A core that is merely busy is late by less. */
const ASLEEP_MS = 1_000;

/** Calls back once, unless the function that is returned is called before. */
export function timeLimit(ms: number, onOver: () => void): () => void {
  const limitMs = Math.min(ms, LONGEST_TIMER_MS);
  const arm = (whenDue: (lateMs: number) => void): NodeJS.Timeout => {
    const dueAt = performance.now() + limitMs;
    return setTimeout(() => whenDue(performance.now() - dueAt), limitMs);
  };
  let timer = arm((lateMs) => {
    if (lateMs > ASLEEP_MS) timer = arm(onOver);
    else onOver();
  });
  return () => clearTimeout(timer);
}
