/**
 * svcd gives back what a burst of work (a start, ten thousand jobs in one minute) has used, once that is over. V8 does so by
 * itself only if it may look every few seconds for as long as anything happens at all, which is most of what an idle svcd
 * would cost; so bin/svcd forbids that, and both processes look themselves, on the beat.
 *
 * Without --expose-gc nothing is given back.
 */

/** Less is not worth the 10 to 100 ms that it takes. */
const WORTHWHILE_BYTES = 4 * 1_048_576;
const WORTHWHILE_SHARE = 0.25;

/** Who has hardly worked has not grown; that is quicker to ask than how large the heap is. */
const WORKED_MS = 100;

let heapBytes: number | null = null;
let workedMs = 0;

/** All is read and started; whoever still waits for something notices a pause of some 10 ms least now. */
export function giveBackMemory(): void {
  globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
  heapBytes = process.memoryUsage().heapTotal;
}

/** Nothing before the first time: that comes when the start is over. */
export function giveBackIfGrown(): void {
  if (heapBytes === null) return;
  const { user, system } = process.cpuUsage();
  const usedMs = (user + system) / 1000;
  if (usedMs - workedMs < WORKED_MS) return;
  workedMs = usedMs;
  const grownBy = process.memoryUsage().heapTotal - heapBytes;
  if (grownBy > Math.max(WORTHWHILE_BYTES, heapBytes * WORTHWHILE_SHARE)) giveBackMemory();
}
