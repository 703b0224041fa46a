/**
 * A journal whose lines can tell whether they are whole: eight hex digits of CRC-32, a space, JSON. A line that was torn by a
 * crash or a full disk, or comes from somewhere else, does not match its checksum and is passed over. It costs no other line:
 * after anything that may have left half a line, the next one begins with a newline.
 *
 * No fsync: it must survive the process, not the machine. One that must outlive the machine says `isDurable`: what was appended
 * to it is on the disk when that returns.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

export interface CheckedJournalOptions<Line> {
  readonly path: string;
  /** Above this size it is written anew; what still matters may be more, so it must also have doubled since it last was. */
  readonly compactAboveBytes: number;
  /** Everything that still matters. */
  readonly essence: () => readonly Line[];
  /** Heard at the first failure of several in a row. Nothing is lost but memory for the process that comes next. */
  readonly onFailure: (path: string, why: string) => void;
  readonly isDurable?: boolean;
}

/** What is read once is written over afterwards: a call that fails by chance must not cost it all. */
const TRIES_AT_ONCE = 3;

/** As few system calls as matter, and no more memory than a start needs anyway. */
const LINES_AT_ONCE = 256;

const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

export class CheckedJournal<Line> {
  readonly #options: CheckedJournalOptions<Line>;
  #fd: number | null = null;
  /** Since it was last compacted, or that was last tried. */
  #size = 0;
  #compactAbove = 0;
  /** What an earlier process wrote last may be torn too. */
  #mayEndInLine = true;
  /** Why the last attempt to write failed; null: it did not. */
  #failing: string | null = null;

  constructor(options: CheckedJournalOptions<Line>) {
    this.#options = options;
  }

  get failing(): string | null {
    return this.#failing;
  }

  /** Once the disk takes something again, all that still matters is on it again, what it refused meanwhile too. */
  tryAgain(): void {
    if (this.#failing !== null) this.compact();
  }

  /** The whole lines that are there, in order. */
  read(): Line[] {
    for (let tries = 0; tries < TRIES_AT_ONCE; tries++) {
      try {
        return readCheckedLines(readFileSync(this.#options.path, "utf8"));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") break;
      }
    }
    return [];
  }

  /** Throws if there can be no such file. Without it, the first line that is appended opens the file. */
  open(): void {
    if (this.#fd !== null) return;
    this.#fd = openSync(this.#options.path, FLAGS, 0o600);
    if (this.#options.isDurable) flushDirectory(this.#options.path); // It may be new.
  }

  append(line: Line): void {
    this.appendAll([line]);
  }

  /** With one flush for all, if it is durable. */
  appendAll(lines: readonly Line[]): void {
    if (lines.length === 0) return;
    const before = this.#size;
    try {
      this.open();
      const start = this.#mayEndInLine ? "\n" : "";
      this.#mayEndInLine = true;
      this.#size += writeLines(this.#fd as number, lines, start);
      this.#mayEndInLine = false;
      if (this.#options.isDurable) fdatasyncSync(this.#fd as number);
    } catch (error) {
      this.#failed(this.#options.path, error);
    }
    // More at once than there was before is hardly about one and the same thing: written anew it would be as long.
    if (this.#size > 2 * before && lines.length > 1) this.#compactAbove = Math.max(this.#compactAbove, 2 * this.#size);
    if (this.#size > Math.max(this.#compactAbove, this.#options.compactAboveBytes)) this.compact();
  }

  /** Written beside and renamed over. Where that fails the old file goes on, until as much has come again. */
  compact(): void {
    const { path, essence } = this.#options;
    const next = `${path}.next`;
    this.#size = 0;
    let fd: number | null = null;
    try {
      fd = openSync(next, FLAGS | constants.O_TRUNC, 0o600);
      const length = writeLines(fd, essence(), "");
      if (this.#options.isDurable) fdatasyncSync(fd);
      renameSync(next, path);
      if (this.#fd !== null) closeQuietly(this.#fd);
      this.#fd = fd;
      fd = null;
      this.#size = length;
      this.#compactAbove = 2 * length;
      this.#mayEndInLine = false;
      this.#failing = null;
      if (this.#options.isDurable) flushDirectory(path);
    } catch (error) {
      if (fd !== null) closeQuietly(fd);
      removeQuietly(next);
      this.#failed(next, error);
    }
  }

  #failed(path: string, error: unknown): void {
    const { message } = error as Error;
    if (this.#failing === null) this.#options.onFailure(path, message);
    this.#failing = message;
  }
}

function flushDirectory(path: string): void {
  const directory = openSync(dirname(path), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeQuietly(directory);
  }
}

/** Answers with how many bytes. */
function writeLines<Line>(fd: number, lines: readonly Line[], start: string): number {
  let length = 0;
  for (let from = 0; from < lines.length || from === 0; from += LINES_AT_ONCE) {
    const text = lines
      .slice(from, from + LINES_AT_ONCE)
      .map(checkedLine)
      .join("");
    const bytes = Buffer.from(from === 0 ? start + text : text);
    writeFileSync(fd, bytes); // All of it: a nearly full disk takes a part without an error.
    length += bytes.length;
  }
  return length;
}

export function checkedLine(value: unknown): string {
  const json = JSON.stringify(value);
  return `${checksum(json)} ${json}\n`;
}

/** The values of all whole lines, in order. */
export function readCheckedLines<Value>(text: string): Value[] {
  return linesOf(text).flatMap((line) => (isWhole(line) ? [JSON.parse(line.slice(9)) as Value] : []));
}

/**
 * Something in it is neither whole nor the beginning of a line that a crash or a full disk cut short: it comes from somewhere
 * else, or a disk changed it.
 */
export function isDamaged(text: string): boolean {
  return linesOf(text).some((line) => !isWhole(line) && !isTorn(line));
}

/** Without zeros at the end: they are of a block that was given to the file and never filled. */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  return text.includes("\0") ? lines.map((line) => line.replace(/\0+$/, "")) : lines;
}

function isTorn(line: string): boolean {
  if (!/^[0-9a-f]{0,8}$|^[0-9a-f]{8} (\{|$)/.test(line)) return false;
  try {
    JSON.parse(line.slice(9));
    return false; // It is all there, and does not match.
  } catch {
    return true;
  }
}

function isWhole(line: string): boolean {
  const json = line.slice(9);
  return json !== "" && line.startsWith(`${checksum(json)} `);
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, "0");
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Closed or not, it is not used any more.
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The next attempt writes over it.
  }
}
