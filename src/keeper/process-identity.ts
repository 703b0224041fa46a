/**
 * Who a process is. A pid is used again; pid, start time and boot id together are not. All reads are of /proc, see proc(5).
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { constants } from "node:os";
import type { KeptExit } from "./messages.ts";

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
  /** Field 20. */
  readonly threads: number;
  /** Field 52: of a zombie, how it ended, as wait(2) tells it; 0 also where we may not know. */
  readonly waitStatus: number;
}

/** For a process that could not be looked at when it was started: no process has this start time. */
export const UNKNOWN_START = 0;

/** null: there is no such process, or it cannot be looked at now. */
export function readStat(pid: number): ProcessStat | null {
  const stat = look(pid);
  return typeof stat === "string" ? null : stat;
}

function look(pid: number): ProcessStat | "gone" | "unknown" {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch (error) {
    // Anything else (no descriptor free, in us or on the machine) says nothing about the process.
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ESRCH" ? "gone" : "unknown";
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
    threads: number(20),
    waitStatus: number(52),
  };
}

/**
 * Certainly alive, and the one we mean: a zombie is dead, a successor with the same pid is a stranger. Asked before a signal:
 * in doubt none is sent.
 */
export function isAlive(pid: number, startTicks: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.startTicks === startTicks && !isOver(stat);
}

/** Certainly not there any more. Asked before another is started in its place: in doubt none is. */
export function isGone(pid: number, startTicks: number): boolean {
  const stat = look(pid);
  if (typeof stat === "string") return stat === "gone";
  return stat.startTicks !== startTicks || isOver(stat);
}

/** How a process ended that nobody has reaped yet; unknown once somebody has, or where the kernel does not tell us. */
export function endOf(pid: number, startTicks: number): KeptExit {
  const stat = readStat(pid);
  if (stat === null || stat.startTicks !== startTicks || !isOver(stat) || !mayKnowOf(pid)) return { kind: "unknown" };
  const signal = stat.waitStatus & 0x7f;
  if (signal === 0) return { kind: "code", code: stat.waitStatus >> 8 };
  const [name] = Object.entries(constants.signals).find(([, number]) => number === signal) ?? [];
  return name === undefined ? { kind: "unknown" } : { kind: "signal", signal: name as NodeJS.Signals };
}

/** A process whose first thread has ended looks like a zombie, and lives as long as any other thread does. */
export function isOver({ state, threads }: ProcessStat): boolean {
  return state === "X" || (state === "Z" && threads <= 1);
}

/** To others the kernel shows 0, which looks like a good end. */
function mayKnowOf(pid: number): boolean {
  const uid = process.geteuid?.();
  return uid === 0 || statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === uid;
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
