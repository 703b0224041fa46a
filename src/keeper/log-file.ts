/**
 * One log file and its rotated predecessors: bytes in, in order, exactly as they came.
 *
 * Rotation happens between lines, so no line is split or lost; a line longer than the limit stays whole, unless it never
 * ends: then it goes on in the next file. Nothing here throws: a disk that refuses bytes costs those bytes, which are counted, and as soon as it takes bytes again a
 * line in the log says how many are missing. A rotation that fails costs nothing: the file grows beyond its limit until
 * a later one works.
 *
 * Of a run that may print a gigabyte the beginning says most: with `keepHeadBytes` the first file becomes `PATH.head` and stays.
 * What is rotated away later is counted in a line at its end, so that `cat PATH.head PATH.1 PATH` tells all there is to know.
 */
import { spawn } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { apart } from "./apart.ts";
import { closeQuietly } from "./log-pipe.ts";
import type { LogSettings } from "./messages.ts";
import { monotonicMs } from "./process-identity.ts";

const NEWLINE = 10;
/** How often a write looks whether the file at the path is still ours (deleted, moved by logrotate). */
const LOOK_EVERY_MS = 1_000;
/** How far a line may lead a file beyond its limit: more is a program that never ends its line, and would fill the disk. */
const LONGEST_LINE_BYTES = 16 * 1_048_576;
/** The same of a beginning that is kept for ever. */
const LONGEST_LINE_OF_HEAD_BYTES = 65_536;
/** How long a file grows on after a rotation that failed, before the next attempt. */
const ROTATE_AGAIN_MS = 1_000;
/** How often a log that loses bytes says how many by now. */
const TELL_LOSS_EVERY_MS = 1_000;
/** O_NOFOLLOW: a link planted in the log directory must not lead us elsewhere. */
const OPEN_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW;

export class LogFile {
  /** Position of the current file's first byte; see LogPosition. */
  base = 0;
  rotated: number[] = [];
  droppedBytes = 0;
  #fd: number | null = null;
  #inode = 0;
  #size = 0;
  #endsInLine = false;
  /** What is written now will be the beginning that is kept. */
  #isHead = false;
  #lookAt = 0;
  #rotateAt = 0;
  #tellLossAt = 0;
  #missing: { bytes: number; why: string } | null = null;
  #settings: LogSettings;
  readonly #mode: number;
  readonly #onMoved: () => void;

  /**
   * `onMoved`: the current file begins at another position than before (rotated, cleared, replaced), or it begins or ceases
   * to lose bytes.
   */
  constructor(settings: LogSettings, mode: number, onMoved: () => void) {
    this.#settings = settings;
    this.#mode = mode;
    this.#onMoved = onMoved;
    this.#open();
  }

  get settings(): LogSettings {
    return this.#settings;
  }

  /** Where fewer files are kept than before, those beyond are removed. */
  set settings(settings: LogSettings) {
    const keepsFewer = settings.keep < this.#settings.keep;
    this.#settings = settings;
    if (!keepsFewer) return;
    removeRotated(settings.path, settings.keep + 1);
    this.rotated = this.rotated.slice(0, settings.keep);
    this.#onMoved();
  }

  /** Why it loses what comes; null: it does not. */
  get dropping(): string | null {
    return this.#missing === null || this.#missing.bytes === 0 ? null : this.#missing.why;
  }

  get position(): number {
    return this.base + this.#size;
  }

  write(bytes: Buffer): void {
    this.#look();
    if (this.#missing !== null && !this.#tellWhatIsMissing()) {
      this.#drop(bytes.length, this.#missing.why);
      return;
    }
    const stamped = this.settings.timestamps ? this.#withTimestamps(bytes) : bytes;
    let from = 0;
    while (from < stamped.length) {
      const room = this.#room();
      const to = stamped.length - from <= room ? stamped.length : this.#endOfLines(stamped, from, room);
      if (to > from && !this.#append(stamped.subarray(from, to))) {
        this.#drop(stamped.length - to, this.#missing?.why ?? "");
        return;
      }
      from = to;
      if (from < stamped.length) this.#rotate();
    }
  }

