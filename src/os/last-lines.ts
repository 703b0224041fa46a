/**
 * The last lines of a log as a person would read them on a terminal: no escape sequences, no control characters, a
 * progress bar in its last state, broken UTF-8 as U+FFFD. The file itself keeps every byte.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";

export interface LastLinesOptions {
  /** At most this much is read of the current file, and as much again of the one before it. */
  readonly maxBytes?: number;
  /** What was written after it does not count. If it cannot be found any more, all does. */
  readonly until?: { readonly inode: number; readonly offset: number };
}

/** Enough for a few hundred lines, and read in a fraction of a millisecond. */
const MAX_BYTES = 64 * 1024;
/** A line is shown up to here; what comes behind is rarely the cause and fills the screen. */
const MAX_LINE = 2_000;
const decoder = new TextDecoder("utf-8", { fatal: false });

/** At most `count` lines, oldest first, without empty ones at the end. A file that is not there has none. */
export function lastLines(
  written: string,
  count: number,
  { maxBytes = MAX_BYTES, until }: LastLinesOptions = {},
): string[] {
  if (count <= 0) return [];
  const path = until !== undefined && holds(`${written}.1`, until) ? `${written}.1` : written;
  const current = endOf(path, maxBytes, until !== undefined && holds(path, until) ? until.offset : undefined);
  let lines = linesOf(current);
  if (lines.length < count && current.whole) {
    const before = endOf(path === written ? `${written}.1` : `${written}.2`, maxBytes);
    if (before.bytes.length > 0) lines = [...linesOf(before), ...lines];
  }
  while (lines.at(-1)?.trim() === "") lines.pop();
  return lines.slice(-count);
}

/** What remains to be seen of a line once a terminal has shown it. */
export function plainText(line: string): string {
  const drawn = line
    .replace(ESCAPE_SEQUENCES, "")
    .split("\r")
    .filter((state) => state.trim() !== "")
    .at(-1);
  const text = (drawn ?? "").replace(UNSEEN, "").trimEnd();
  return text.length > MAX_LINE ? `${text.slice(0, MAX_LINE)}…` : text;
}

/** CSI (colours, cursor); OSC, DCS, SOS, PM and APC up to their end; all others of ECMA-48. */
const ESCAPE_SEQUENCES =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]/g;
/** Control characters but the tab, and the marks that make text run backwards and so read as something else. */
const UNSEEN = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

interface End {
  readonly bytes: Buffer;
  /** It is the whole file. */
  readonly whole: boolean;
}

const NEWLINE = 10;

function linesOf({ bytes, whole }: End): string[] {
  if (bytes.length === 0) return [];
  const firstEnd = bytes.indexOf(NEWLINE);
  // The first line is a fragment, unless there is nothing else.
  const from = whole || firstEnd === -1 || firstEnd === bytes.length - 1 ? 0 : firstEnd + 1;
  const to = bytes[bytes.length - 1] === NEWLINE ? bytes.length - 1 : bytes.length;
  return decoder
    .decode(bytes.subarray(startOfCharacter(bytes, from), to))
    .split("\n")
    .map(plainText);
}

/** A fragment may begin inside a character of several bytes. */
function startOfCharacter(bytes: Buffer, from: number): number {
  let at = from;
  while (at < from + 3 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at++;
  return at;
}

/** It is this file, whatever name it had then. */
export function holds(path: string, { inode }: { readonly inode: number }): boolean {
  return statSync(path, { throwIfNoEntry: false })?.ino === inode;
}

function endOf(path: string, maxBytes: number, end = Number.POSITIVE_INFINITY): End {
  let fd: number;
  try {
    // O_NONBLOCK: whatever lies at this path, it must not hold us up.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch {
    return { bytes: Buffer.alloc(0), whole: true };
  }
  try {
    const stat = fstatSync(fd);
    const size = Math.min(stat.size, end);
    const from = Math.max(0, size - maxBytes);
    const bytes = Buffer.alloc(stat.isFile() ? size - from : 0);
    return { bytes: bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, from)), whole: from === 0 };
  } catch {
    return { bytes: Buffer.alloc(0), whole: true };
  } finally {
    closeSync(fd);
  }
}
