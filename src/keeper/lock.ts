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
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
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
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return { kind: "locked" };
}
