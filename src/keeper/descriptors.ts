/**
 * How many files the logs of services may hold open. Each log takes two descriptors for good, its pipe and its file; under a
 * small limit (ulimit -n) many services would use up all of them, and then nothing could be started again, no next core
 * could be spoken to, and /proc could not be read. So some always stay free, and a service beyond that is refused with the
 * reason until there is room.
 */
import { readdirSync, readFileSync } from "node:fs";

/** For what comes and goes: a spawn takes seven at a time, a rotation with gzip six, a new core four. */
const KEPT_FREE = 16;
/** Of the keeper itself, opened after this is counted: the channel to the core, pipes of Node.js for signals. */
const STILL_TO_COME = 4;

export class Descriptors {
  #left: number;

  /** `most`: the limit of open files. `open`: how many are open before the first log. */
  constructor(most: number, open: number) {
    this.#left = most - open - KEPT_FREE - STILL_TO_COME;
  }

  static ofThisProcess(): Descriptors {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return new Descriptors(soft === undefined ? Number.POSITIVE_INFINITY : Number(soft), openNow());
  }

  /** Throws EMFILE, as the kernel would a little later. */
  take(count: number): void {
    if (count > this.#left) throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
    this.#left -= count;
  }

  giveBack(count: number): void {
    this.#left += count;
  }
}

/** Without the one that the folder is read with. */
function openNow(): number {
  return readdirSync("/proc/self/fd").length - 1;
}
