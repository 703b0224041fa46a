/**
 * The lines that a log gets from a certain point on, none twice and none missing, while somebody else writes and rotates
 * it. The file is held open, so it stays the one we know when it gets another name; what follows it is found by looking
 * which of PATH, PATH.1, PATH.2 … it has become.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";

/** A place in a log that survives rotation and restarts of svcd. */
export interface LogMark {
  /** 0: there was no file; the start of whatever comes. */
  readonly inode: number;
  readonly offset: number;
  /** When it was made (Unix milliseconds): tells what came after a file that is no longer there. */
  readonly at: number;
}

/** Where the log ends now. */
export function markEnd(path: string): LogMark {
  const stat = statSync(path, { throwIfNoEntry: false });
  return { inode: stat?.ino ?? 0, offset: stat?.size ?? 0, at: Date.now() };
}

export interface Piece {
  /** Whole lines without their newlines, at most 64 KiB of each. */
  readonly lines: readonly string[];
  /** There is more to read at once. */
  readonly more: boolean;
}

const PIECE = 256 * 1024;
const LONGEST_LINE = 64 * 1024;
/** Rotated files that are looked through for ours; beyond that it is taken as gone. */
const MOST_ROTATED = 100;
const NEWLINE = 10;
const RETURN = 13;

export class LogLines {
  readonly #path: string;
  #from: LogMark;
  readonly #states: boolean;
  #file: { readonly fd: number; readonly inode: number; at: number } | null = null;
  /** The beginning of a line whose end has not come yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** The line under way was longer than is kept and has been told. */
  #skipping = false;

  /** `states`: each state of a line that is drawn over with \r is told as a line of its own. */
  constructor(path: string, from: LogMark, { states = false }: { readonly states?: boolean } = {}) {
    this.#path = path;
    this.#from = from;
    this.#states = states;
  }

  /** What is there of a line whose end has not come yet: a bar stands there until it moves. */
  get unfinished(): string {
    return this.#skipping ? "" : this.#rest.toString("utf8");
  }

  /** Reads on, a piece at a time so that a flood does not hold up everything else. */
  next(): Piece {
    this.#file ??= this.#open();
    const file = this.#file;
    if (file === null) return { lines: [], more: false };
    const { size } = fstatSync(file.fd);
    if (size < file.at) {
      file.at = 0; // It was emptied (`svctl clear`).
      this.#endLine();
    }
    const bytes = Buffer.allocUnsafe(Math.min(PIECE, size - file.at));
    const length = bytes.length === 0 ? 0 : readSync(file.fd, bytes, 0, bytes.length, file.at);
    file.at += length;
    if (length > 0) return { lines: this.#split(bytes.subarray(0, length)), more: true };
    return { lines: [], more: this.#moveOn(file) };
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file.fd);
    this.#file = null;
  }

  #open(): { fd: number; inode: number; at: number } | null {
    const { inode, offset, at } = this.#from;
    const number = inode === 0 ? 0 : this.#numberOf(inode);
    const file = number === null ? this.#openAfter(at) : openLog(this.#nameOf(number));
    return file === null ? null : { ...file, at: file.inode === inode ? offset : 0 };
  }

  /** At the end of our file: has it been rotated away? Then the next one begins. */
  #moveOn(file: { fd: number; inode: number; at: number }): boolean {
    if (inodeOf(this.#path) === file.inode) return false;
    const stat = fstatSync(file.fd);
    if (stat.size > file.at) return true; // Written between our read and the rotation.
    const number = this.#numberOf(file.inode);
    if (number === 0) return false;
    const next = number === null ? this.#openAfter(stat.mtimeMs) : openLog(this.#nameOf(number - 1));
    if (next === null) return false; // Renamed, and the new one is not there yet.
    // Files get new numbers while we look: it is the next one only if ours still has the number it had.
    if (next.inode === file.inode || this.#numberOf(file.inode) !== number) {
      closeSync(next.fd);
      return true;
    }
    closeSync(file.fd);
    this.#file = { ...next, at: 0 };
    this.#endLine();
    return true;
  }

  /**
   * What comes after a file that is gone. It was compressed or dropped if `.1` was written after it, and then all of `.1`
   * is newer; else somebody deleted it, and the current file is what follows.
   */
  #openAfter(time: number): { fd: number; inode: number } | null {
    const rotated = statSync(this.#nameOf(1), { throwIfNoEntry: false });
    return openLog(rotated !== undefined && rotated.mtimeMs > time ? this.#nameOf(1) : this.#path);
  }

  /** 0: the current file. null: it has been compressed or removed. */
  #numberOf(inode: number): number | null {
    for (let number = 0; number <= MOST_ROTATED; number++) {
      const found = inodeOf(this.#nameOf(number));
      if (found === inode) return number;
      if (found === null && number > 0) return null;
    }
    return null;
  }

  #nameOf(number: number): string {
    return number === 0 ? this.#path : `${this.#path}.${number}`;
  }

  #endLine(): void {
    this.#rest = Buffer.alloc(0);
    this.#skipping = false;
  }

  #split(bytes: Buffer): string[] {
    const lines: string[] = [];
    const nextEnd = endsIn(bytes, this.#states);
    let from = 0;
    for (let end = nextEnd(0); end !== -1; end = nextEnd(from)) {
      if (this.#skipping) this.#skipping = false;
      else lines.push(this.#line(bytes.subarray(from, end)));
      this.#rest = Buffer.alloc(0);
      from = end + 1;
    }
    if (this.#skipping) return lines;
    this.#rest = Buffer.concat([this.#rest, bytes.subarray(from)]);
    if (this.#rest.length > LONGEST_LINE) {
      lines.push(this.#line(Buffer.alloc(0)));
      this.#rest = Buffer.alloc(0);
      this.#skipping = true;
    }
    return lines;
  }

  #line(end: Buffer): string {
    const whole = this.#rest.length === 0 ? end : Buffer.concat([this.#rest, end]);
    return whole.toString("utf8", 0, Math.min(whole.length, LONGEST_LINE));
  }
}

/** Finds the next end of a line (or of a state of it) from a place on; each byte is looked at once. */
function endsIn(bytes: Buffer, states: boolean): (from: number) => number {
  let newline = bytes.indexOf(NEWLINE);
  let state = states ? bytes.indexOf(RETURN) : -1;
  return (from) => {
    if (newline !== -1 && newline < from) newline = bytes.indexOf(NEWLINE, from);
    if (state !== -1 && state < from) state = bytes.indexOf(RETURN, from);
    if (newline === -1 || state === -1) return Math.max(newline, state);
    return Math.min(newline, state);
  };
}

function openLog(path: string): { fd: number; inode: number } | null {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    return { fd, inode: fstatSync(fd).ino };
  } catch {
    return null;
  }
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null;
}