  /** Empties the log and removes its rotated files. Positions go on counting. */
  clear(): void {
    this.base = this.position;
    this.#size = 0;
    this.#endsInLine = false;
    this.rotated = [];
    try {
      if (this.#fd !== null) ftruncateSync(this.#fd, 0);
    } catch {
      this.#reopen();
    }
    removeRotated(this.settings.path, 1);
    if (this.settings.keepHeadBytes !== undefined) removeQuietly(headOf(this.settings));
    this.#lookForHead();
    this.#onMoved();
  }

  /** Looks at the next write whether the file at the path is still ours, and rotates if it must, however short ago it did. */
  lookSoon(): void {
    this.#lookAt = 0;
    this.#rotateAt = 0;
  }

  close(): void {
    if (this.#fd !== null) closeQuietly(this.#fd);
    this.#fd = null;
  }

  get #limit(): number {
    return this.#isHead ? (this.settings.keepHeadBytes ?? 0) : this.settings.maxSizeBytes;
  }

  /** How many bytes the file takes before it must be rotated. */
  #room(): number {
    if (monotonicMs() < this.#rotateAt) return Number.POSITIVE_INFINITY;
    return Math.max(this.#limit - this.#size, 0);
  }

  /**
   * Where to cut `bytes` so that the file stays within its limit and no line is cut: after the last newline that fits;
   * if none fits and the file is at the start of a line, or the line under way has no end, `from` (rotate first); else the
   * end of the line under way.
   */
  #endOfLines(bytes: Buffer, from: number, room: number): number {
    if (room > 0) {
      const fits = bytes.lastIndexOf(NEWLINE, from + room - 1);
      if (fits >= from) return fits + 1;
    }
    if (!this.#endsInLine && this.#size > 0) return from;
    const longestLine = this.#isHead ? LONGEST_LINE_OF_HEAD_BYTES : LONGEST_LINE_BYTES;
    if (this.#size >= this.#limit + longestLine) return from;
    const end = bytes.indexOf(NEWLINE, from);
    return end === -1 ? bytes.length : end + 1;
  }

  #append(bytes: Buffer): boolean {
    if (this.#fd === null && !this.#open()) {
      this.#drop(bytes.length, this.#missing?.why ?? "cannot be opened");
      return false;
    }
    let done = 0;
    try {
      // A nearly full disk takes a part without an error.
      while (done < bytes.length) done += writeSync(this.#fd as number, bytes, done);
    } catch (error) {
      this.#note(bytes, done);
      this.#drop(bytes.length - done, reason(error));
      return false;
    }
    this.#note(bytes, done);
    return true;
  }

  #note(bytes: Buffer, written: number): void {
    this.#size += written;
    if (written > 0) this.#endsInLine = bytes[written - 1] !== NEWLINE;
  }

  #drop(bytes: number, why: string): void {
    this.droppedBytes += bytes;
    this.#missing = { bytes: (this.#missing?.bytes ?? 0) + bytes, why };
    const now = monotonicMs();
    if (now < this.#tellLossAt) return;
    this.#tellLossAt = now + TELL_LOSS_EVERY_MS;
    this.#onMoved();
  }

  #tellWhatIsMissing(): boolean {
    const missing = this.#missing;
    if (missing === null || missing.bytes === 0) {
      this.#missing = null;
      return true;
    }
    const start = this.#endsInLine ? "\n" : "";
    const line = Buffer.from(`${start}svcd: ${missing.bytes} bytes of output are missing here: ${missing.why}\n`);
    this.#missing = null;
    const dropped = this.droppedBytes;
    if (this.#append(line)) {
      this.#tellLossAt = 0;
      this.#onMoved();
      return true;
    }
    this.droppedBytes = dropped;
    this.#missing = missing;
    return false;
  }

  #withTimestamps(bytes: Buffer): Buffer {
    const stamp = Buffer.from(`${new Date().toISOString()} `);
    const parts: Buffer[] = [];
    let from = 0;
    let inLine = this.#endsInLine;
    while (from < bytes.length) {
      if (!inLine) parts.push(stamp);
      const end = bytes.indexOf(NEWLINE, from);
      const to = end === -1 ? bytes.length : end + 1;
      parts.push(bytes.subarray(from, to));
      inLine = end === -1;
      from = to;
    }
    return Buffer.concat(parts);
  }

