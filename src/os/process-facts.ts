/**
 * What one process has used so far, from /proc (proc(5)): processor time and resident memory.
 */
import { readFileSync } from "node:fs";

export interface ProcessFacts {
  /** User and system time of the process itself, without its children. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** USER_HZ: what /proc counts time in. 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** null: there is no such process (any more), or it is a zombie: what it used is given back. */
export function processFacts(pid: number): ProcessFacts | null {
  let stat: string;
  let status: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    status = readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return null;
  }
  // The program's name stands in parentheses and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  if (state === "Z" || state === "X") return null;
  const ticks = (field: number): number => Number(fields[field - 3]);
  // VmRSS is in kB whatever the size of a page; the field in `stat` is in pages, and pages are 64 kB on some arm64.
  const rssKilobytes = Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0);
  return {
    cpuSeconds: (ticks(14) + ticks(15)) / TICKS_PER_SECOND,
    rssBytes: rssKilobytes * 1024,
  };
}

/** Why a process that lives does nothing; null: it could. */
export function heldUp(pid: number): { readonly how: string; readonly letsItGoOn: "SIGCONT" | null } | null {
  const state = stateOf(pid);
  if (state === "T") return { how: "its process is stopped (state T), as by SIGSTOP", letsItGoOn: "SIGCONT" };
  if (state === "t") return { how: "its process is held by a debugger (state t)", letsItGoOn: null };
  return null;
}

function stateOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.charAt(stat.lastIndexOf(")") + 2);
  } catch {
    return null;
  }
}
