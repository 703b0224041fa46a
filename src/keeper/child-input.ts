/**
 * What a run is given on its standard input: a file that has no name any more when the run starts. It has no size that would
 * block anybody, as a pipe has, needs nobody to write it while the run reads, and is gone with the last process that has it open.
 */
import { constants, fchownSync, openSync, rmSync, writeFileSync } from "node:fs";
import { closeQuietly } from "./log-pipe.ts";

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/** `uid`: who must be able to open it again (`/dev/stdin`); null: the keeper's own user. */
export function openInput(directory: string, text: string, uid: number | null): number {
  const path = `${directory}/stdin`; // Nobody else uses the name: a keeper that died in here left it, at worst.
  rmSync(path, { force: true });
  const writing = openSync(path, NEW, 0o600);
  try {
    writeFileSync(writing, text);
    if (uid !== null) fchownSync(writing, uid, -1);
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } finally {
    closeQuietly(writing);
    rmSync(path, { force: true });
  }
}
