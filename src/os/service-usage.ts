/**
 * What services use now, each with everything that its run has started. Measured only when somebody asks, in one walk through
 * /proc for all services together, and shared: twenty who look at the same second cost one walk.
 *
 * A process belongs to the run whose cgroup it is in, where runs have one; else to the run whose leader it descends from, or
 * whose session it is in. So without cgroups a figure is at least that much: a daemon that forked twice and left its session
 * is not counted.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { UsageReport } from "../ports.ts";

/** Resident memory; what processes share is counted for each of them. */
type ServiceUsage = UsageReport["services"][number];

export interface Leader {
  readonly name: string;
  readonly run: number;
  readonly pid: number;
}

/** Nobody sees more often than this. */
const SHARED_FOR_MS = 900;
/** USER_HZ: what /proc counts time in. 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

export class ServiceUsages {
  readonly #nowMs: () => number;
  #last: { readonly report: UsageReport; readonly leaders: string } | null = null;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  of(leaders: readonly Leader[]): UsageReport {
    const atMs = this.#nowMs();
    const key = leaders.map(({ pid }) => pid).join(" ");
    if (this.#last !== null && this.#last.leaders === key && atMs - this.#last.report.atMs < SHARED_FOR_MS) {
      return this.#last.report;
    }
    const report = { atMs, services: leaders.length === 0 ? [] : measured(leaders) };
    this.#last = { report, leaders: key };
    return report;
  }
}

interface Process {
  readonly pid: number;
  readonly ppid: number;
  readonly session: number;
  readonly cpuMs: number;
  readonly pages: number;
}

function measured(leaders: readonly Leader[]): ServiceUsage[] {
  const sums = new Map(leaders.map(({ pid }) => [pid, { cpuMs: 0, pages: 0, processes: 0 }]));
  const processes = new Map(allProcesses().map((one) => [one.pid, one]));
  const cgroups = cgroupsOf(leaders);
  for (const one of processes.values()) {
    const leader = leaderOf(one, processes, sums, cgroups);
    const sum = leader === null ? undefined : sums.get(leader);
    if (sum === undefined) continue;
    sum.cpuMs += one.cpuMs;
    sum.pages += one.pages;
    sum.processes++;
  }
  const bytes = pageBytes();
  return leaders.flatMap(({ name, run, pid }) => {
    const { cpuMs, pages, processes: count } = sums.get(pid)!;
    return count === 0 ? [] : [{ name, run, cpuMs, memoryBytes: pages * bytes, processes: count }];
  });
}

/** A chain of parents is short; a longer one is a ring that changed while it was read. */
const LONGEST_CHAIN = 64;

function leaderOf(
  one: Process,
  all: ReadonlyMap<number, Process>,
  leaders: ReadonlyMap<number, unknown>,
  cgroups: ReadonlyMap<string, number>,
): number | null {
  if (leaders.has(one.session)) return one.session;
  let at: Process | undefined = one;
  for (let step = 0; at !== undefined && step < LONGEST_CHAIN; step++) {
    if (leaders.has(at.pid)) return at.pid;
    at = all.get(at.ppid);
  }
  // Only those that no family claims are asked for their cgroup: that is a file more for each.
  if (cgroups.size === 0 || one.ppid === 2 || one.pages === 0) return null;
  const cgroup = cgroupOf(one.pid);
  return cgroup === null ? null : (cgroups.get(cgroup) ?? null);
}

/** Runs that have a cgroup of their own: `…/svcd-1a2b3c4d/4711.2`. */
function cgroupsOf(leaders: readonly Leader[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { pid } of leaders) {
    const cgroup = cgroupOf(pid);
    if (cgroup !== null) found.set(cgroup, pid);
  }
  return found;
}

function cgroupOf(pid: number): string | null {
  return /^0::.*\/(svcd-[0-9a-f]{8}\/\d+\.\d+)/m.exec(textOf(`/proc/${pid}/cgroup`))?.[1] ?? null;
}

function allProcesses(): Process[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (entry.charCodeAt(0) > 57 || entry.charCodeAt(0) < 49) return [];
    const text = textOf(`/proc/${entry}/stat`);
    if (text === "") return [];
    // The program's name stands in parentheses and may itself hold spaces and parentheses.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return [];
    const number = (field: number): number => Number(fields[field - 3]);
    const cpuMs = (number(14) + number(15) + number(16) + number(17)) * MS_PER_TICK;
    return [{ pid: Number(entry), ppid: number(4), session: number(6), cpuMs, pages: number(24) }];
  });
}

/** 4 KiB nearly everywhere, 64 KiB on some arm64: what the kernel counts as VmRSS of us, in both units. */
function pageBytes(): number {
  const kilobytes = Number(/^VmRSS:\s*(\d+) kB$/m.exec(textOf("/proc/self/status"))?.[1] ?? 0);
  const text = textOf("/proc/self/stat");
  const pages = Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[24 - 3]);
  const ratio = pages > 0 ? (kilobytes * 1024) / pages : 4096;
  return [4096, 16384, 65536].reduce((best, size) => (Math.abs(size - ratio) < Math.abs(best - ratio) ? size : best));
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
