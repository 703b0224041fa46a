/**
 * Whether the names of a log's files are as we were told. The keeper renames them at each rotation and tells us a moment
 * later, so between the two `PATH.3` is another file than the list says. Two things give certainty:
 *
 * - a neighbour that is known: if the file we just read is still one number further, the one before it is the right one;
 * - a moment of rest: nothing was renamed while we looked, and nobody told of a rotation afterwards.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { LogPosition } from "../keeper/messages.ts";
import { inodeAt } from "./log-files.ts";

/** Longer than the keeper takes to tell of a rotation. */
export const LOOK_AGAIN_MS = 40;
/** How long names may be moving without a rest; no disk rotates for so long without one. */
export const LOOK_FOR_MS = 1_000;

export interface Whereabouts {
  /** Where the log stands, as far as we were told; null: it is gone. */
  latest(): LogPosition | null;
  /** Until we are told something new, or so many milliseconds. */
  news(atMostMs: number): Promise<void>;
}

/** To be asked after a file was opened (or not found). */
export interface Asked {
  /** Did names mean at that moment what the list says? `inode` is known to be at `index`; null: nothing is known. */
  isStill(index: number, inode: number | null): Promise<boolean>;
  /** The same without a neighbour; takes a moment. A file that is absent or of a wrong size now was not moved by svcd. */
  isAtRest(): Promise<boolean>;
}

export class Names {
  readonly #where: Whereabouts;
  /** The last moment of rest: as long as the current file is the same, no name has changed since. */
  #rest: { readonly base: number; readonly current: number } | null = null;

  constructor(where: Whereabouts) {
    this.#where = where;
  }

  /** To be called before a file is opened. */
  async ask(log: LogPosition): Promise<Asked> {
    const current = await inodeAt(log.path, 0);
    return {
      isAtRest: () => this.#areAtRest(log, current),
      isStill: async (index, inode) => {
        const found = inode === null ? 0 : await inodeAt(log.path, index);
        // 0: there is no such file, because it was compressed, cleared or deleted meanwhile. That says nothing.
        return found === 0 ? this.#areAtRest(log, current) : found === inode;
      },
    };
  }

  async #areAtRest(log: LogPosition, current: number): Promise<boolean> {
    if (this.#rest?.base !== log.base || this.#rest.current !== current) {
      await pause(LOOK_AGAIN_MS);
      if (this.#where.latest()?.base !== log.base) return false;
    }
    if ((await inodeAt(log.path, 0)) !== current) return false;
    this.#rest = { base: log.base, current };
    return true;
  }
}
