/**
 * What a run of a job wrote, bounded: the beginning and the end, and between them a line that says how much is left out. For
 * mails, webhooks and whoever else must not get a gigabyte.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { runLogPath } from "../places.ts";
import type { JobRun } from "../schedule/run-name.ts";

export interface OutputBounds {
  readonly headBytes: number;
  readonly tailBytes: number;
}

/** Its stdout, then its stderr where that is kept apart. Nothing: it wrote nothing, or what it wrote is gone. */
export function runOutput(logDir: string, run: JobRun, bounds: OutputBounds): Buffer {
  const parts = STREAMS.map((stream) => boundedText(runLogPath(logDir, run, stream), bounds));
  return Buffer.concat(parts);
}

export function hasOutput(logDir: string, run: JobRun): boolean {
  // The current file may be empty just after it was rotated.
  const paths = STREAMS.map((stream) => runLogPath(logDir, run, stream));
  return paths.some((path) => [path, `${path}.head`].some((file) => sizeOf(file) > 0));
}

const STREAMS = ["stdout", "stderr"] as const;
/** As the keeper writes it at the end of the head. */
const LEFT_OUT = /(?<=^|\n)svcd: (\d+) bytes of output are left out here\n$/;
const LEFT_OUT_LINE_BYTES = 100;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function boundedText(path: string, { headBytes, tailBytes }: OutputBounds): Buffer {
  const files = [`${path}.head`, `${path}.1`, path].flatMap((file) => {
    const size = sizeOf(file);
    return size === 0 ? [] : [{ file, size }];
  });
  const total = files.reduce((sum, { size }) => sum + size, 0);
  if (total <= headBytes + tailBytes) return Buffer.concat(files.map(({ file, size }) => piece(file, 0, size)));
  const head = pieceOf(files, 0, headBytes);
  const tail = pieceOf(files, total - tailBytes, total);
  const between = pieceOf(
    files.slice(0, 1),
    Math.max(0, (files[0]?.size ?? 0) - LEFT_OUT_LINE_BYTES),
    files[0]?.size ?? 0,
  );
  const [line = "", before = "0"] = LEFT_OUT.exec(between.toString("latin1")) ?? [];
  const leftOut = total - headBytes - tailBytes - line.length + Number(before);
  const start = head.length === 0 || head.at(-1) === NEWLINE ? "" : "\n";
  return Buffer.concat([head, Buffer.from(`${start}svcd: ${leftOut} bytes of output are left out here\n`), tail]);
}

const NEWLINE = 10;

/** Of the files as one sequence of bytes. */
function pieceOf(files: readonly { file: string; size: number }[], from: number, to: number): Buffer {
  let begin = 0;
  const pieces = files.map(({ file, size }) => {
    const start = begin;
    begin += size;
    const first = Math.max(0, from - start);
    const last = Math.min(size, to - start);
    return last <= first ? Buffer.alloc(0) : piece(file, first, last);
  });
  return Buffer.concat(pieces);
}

function piece(file: string, from: number, to: number): Buffer {
  let fd: number | null = null;
  try {
    fd = openSync(file, READ);
    if (!fstatSync(fd).isFile()) return Buffer.alloc(0);
    const bytes = Buffer.alloc(to - from);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, from));
  } catch {
    return Buffer.alloc(0); // It was just removed.
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  } catch {
    return 0; // No way to it.
  }
}
