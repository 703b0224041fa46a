/**
 * The pipe between a service and its log file.
 *
 * A FIFO, because every party can hold it for itself: the service has it open for reading *and* writing, so it never gets
 * EPIPE, and what it says while no keeper is there waits in the pipe (64 KiB) for the next one. A FIFO can also be opened
 * again as /dev/stdout, which the socket pairs that Node calls pipes cannot.
 */
import { spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  fchownSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
} from "node:fs";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { monotonicMs } from "./process-identity.ts";

/** As much as a pipe holds. One buffer serves all pipes: what is read is written to its file before the next read. */
const buffer = Buffer.allocUnsafeSlow(65_536);
/**
 * A service that writes line after line is left alone for this long between two reads, so that one read takes what would
 * else be five: each wakes this process and writes a file. Its first line after a silence is read at once.
 */
const LET_GATHER_MS = 5;
/** As long as the pipe is far from full by then: whoever writes faster must not be held up for so long. */
const MOST_GATHERED_BYTES = 16_384;
/**
 * For a flood the whole keeper naps, once in a round, shorter than any timer. Who reads each line the moment it is written makes
 * the writer wake it for each: a reader that is a little late takes a full pipe, and both are twice as fast.
 */
const NAP_MS = 0.2;
const SMALL_READ_BYTES = 8_192;
/** At an exit the rest is read at once, but not for ever: a grandchild may go on writing. */
const MOST_READS_AT_EXIT = 64;

export class LogPipe {
  readonly path: string;
  readonly #fd: number;
  readonly #socket: Socket;
  readonly #onBytes: (bytes: Buffer) => void;
  #readAt = 0;

  /** The FIFO must exist (`makePipes`). Bytes handed to `onBytes` are valid during the call only. */
  constructor(path: string, onBytes: (bytes: Buffer) => void) {
    this.path = path;
    this.#onBytes = onBytes;
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
    const onread = {
      buffer,
      callback: (length: number): boolean => {
        onBytes(buffer.subarray(0, length));
        return !this.#letsGather(length);
      },
    };
    this.#socket = new Socket({ fd: this.#fd, readable: true, writable: false, onread } as ConstructorParameters<
      typeof Socket
    >[0]);
    this.#socket.on("error", () => {}); // The file descriptor is ours and open for writing too: there is no end to learn of.
    this.#socket.resume();
  }

  /**
   * A descriptor of its own for a child, so that flags a program sets on its stdout are its own. Close it after the spawn.
   * Opened anew by our own descriptor: whatever happened to the path meanwhile, it is the same pipe (proc(5), fd).
   */
  openForChild(uid: number | null): number {
    fchownSync(this.#fd, uid ?? process.getuid?.() ?? 0, -1);
    return openSync(`/proc/self/fd/${this.#fd}`, constants.O_RDWR);
  }

  /** Takes what is in the pipe now: the last words of a process that has just ended. */
  drain(): void {
    for (let reads = 0; reads < MOST_READS_AT_EXIT; reads++) {
      let length: number;
      try {
        length = readSync(this.#fd, buffer);
      } catch {
        return; // EAGAIN: it is empty.
      }
      if (length === 0) return;
      this.#onBytes(buffer.subarray(0, length));
    }
  }

  /** After a read: shall there be a pause? Then it has begun. */
  #letsGather(length: number): boolean {
    const now = monotonicMs();
    const sinceMs = now - this.#readAt;
    this.#readAt = now;
    if (sinceMs > 2 * LET_GATHER_MS) return false;
    const expectedBytes = (length / sinceMs) * LET_GATHER_MS;
    if (expectedBytes > MOST_GATHERED_BYTES) {
      if (length < SMALL_READ_BYTES) napSoon();
      return false;
    }
    resting.push(this.#socket);
    if (resting.length === 1) setTimeout(readOn, LET_GATHER_MS);
    return true;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Closes it and takes it from the directory. */
  remove(): void {
    this.close();
    rmSync(this.path, { force: true });
  }
}

/** Pipes in a pause: one timer for all, so those that come later pause for less. */
let resting: Socket[] = [];

function readOn(): void {
  const rested = resting;
  resting = [];
  for (const socket of rested) socket.resume();
}

const never = new Int32Array(new SharedArrayBuffer(4));
let willNap = false;

function napSoon(): void {
  if (willNap) return;
  willNap = true;
  setImmediate(() => {
    willNap = false;
    Atomics.wait(never, 0, 0, NAP_MS);
  });
}

/** So many at once, again and again: thousands of jobs are due in one minute, and come sixteen at a time. A start comes once. */
const MANY = 8;
const OFTEN = 3;
let often = 0;
/** Made beforehand then: a `mkfifo` takes as long as three starts, and makes many in the time of one. */
const MOST_SPARE = 128;
/** FIFOs that nobody has opened yet, each to be renamed to where it is wanted. Never ones that were used: somebody may hold them. */
let spare: string[] = [];
let sparesMade = 0;

/** Makes the FIFOs that do not exist yet, all with one `mkfifo`: hundreds of services start together. */
export function makePipes(paths: readonly string[]): void {
  const missing = paths.filter((path) => !isPipe(path) && !isFromSpare(path));
  if (missing.length >= MANY && ++often > OFTEN) {
    const directory = dirname(missing[0]!);
    const more = Array.from({ length: MOST_SPARE }, () => `${directory}/.spare-${process.pid}-${sparesMade++}`);
    make([...missing, ...more]);
    spare = more;
  } else if (missing.length > 0) make(missing);
}

function isFromSpare(path: string): boolean {
  const one = spare.pop();
  if (one === undefined) return false;
  try {
    renameSync(one, path);
    return true;
  } catch {
    return false; // Somebody has cleaned up; it is made anew.
  }
}

/** When svcd ends, and of one that was killed. */
export function removeSpares(directory: string): void {
  spare = [];
  for (const name of readdirSync(directory)) {
    if (name.startsWith(".spare-")) rmSync(`${directory}/${name}`, { force: true });
  }
}

function make(paths: readonly string[]): void {
  // Arguments of one program are limited (E2BIG); 500 paths stay far below.
  for (let from = 0; from < paths.length; from += 500) {
    const { error, status, stderr } = spawnSync("mkfifo", ["-m", "600", ...paths.slice(from, from + 500)]);
    if (error !== undefined) throw error;
    if (status !== 0) throw new Error(String(stderr).trim() || `mkfifo ended with ${status}`);
  }
}

function isPipe(path: string): boolean {
  try {
    if (lstatSync(path).isFIFO()) return true;
    rmSync(path, { force: true }); // Whatever it is, it is in our way in our own directory.
  } catch {
    // Nothing there.
  }
  return false;
}

export function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // It was closed already.
  }
}
