/**
 * One keeper for one root: a kernel lock on a file, which is gone with its holder however that ends. Nothing stale can
 * block a start.
 *
 * Node cannot flock(2), but util-linux's flock(1) can lock a descriptor that it inherits, and the lock belongs to the open
 * file, which is ours.
 */
import { spawnSync } from "node:child_process";
import { constants, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";

export type Locked =
  | { readonly kind: "locked" }
  | { readonly kind: "held"; readonly holder: string }
  | { readonly kind: "no flock" }
  /** It could not tell. */
  | { readonly kind: "failed"; readonly why: string };

/** What flock(1) says when somebody else has the lock; every other number is a failure of its own. */
const HELD = 1;

/** The descriptor stays open as long as this process lives. */
export function lock(path: string): Locked {
  const fd = openLockFile(path);
  if (fd === null) return { kind: "failed", why: "the disk is full or read-only, and no lock file is there yet" };
  const { status, signal, stderr, error } = spawnSync("flock", ["--nonblock", "3"], {
    stdio: ["ignore", "ignore", "pipe", fd],
    encoding: "utf8",
  });
  if (error !== undefined) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return isMissing ? { kind: "no flock" } : { kind: "failed", why: error.message };
  }
  if (status === HELD) return { kind: "held", holder: readFileSync(path, "utf8").trim() || "unknown" };
  if (status !== 0) return { kind: "failed", why: stderr.trim() || `it ended with ${signal ?? status}` };
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`);
  } catch {
    // A full or read-only disk: the lock holds, only whoever comes second does not learn who was first.
  }
  return { kind: "locked" };
}

/** On a disk that takes nothing an earlier svcd has left the file, or there is none to lock: null. */
function openLockFile(path: string): number | null {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (error) {
    if (!takesNothing(error)) throw error;
  }
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return null;
  }
}

/** A full disk, a full quota, a read-only place: nobody's mistake, and it may pass. */
export function takesNothing(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "");
}
