/**
 * Jobs and their runs in words: what is so and why. Every state has an answer.
 */
import { leaseInWords } from "../gpu/lease.ts";
import type { JobDefinition } from "../plan/job.ts";
import { formatDuration } from "../plan/units.ts";
import type { Job } from "../schedule/job.ts";
import type { Run, RunPolicy, StopReason } from "../schedule/run.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import type { Instant } from "../service/life.ts";
import type { JobStateWord } from "./job-answers.ts";
import { isIdle } from "./job-loop.ts";

export function jobStateWord(job: Job): JobStateWord {
  const { runs, paused } = job;
  const isAt = (...states: Run["state"]["at"][]): boolean => runs.some(({ state }) => states.includes(state.at));
  if (isAt("starting", "running")) return "RUNNING";
  if (isAt("stopping", "clearing")) return "STOPPING";
  if (!isIdle(job)) return "WAITING";
  return paused ? "PAUSED" : "IDLE";
}

/** What explains a job beside its own state. */
export interface JobCircumstances {
  readonly now: Instant;
  /** The last run that is over; null: none is. */
  readonly last: RunRecord | null;
  /** Runs that hold its lock or the places of its group, as `JOB/RUN`. */
  readonly holders: readonly string[];
  readonly isShuttingDown: boolean;
  readonly isRemoved: boolean;
  readonly hasNext: boolean;
}

/** What it is doing, or why it does nothing. */
export function whyJob({ service, policy, name }: JobDefinition, job: Job, around: JobCircumstances): string {
  const { runs, queued, catchUps, retries, paused } = job;
  const parts = runs.map((run) => `run ${run.run} ${whyRun(run, policy, around)}`).slice(0, MOST_NAMED);
  if (runs.length > MOST_NAMED) parts.push(`${runs.length - MOST_NAMED} more runs`);
  if (catchUps.length > 0) parts.push(`${catchUps.length} missed due times wait for their turn`);
  if (queued !== null) parts.push(`${times(queued.cause.coalesced)} waits until they are over`);
  for (const { at, cause } of retries.slice(0, 1)) {
    parts.push(`attempt ${cause.attempt} in ${inWords(Math.max(at - around.now, 0))}, because ${lastWhy(around)}`);
  }
  if (around.isRemoved) parts.push("removed from the files");
  if (parts.length > 0) return parts.join("; ");
  if (around.isShuttingDown) return `svcd is shutting down, ${lastWhy(around)}`;
  if (paused) return `paused: svctl resume ${name}`;
  if (!service.enabled) return `disabled, runs only when asked: ${lastWhy(around)}`;
  return around.hasNext ? lastWhy(around) : `it is never due: ${lastWhy(around)}`;
}

export function whyRun({ state, gpus }: Run, policy: RunPolicy, { now, holders }: JobCircumstances): string {
  switch (state.at) {
    case "waiting": {
      if (state.blockers.length === 0) return "is about to start";
      const held = holders.length === 0 ? "" : ` (held by ${holders.slice(0, MOST_NAMED).join(", ")})`;
      return `waits for ${state.blockers.join(" and ")}${held}`;
    }
    case "starting":
      return "is being started";
    case "running":
      return `runs for ${inWords(now - state.since)}${gpus === undefined ? "" : `, on ${leaseInWords(gpus)}`}`;
    case "stopping":
      if (state.survivors.length > 0) return `is left: KILL does not end ${state.survivors.join(", ")}`;
      if (state.killed) return `${STOPPING[state.why]}: KILL was sent to all of it and is repeated`;
      return `${STOPPING[state.why]}: ${policy.stopSignal} was sent`;
    case "clearing":
      if (state.survivors.length > 0) return `is left: KILL does not end ${state.survivors.join(", ")}`;
      return "ended; what its main process left behind is being ended";
  }
}

const STOPPING: Readonly<Record<StopReason, string>> = {
  timeout: "runs longer than its timeout",
  replaced: "makes room for the next",
  killed: "is ended by hand",
  shutdown: "ends because svcd does",
};

/** A page of numbers helps nobody. */
const MOST_NAMED = 3;

function lastWhy({ last }: JobCircumstances): string {
  return last === null ? "it never ran" : `run ${last.run}: ${last.why}`;
}

function times(count: number): string {
  return count === 1 ? "the next start" : `one start for ${count} due times`;
}

function inWords(ms: number): string {
  return formatDuration(ms >= 1000 ? Math.round(ms / 1000) * 1000 : Math.round(ms));
}
