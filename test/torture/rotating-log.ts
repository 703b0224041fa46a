/**
 * Reads a log while it is written and rotated. The open descriptor stands for the file whatever its name becomes: once the
 * name leads to another file, ours is finished, and the next one to read bears the number below ours.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";

const PIECE_BYTES = 1_048_576;
/** So many looks in a row. */
const GONE_AFTER = 10;

export class RotatingLog {
  readonly #path: string;
  readonly #buffer = Buffer.allocUnsafe(PIECE_BYTES);
  #fd: number | null = null;
  #missed = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Everything that has come since the last time. */
  read(onText: (text: string) => void): void {
    this.#fd ??= this.#openOldest();
    while (this.#fd !== null) {
      const isRotated = inodeOf(this.#path) !== fstatSync(this.#fd).ino;
      this.#readToEnd(this.#fd, onText);
      if (!isRotated) return;
      const next = this.#openNext(this.#fd);
      if (next === null) return; // It is just being rotated.
      closeSync(this.#fd);
      this.#fd = next;
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #readToEnd(fd: number, onText: (text: string) => void): void {
    for (;;) {
      const length = readSync(fd, this.#buffer);
      if (length === 0) return;
      onText(this.#buffer.toString("latin1", 0, length));
    }
  }

  #openOldest(): number | null {
    const oldest = Math.max(0, ...this.#numbers());
    return open(this.#named(oldest));
  }

  /** The numbers grow while we look: what was opened counts only if ours still bears the number above it afterwards. */
  #openNext(fd: number): number | null {
    const { ino } = fstatSync(fd);
    const number = this.#numbers().find((candidate) => inodeOf(this.#named(candidate)) === ino);
    if (number === undefined) {
      // Names that move while they are read can hide it for a moment; what is kept no longer stays away.
      this.#missed++;
      if (this.#missed < GONE_AFTER) return null;
      throw new Error(`${this.#path}: the reader fell behind, a rotated file was removed before it was read`);
    }
    this.#missed = 0;
    const next = open(this.#named(number - 1));
    if (next !== null && inodeOf(this.#named(number)) !== ino) {
      closeSync(next);
      return null;
    }
    return next;
  }

  #numbers(): number[] {
    const start = `${basename(this.#path)}.`;
    return readdirSync(dirname(this.#path))
      .filter((name) => name.startsWith(start) && /^\d+$/.test(name.slice(start.length)))
      .map((name) => Number(name.slice(start.length)));
  }

  #named(number: number): string {
    return number === 0 ? this.#path : `${this.#path}.${number}`;
  }
}

function open(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch {
    return null;
  }
}

function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}
