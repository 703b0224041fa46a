/**
 * How many bytes are in a folder, to see whether they become more: downloads say nothing for hours, but their files grow.
 *
 * Read without blocking and within bounds, because caches hold a hundred thousand files and a network disk may never answer:
 * then there is no answer here either, and nobody waits for it.
 */
import { lstat, opendir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** Beyond that what is counted says enough: new files are found where old ones are not many. */
const MOST_FILES = 20_000;
/** hub/models--X/blobs/HASH.incomplete is 3 deep; snapshots are links, which are not followed. */
const DEEPEST = 6;

/** A folder that is not there is empty. `path`: a folder, or a folder and a pattern of names with `*`. */
export async function bytesBelow(path: string): Promise<number> {
  const hasPattern = basename(path).includes("*");
  const names = hasPattern ? patternOf(basename(path)) : null;
  const left = { files: MOST_FILES };
  return await bytesIn(hasPattern ? dirname(path) : path, names, DEEPEST, left);
}

async function bytesIn(folder: string, names: RegExp | null, depth: number, left: { files: number }): Promise<number> {
  let bytes = 0;
  try {
    for await (const entry of await opendir(folder)) {
      if (left.files <= 0) break;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (depth > 0) bytes += await bytesIn(path, names, depth - 1, left);
      } else if (entry.isFile() && (names === null || names.test(entry.name))) {
        left.files--;
        // Sparse files are as long as they will be from the beginning: what is on the disk counts.
        bytes += await lstat(path).then(({ blocks }) => blocks * 512, nothing);
      }
    }
  } catch {
    // Not there yet, gone meanwhile, or not ours to read.
  }
  return bytes;
}

const nothing = (): number => 0;

function patternOf(written: string): RegExp {
  const parts = written.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}
