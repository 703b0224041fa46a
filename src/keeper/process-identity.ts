/**
 * Who a process is. A pid is used again; pid, start time and boot id together are not. All reads are of /proc, see proc(5).
 */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessStat {
  readonly pid: number;
  /** Of the program, at most 15 bytes. */
  readonly name: string;
  /** R S D T Z X … */
  readonly state: string;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** Field 22: clock ticks after boot. */
  readonly startTicks: number;
}

/** null: there is no such process. */
export function readStat(pid: number): ProcessStat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  // The program's name stands in parentheses and may itself hold spaces and parentheses.
  const end = text.lastIndexOf(")");
  const fields = text.slice(end + 2).split(" ");
  const number = (field: number): number => Number(fields[field - 3]);
  return {
    pid,
    name: text.slice(text.indexOf("(") + 1, end),
    state: fields[0] ?? "?",
    ppid: number(4),
    pgrp: number(5),
    session: number(6),
    startTicks: number(22),
  };
}

/** Alive, and the one we mean: a zombie is dead, a successor with the same pid is a stranger. */
export function isAlive(pid: number, startTicks: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.startTicks === startTicks && stat.state !== "Z" && stat.state !== "X";
}

export function allPids(): number[] {
  return readdirSync("/proc")
    .filter((name) => name >= "1" && name < ":")
    .map(Number);
}

/** One line for each boot of the kernel, see random(4). */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

/** Milliseconds of CLOCK_MONOTONIC: comparable between processes, not between boots. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
