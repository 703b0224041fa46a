/**
 * Lines to stderr that never hold anybody up: a terminal that was stopped with Ctrl-S, or a log collector that does not
 * read, would otherwise stop the whole core with it. One write is under way at a time, outside the main thread; what waits
 * is bounded, and what had no room is counted and told.
 */
import { write, writeSync } from "node:fs";

/** A few screens. More is not read by anybody when it comes all at once. */
const MOST_WAITING = 64 * 1024;
/** The other end asks for patience (EAGAIN, a descriptor that somebody made non-blocking). */
const PATIENCE_MS = 50;

export class ConsoleWriter {
  readonly #fd: number;
  #waiting = "";
  #underWay = false;
  #dropped = 0;
  /** The other end is gone: nobody reads any more. */
  #isGone = false;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Whole lines with their newlines. */
  write(text: string): void {
    if (this.#isGone) return;
    if (this.#waiting.length + text.length > MOST_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#waiting += text;
    this.#next();
  }

  /** At the end of the process: what is still waiting, if the other end takes it. */
  flush(): void {
    if (this.#isGone || this.#underWay || this.#waiting === "") return;
    try {
      writeSync(this.#fd, this.#waiting);
    } catch {
      // Nobody reads.
    }
    this.#waiting = "";
  }

  #next(): void {
    if (this.#underWay || this.#waiting === "") return;
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = "";
    this.#underWay = true;
    this.#write(bytes, 0);
  }

  #write(bytes: Buffer, from: number): void {
    write(this.#fd, bytes, from, (error, written) => {
      if (error?.code === "EAGAIN") {
        setTimeout(() => this.#write(bytes, from), PATIENCE_MS);
      } else if (error !== null) {
        this.#isGone = true; // EPIPE, EBADF, EIO: the terminal or the collector is gone for good.
        this.#waiting = "";
        this.#underWay = false;
      } else if (from + written < bytes.length) {
        this.#write(bytes, from + written);
      } else {
        this.#underWay = false;
        this.#tellDropped();
        this.#next();
      }
    });
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    this.#waiting += `svcd: ${this.#dropped} messages are missing here: they were not read in time\n`;
    this.#dropped = 0;
  }
}
