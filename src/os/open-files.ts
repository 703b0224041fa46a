/** How many files this process may have open, and has. */
import { readdirSync, readFileSync } from "node:fs";

export interface OpenFiles {
  /** The limit (ulimit -n). */
  readonly most: number;
  readonly now: number;
}

export function openFiles(): OpenFiles {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
  const now = readdirSync("/proc/self/fd").length - 1; // Without the one that the folder is read with.
  return { most: soft === undefined ? Number.POSITIVE_INFINITY : Number(soft), now };
}
