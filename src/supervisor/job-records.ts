/**
 * What became of runs and due times, as records for the history, and which of them people are told about.
 */
import type { JobDefinition, NotificationEvent } from "../plan/job.ts";
import type { Open } from "../ports.ts";
import { type Job, verdictOf } from "../schedule/job.ts";
import type { Missed } from "../schedule/overdue.ts";
import type { Cause, RunEnd } from "../schedule/run.ts";
import type { RunRecord, RunResult } from "../schedule/run-record.ts";
import type { WallTime } from "../schedule/schedule.ts";
import type { Exit } from "../service/exit.ts";
import type { Instant, RunNumber } from "../service/life.ts";

/** Both clocks, read together: durations are kept by one, people read the other. */
export interface Now {
  readonly wall: WallTime;
  readonly monotonic: Instant;
}

export function endRecord(job: string, end: RunEnd, retryAt: Instant | null, now: Now): RunRecord {
  return {
    ...causeOf(job, end.run, end.cause),
    startedAt: end.exit === null ? null : wallOf(end.startedAt, now),
    endedAt: wallOf(end.endedAt, now),
    result: end.result === "shutdown" ? "killed" : end.result,
    exit: exitOf(end.exit),
    why: end.why,
    retryAt: retryAt === null ? null : wallOf(retryAt, now),
  };
}

export function skippedRecord(job: string, cause: Cause, why: string, now: Now): RunRecord {
  return notRun(causeOf(job, null, cause), "skipped", why, now);
}

/** Due times that nobody looked for in time: one record for all of them. */
export function missedRecord(job: string, { count, isAtLeast, first, last, reason }: Missed, now: Now): RunRecord {
  const cause: Cause = { trigger: "schedule", scheduledFor: last, coalesced: count, attempt: 1 };
  const from = count === 1 ? "" : `, ${isAtLeast ? `${count} or more` : count} due times from ${iso(first)}`;
  return notRun(causeOf(job, null, cause), "missed", `${reason}${from}`, now);
}

/** It was begun or waited when the machine stopped, or svcd lost what it knew. */
export function lostRecord(job: string, { run, cause }: Open, now: Now): RunRecord {
  if (run === null) return notRun(causeOf(job, null, cause), "missed", "it waited when the machine stopped", now);
  return notRun(causeOf(job, run, cause), "unknown", "the machine stopped before its end was known", now);
}

/** For who wants to hear of starts: its end is not known. */
export function startRecord(job: string, run: RunNumber, cause: Cause, startedAt: Instant, now: Now): RunRecord {
  const at = wallOf(startedAt, now);
  return { ...notRun(causeOf(job, run, cause), "unknown", "it runs", now), startedAt: at, endedAt: at };
}

function notRun(cause: ReturnType<typeof causeOf>, result: RunResult, why: string, now: Now): RunRecord {
  return { ...cause, startedAt: null, endedAt: iso(now.wall), result, exit: null, why, retryAt: null };
}

function causeOf(job: string, run: RunNumber | null, { trigger, scheduledFor, coalesced, attempt }: Cause) {
  const nobodyMeasured = { cpuMs: null, peakMemoryBytes: null };
  return { job, run, trigger, scheduledFor: iso(scheduledFor), coalesced, attempt, ...nobodyMeasured };
}

function exitOf(exit: Exit | null): RunRecord["exit"] {
  if (exit === null || exit.kind === "unknown") return null;
  return exit.kind === "code" ? { code: exit.code } : { signal: exit.signal };
}

/**
 * What people are told of it. A failure that is tried again is none yet, and nobody recovers from one that was not told; an
 * attempt that is given up makes the failure before it the last word. A timeout is a failure to whoever has not asked for
 * timeouts. What a person ended by hand, or the next run by `overlap: replace`, is nobody's failure.
 */
export function eventsOf({ notify }: JobDefinition, record: RunRecord, before: Job["streak"]): NotificationEvent[] {
  switch (record.result) {
    case "success":
      return before?.result === "failure" && before.count >= record.attempt ? ["success", "recovery"] : ["success"];
    case "failure":
    case "unknown":
      return record.retryAt === null ? ["failure"] : [];
    case "timeout":
      if (record.retryAt !== null) return [];
      return notify.some(({ on }) => on.includes("timeout")) ? ["timeout"] : ["failure"];
    case "skipped":
      return [record.trigger === "retry" ? "failure" : "skipped"];
    case "missed":
      return ["missed"];
    case "killed":
    case "replaced":
      return [];
  }
}

/** How it went of late, read from the history: records come newest first. */
export function streakOf(records: readonly RunRecord[]): Job["streak"] {
  const verdicts = records.flatMap(({ result }) => {
    if (result === "skipped" || result === "missed") return [];
    const verdict = verdictOf(result);
    return verdict === null ? [] : [verdict];
  });
  const [result] = verdicts;
  if (result === undefined) return null;
  const other = verdicts.findIndex((verdict) => verdict !== result);
  return { result, count: other === -1 ? verdicts.length : other };
}

function wallOf(instant: Instant, now: Now): string {
  return iso(now.wall - (now.monotonic - instant));
}

export function iso(at: WallTime): string {
  return new Date(at).toISOString();
}
