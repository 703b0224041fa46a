/**
 * What svcd itself may do, so that a service which asks for more is refused with the reason instead of failing in the
 * middle of its start. Root in a container often lacks what root elsewhere has, so capabilities are asked, not the uid.
 */
import { readFileSync } from "node:fs";
import { getPriority } from "node:os";
import type { Rlimit } from "../plan/plan.ts";

export interface OwnRights {
  readonly uid: number;
  readonly gid: number;
  /** May become another user, and take on any group. */
  readonly changesUser: boolean;
  readonly changesGroup: boolean;
  /** May go above hard limits and lower its oom_score_adj (CAP_SYS_RESOURCE). */
  readonly raisesLimits: boolean;
  /** May set any nice value (CAP_SYS_NICE). */
  readonly raisesPriority: boolean;
  /** Hard limits; null: unlimited. */
  readonly hardLimits: Readonly<Record<Rlimit, number | null>>;
  /** RLIMIT_LOCKS limits nothing since Linux 2.4.25, and can hold the tag of a run where nobody has lowered it. */
  readonly setsFileLocks: boolean;
  /** The lowest nice value that the resource limit allows anybody. */
  readonly lowestNice: number;
  readonly nice: number;
  readonly oomScoreAdj: number;
  /** No process can have more open files than this, whoever asks (fs.nr_open). */
  readonly mostOpenFiles: number;
}

/** Bits of CapEff, see capabilities(7). */
const CAP_SETGID = 6n;
const CAP_SETUID = 7n;
const CAP_SYS_NICE = 23n;
const CAP_SYS_RESOURCE = 24n;

/** As the rows of /proc/self/limits are called. */
const ROWS: Readonly<Record<Rlimit, string>> = {
  nofile: "Max open files",
  nproc: "Max processes",
  core: "Max core file size",
  memory: "Max address space",
  cpu: "Max cpu time",
  stack: "Max stack size",
  fsize: "Max file size",
  memlock: "Max locked memory",
};

export function ownRights(): OwnRights {
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(textOf("/proc/self/status"))?.[1] ?? "0"}`);
  const may = (bit: bigint): boolean => ((capabilities >> bit) & 1n) === 1n;
  const limits = textOf("/proc/self/limits");
  const hardLimits = {} as Record<Rlimit, number | null>;
  for (const [limit, row] of Object.entries(ROWS)) hardLimits[limit as Rlimit] = hardLimit(limits, row);
  return {
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    changesUser: may(CAP_SETUID),
    changesGroup: may(CAP_SETGID),
    raisesLimits: may(CAP_SYS_RESOURCE),
    raisesPriority: may(CAP_SYS_NICE),
    hardLimits,
    setsFileLocks: hardLimit(limits, "Max file locks") === null,
    lowestNice: 20 - (hardLimit(limits, "Max nice priority") ?? 40), // RLIMIT_NICE counts the other way, see getrlimit(2).
    nice: getPriority(),
    oomScoreAdj: Number(textOf("/proc/self/oom_score_adj")),
    mostOpenFiles: Number(textOf("/proc/sys/fs/nr_open")) || 1_048_576,
  };
}

function hardLimit(limits: string, row: string): number | null {
  const hard = new RegExp(`^${row}\\s+\\S+\\s+(\\S+)`, "m").exec(limits)?.[1];
  return hard === undefined || hard === "unlimited" ? null : Number(hard);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