  #look(): void {
    const now = monotonicMs();
    if (now < this.#lookAt) return;
    this.#lookAt = now + LOOK_EVERY_MS;
    if (this.#fd !== null && inodeOf(this.settings.path) !== this.#inode) this.#reopen();
  }

  #reopen(): void {
    this.close();
    this.#open();
    this.#onMoved();
  }

  #open(): boolean {
    let fd: number | null = null;
    try {
      mkdirSync(dirname(this.settings.path), { recursive: true, mode: 0o700 });
      fd = openSync(this.settings.path, OPEN_FLAGS, this.#mode);
      const { ino, size } = fstatSync(fd);
      const endsInLine = size > 0 && lastByte(this.settings.path, size) !== NEWLINE;
      this.base = this.position;
      this.#fd = fd;
      this.#inode = ino;
      this.#size = size;
      this.#endsInLine = endsInLine;
      this.#lookForHead();
      return true;
    } catch (error) {
      if (fd !== null) closeQuietly(fd);
      this.#fd = null;
      this.#missing ??= { bytes: 0, why: reason(error) };
      return false;
    }
  }

  #lookForHead(): void {
    const { keepHeadBytes = 0 } = this.settings;
    this.#isHead = keepHeadBytes > 0 && !existsSync(headOf(this.settings));
  }

  #rotate(): void {
    const { path, keep, keepHeadBytes } = this.settings;
    const isHead = this.#isHead;
    const goes = keepHeadBytes === undefined || isHead ? 0 : keep === 0 ? this.#size : sizeOf(`${path}.${keep}`);
    if (isHead ? !moved(path, headOf(this.settings)) : !shift(path, keep)) {
      this.#rotateAt = monotonicMs() + ROTATE_AGAIN_MS;
      return; // It is the same file as before, and still open.
    }
    this.close();
    // What is kept as the beginning has no number, and so no place among the rotated.
    if (!isHead) this.rotated = [this.base, ...this.rotated].slice(0, keep);
    this.base = this.position;
    this.#size = 0;
    this.#endsInLine = false;
    this.#open();
    if (goes > 0) countLeftOut(headOf(this.settings), goes, this.#mode);
    this.#onMoved();
    if (this.settings.compress && keep > 1) compressLater(this.settings);
  }
}

function headOf({ path }: LogSettings): string {
  return `${path}.head`;
}

function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/**
 * The line at the end of the beginning is written over in place: the number in it only grows, and no disk is too full for that.
 * It is also the memory of the count, whichever keeper comes next.
 */
function countLeftOut(head: string, bytes: number, mode: number): void {
  let fd: number | null = null;
  try {
    fd = openSync(head, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, mode);
    const { size } = fstatSync(fd);
    const end = Buffer.alloc(Math.min(size, LEFT_OUT_LINE_BYTES));
    readSync(fd, end, 0, end.length, size - end.length);
    const text = end.toString("latin1");
    const [line, before] = LEFT_OUT_LINE.exec(text) ?? ["", "0"];
    const start = line !== "" || text === "" || text.endsWith("\n") ? "" : "\n";
    writeSync(fd, `${start}${leftOutLine(Number(before) + bytes)}`, size - line.length);
  } catch {
    // A disk that takes nothing: the count is too low, and the log itself says what it lost.
  } finally {
    if (fd !== null) closeQuietly(fd);
  }
}

/** Longer than it ever gets. */
const LEFT_OUT_LINE_BYTES = 100;
const LEFT_OUT_LINE = /(?<=^|\n)svcd: (\d+) bytes of output are left out here\n$/;

function leftOutLine(bytes: number): string {
  return `svcd: ${bytes} bytes of output are left out here\n`;
}

