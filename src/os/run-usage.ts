/**
 * What runs of jobs use, processor time and memory, all their processes together. Where each run is in a cgroup the keeper tells
 * the processor time exactly, at the end. Everything else is sampled while the run lives: what came and went between two samples is
 * missed, so a figure is at least that much, and of a run that ended before the first sample nothing is known.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { RunUsage, RunUsages } from "../ports.ts";
import { jobRunOf, processNameOf } from "../schedule/run-name.ts";
import type { RunNumber } from "../service/life.ts";

/** Short runs are looked at soon, long ones seldom. */
const FIRST_SAMPLE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** At a time, 50 µs each; the others come a moment later. */
const SAMPLES_AT_ONCE = 100;
/** Of one run: a build with more of them is counted in part. */
const MOST_PROCESSES = 200;
/** They are asked for at the end, or a moment later when what a run left behind is gone. */
const MOST_ENDED = 1_000;
/** USER_HZ: what /proc counts time in. 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

interface Sampled {
  readonly pid: number;
  readonly startTicks: number;
  nextAt: number;
  pauseMs: number;
  cpuMs: number | null;
  peakMemoryBytes: number | null;
}

export interface BegunRun {
  /** `JOB!RUN` */
  readonly service: string;
  readonly pid: number;
  readonly startTicks: number;
}

export class LinuxRunUsages implements RunUsages {
  readonly #live = new Map<string, Sampled>();
  readonly #ended = new Map<string, RunUsage>();
  #sampling: NodeJS.Timeout | null = null;

  /** Of services nothing is kept. */
  began({ service, pid, startTicks }: BegunRun): void {
    if (jobRunOf(service) === null) return;
    const nextAt = performance.now() + FIRST_SAMPLE_MS;
    const nothing = { cpuMs: null, peakMemoryBytes: null };
    this.#live.set(service, { pid, startTicks, nextAt, pauseMs: FIRST_SAMPLE_MS, ...nothing });
    this.#wake(FIRST_SAMPLE_MS);
  }

  /** `cpuMs`: as the keeper counted it. Also when what was left of it is gone. */
  ended(service: string, cpuMs: number | null): void {
    if (jobRunOf(service) === null) return;
    const sampled = this.#live.get(service) ?? this.#ended.get(service);
    this.#live.delete(service);
    const peakMemoryBytes = sampled?.peakMemoryBytes ?? null;
    this.#ended.set(service, { cpuMs: cpuMs ?? sampled?.cpuMs ?? null, peakMemoryBytes });
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > MOST_ENDED && oldest !== undefined) this.#ended.delete(oldest);
  }

  of(job: string, run: RunNumber): RunUsage {
    const name = processNameOf(job, run);
    const { cpuMs, peakMemoryBytes } = this.#ended.get(name) ?? this.#live.get(name) ?? NOTHING_KNOWN;
    return { cpuMs, peakMemoryBytes };
  }

  #wake(afterMs: number): void {
    this.#sampling ??= setTimeout(() => this.#sampleSome(), afterMs).unref();
  }

  #sampleSome(): void {
    this.#sampling = null;
    const now = performance.now();
    let left = SAMPLES_AT_ONCE;
    for (const run of this.#live.values()) {
      if (run.nextAt > now || left === 0) continue;
      left--;
      take(run);
      run.pauseMs = Math.min(run.pauseMs * 2, LONGEST_PAUSE_MS);
      run.nextAt = now + run.pauseMs;
    }
    if (this.#live.size === 0) return;
    const next = Math.min(...[...this.#live.values()].map(({ nextAt }) => nextAt));
    this.#wake(Math.max(next - performance.now(), FIRST_SAMPLE_MS / 5));
  }
}

const NOTHING_KNOWN: RunUsage = { cpuMs: null, peakMemoryBytes: null };

function take(run: Sampled): void {
  const found = usageOf(run.pid, run.startTicks);
  if (found === null) return;
  run.cpuMs = Math.max(run.cpuMs ?? 0, found.cpuMs);
  run.peakMemoryBytes = Math.max(run.peakMemoryBytes ?? 0, found.memoryBytes);
}

/**
 * Of the process and all that descend from it. Memory is what they hold together now, or what one of them held at its peak,
 * whichever is more. null: there is no such process any more.
 */
export function usageOf(
  pid: number,
  startTicks: number,
): { readonly cpuMs: number; readonly memoryBytes: number } | null {
  let ticks = 0;
  let residentKb = 0;
  let peakKb = 0;
  const pids = [pid];
  for (let index = 0; index < pids.length && index < MOST_PROCESSES; index++) {
    const stat = statOf(pids[index] as number);
    if (index === 0 && stat?.startTicks !== startTicks) return null;
    if (stat === null) continue;
    ticks += stat.ticks;
    const status = textOf(`/proc/${pids[index]}/status`);
    residentKb += kilobytes(status, "VmRSS");
    peakKb = Math.max(peakKb, kilobytes(status, "VmHWM"));
    pids.push(...childrenOf(pids[index] as number));
  }
  return { cpuMs: ticks * MS_PER_TICK, memoryBytes: Math.max(residentKb, peakKb) * 1024 };
}

/** Fields 14 to 17 are its own time and that of the children it has waited for (proc(5)). */
function statOf(pid: number): { readonly startTicks: number; readonly ticks: number } | null {
  const text = textOf(`/proc/${pid}/stat`);
  if (text === "") return null;
  // The program's name stands in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const number = (field: number): number => Number(fields[field - 3]);
  return { startTicks: number(22), ticks: number(14) + number(15) + number(16) + number(17) };
}

function kilobytes(status: string, name: "VmRSS" | "VmHWM"): number {
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
}

/** Each thread has its own. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      textOf(`/proc/${pid}/task/${thread}/children`)
        .split(" ")
        .filter((word) => word !== "")
        .map(Number),
    );
  } catch {
    return []; // It has just ended.
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
