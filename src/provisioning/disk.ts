/**
 * The file system as provisioning needs it: how much fits, and changes that are whole or not at all. Whatever is cut off, a path
 * holds what it held before or what it shall hold, never half of it.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Failed, failure } from "./result.ts";
import { inBytes } from "./sizes.ts";

/** A disk that is filled to its last byte stops others; this much is left to them. */
export const LEFT_TO_OTHERS = 16 * 1024 * 1024;

/** Bytes that may still be written below this folder; null: it cannot tell. */
export function freeBytes(folder: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}

/** Why so many bytes more do not fit into this folder, in numbers; null: they do, as far as anybody can tell. */
export function tooSmall(folder: string, needed: number, free = freeBytes(folder)): Failed | null {
  if (free === null || needed + LEFT_TO_OTHERS <= free) return null;
  return failure(
    `the disk is too small: ${inBytes(needed)} are needed in ${folder}, and ${inBytes(free)} are free there`,
    "free some space (df -h), or name a place on another disk",
    true,
  );
}

/** A write that the disk refused, in words; null: it was something else. */
export function refusedByDisk(error: unknown, path: string): Failed | null {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOSPC": {
      const free = freeBytes(dirname(path));
      const left = free === null ? "" : ` (${inBytes(free)} are free)`;
      return failure(
        `the disk that holds ${path} is full${left}`,
        "free some space (df -h; df -i), then run it again",
        true,
      );
    }
    case "EDQUOT":
      return failure(`the disk quota is used up at ${path}`, "free some space, or ask for a larger quota", true);
    case "EFBIG":
      return failure(`${path} would be larger than a file may be here`, "see ulimit -f, and the file system", true);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return failure(
        `${path} may not be written (${code})`,
        `see ls -ld ${dirname(path)}, and as whom svcd runs`,
        true,
      );
    case "EISDIR":
    case "ENOTDIR":
    case "EEXIST":
      return failure(
        `${path}: a folder is where a file belongs, or the other way round (${code})`,
        "correct `to:`",
        true,
      );
    default:
      return null;
  }
}

/** A new text for a file, durable when this returns. */
export function replaceFile(path: string, text: string | Uint8Array, { mode = 0o600, durable = true } = {}): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const next = `${path}.next`;
  try {
    writeFileSync(next, text, { mode, flush: durable });
    renameSync(next, path);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
  if (durable) flushFolder(dirname(path));
}

/** What was renamed into a folder stays there when the power goes. */
export function flushFolder(folder: string): void {
  try {
    const fd = openSync(folder, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Some file systems of networks cannot; the file itself has been flushed.
  }
}