/** Gives every file the next number and drops the last. Did it work? If not, the names are as before. */
function shift(path: string, keep: number): boolean {
  const moved: [from: string, to: string][] = [];
  const move = (from: string, to: string): void => {
    renameSync(from, to);
    moved.push([from, to]);
  };
  try {
    if (keep === 0) {
      rmSync(path, { force: true });
      return true;
    }
    removeRotated(path, keep);
    for (let number = keep - 1; number >= 1; number--) {
      for (const end of ["", ".gz"]) {
        if (existsSync(`${path}.${number}${end}`)) move(`${path}.${number}${end}`, `${path}.${number + 1}${end}`);
      }
    }
    move(path, `${path}.1`);
  } catch {
    moved.reverse().forEach(moveBack);
    return false;
  }
  if (compressing?.path === path && compressing.number > 0) compressing.number++;
  return true;
}

function moveBack([from, to]: readonly [string, string]): void {
  try {
    renameSync(to, from);
  } catch {
    // A gap in the numbers harms nobody.
  }
}

/**
 * Removes the rotated files from this number on, whoever wrote them and under whatever `keep`, and what a compression left
 * half done. What cannot be removed stays. A date (`web.log.20260131`) is no number of ours.
 */
function removeRotated(path: string, from: number): void {
  if (compressing?.path === path && compressing.number >= from) compressing.number = 0;
  const start = basename(path);
  for (const name of namesIn(dirname(path))) {
    if (!name.startsWith(`${start}.`)) continue;
    const end = name.slice(start.length + 1);
    const [, number] = /^([1-9]\d{0,4})(?:\.gz)?$/.exec(end) ?? [];
    const isStaleHalf = end === "gz-half" && compressing?.path !== path;
    if (isStaleHalf || (number !== undefined && Number(number) >= from)) removeQuietly(join(dirname(path), name));
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true, recursive: true });
  } catch {
    // The next rotation tries again.
  }
}

// Compression: one file at a time for the whole keeper, by a nice'd gzip, so that no flood of rotations can take the
// machine. `.1` stays plain: readers that are a moment behind find it as it was.

interface Compression {
  readonly path: string;
  /** The number that the file has by now; 0: it was removed. */
  number: number;
}
let compressing: Compression | null = null;
const toCompress = new Map<string, LogSettings>();

function compressLater(settings: LogSettings): void {
  toCompress.set(settings.path, settings);
  compressNext();
}

function compressNext(): void {
  if (compressing !== null) return;
  for (const [path, { keep }] of toCompress) {
    const number = Array.from({ length: keep - 1 }, (_, index) => index + 2).find((n) => existsSync(`${path}.${n}`));
    if (number !== undefined) return compress({ path, number });
    toCompress.delete(path);
  }
}

function compress(job: Compression): void {
  const { path } = job;
  const half = `${path}.gz-half`;
  let input: number | null = null;
  let output: number | null = null;
  const finish = (succeeded: boolean): void => {
    compressing = null;
    try {
      const plain = `${path}.${job.number}`;
      if (succeeded && job.number > 0 && existsSync(plain)) {
        renameSync(half, `${plain}.gz`);
        rmSync(plain, { force: true });
      } else {
        rmSync(half, { force: true });
      }
    } catch {
      // The plain file is still there.
    }
    if (succeeded) compressNext();
    else toCompress.delete(path); // No gzip, no space: the plain files stay, the next rotation tries again.
  };
  try {
    input = openSync(`${path}.${job.number}`, constants.O_RDONLY | constants.O_NOFOLLOW);
    output = openSync(half, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, 0o600);
    const streams = [input, output, "ignore" as const];
    const gzip = apart(() => spawn("nice", ["-n", "19", "gzip", "-c"], { stdio: streams }));
    compressing = job;
    gzip.on("error", () => finish(false));
    gzip.on("exit", (code) => finish(code === 0));
  } catch {
    finish(false);
  } finally {
    if (input !== null) closeSync(input);
    if (output !== null) closeSync(output);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function inodeOf(path: string): number {
  try {
    return statSync(path).ino;
  } catch {
    return 0;
  }
}

function lastByte(path: string, size: number): number {
  const byte = Buffer.alloc(1);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    readSync(fd, byte, 0, 1, size - 1);
  } finally {
    closeQuietly(fd);
  }
  return byte[0] ?? NEWLINE;
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
