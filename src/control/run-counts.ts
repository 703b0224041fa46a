/**
 * Counts what becomes of runs and due times, for /metrics. The counts begin with this core: whoever reads counters knows that
 * they may begin anew.
 */
import type { Daemon, RunRecord, RunResult } from "./daemon.ts";

/** From the clock's own slowness to what counts as late at all. */
export const LATENESS_BOUNDS_S: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export interface CountsOfJob {
  /** Runs that are over, by result. */
  readonly runs: Map<RunResult, number>;
  /** Due times that were not started. */
  skipped: number;
  missed: number;
}

export interface RunCounts {
  ofJob(name: string): Readonly<CountsOfJob> | null;
  /** When it last ended well, milliseconds since 1970, as far as this core has seen. */
  lastSuccess(name: string): number | null;
  noteSuccess(name: string, at: number): void;
  /** Jobs that are gone are counted no longer. */
  keepOnly(names: ReadonlySet<string>): void;
  /** From its due time to the start of a run: how many within each bound, how many at all, and their sum. */
  readonly lateness: { readonly within: readonly number[]; readonly count: number; readonly sumS: number };
  stop(): void;
}

export function countRuns(daemon: Pick<Daemon, "subscribe">): RunCounts {
  const counts = new Counts();
  const stop = daemon.subscribe(({ event }) => {
    if (event.type === "run" && event.record !== null) counts.add(event.record);
  });
  return Object.assign(counts, { stop });
}

class Counts {
  readonly lateness = { within: LATENESS_BOUNDS_S.map(() => 0), count: 0, sumS: 0 };
  readonly #jobs = new Map<string, CountsOfJob>();
  readonly #successes = new Map<string, number>();

  add(record: RunRecord): void {
    const { job, run, result, coalesced } = record;
    const counts = this.#jobs.get(job) ?? { runs: new Map(), skipped: 0, missed: 0 };
    this.#jobs.set(job, counts);
    if (run !== null) counts.runs.set(result, (counts.runs.get(result) ?? 0) + 1);
    else if (result === "missed") counts.missed += coalesced;
    else counts.skipped += coalesced;
    if (result === "success") this.noteSuccess(job, Date.parse(record.endedAt));
    this.#addLateness(record);
  }

  #addLateness({ trigger, attempt, startedAt, scheduledFor }: RunRecord): void {
    if (trigger !== "schedule" || attempt !== 1 || startedAt === null) return;
    const lateS = Math.max(0, (Date.parse(startedAt) - Date.parse(scheduledFor)) / 1000);
    this.lateness.count++;
    this.lateness.sumS += lateS;
    LATENESS_BOUNDS_S.forEach((bound, at) => {
      if (lateS <= bound) this.lateness.within[at]!++;
    });
  }

  ofJob(name: string): Readonly<CountsOfJob> | null {
    return this.#jobs.get(name) ?? null;
  }

  lastSuccess(name: string): number | null {
    return this.#successes.get(name) ?? null;
  }

  noteSuccess(name: string, at: number): void {
    this.#successes.set(name, at);
  }

  keepOnly(names: ReadonlySet<string>): void {
    for (const known of [this.#jobs, this.#successes]) {
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    }
  }
}
