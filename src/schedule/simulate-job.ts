/**
 * One job for tests: speaks the words of the product and moves the clock. Deadlines are lived through in order, so a day
 * takes a millisecond.
 */
import type { Exit } from "../service/exit.ts";
import type { Instant, RunNumber } from "../service/life.ts";
import { type Job, type JobEffect, type JobEvent, type JobPolicy, jobDeadline, newJob, stepJob } from "./job.ts";
import type { Trigger } from "./run.ts";

export const seconds = (n: number): number => n * 1000;
export const minutes = (n: number): number => n * 60_000;
export const hours = (n: number): number => n * 3_600_000;

/** Without jitter, so that times are exact. */
export function jobPolicyOf(changes: Partial<JobPolicy> = {}): JobPolicy {
  return {
    overlap: "skip",
    startDeadlineMs: null,
    retries: { most: 0, firstMs: seconds(10), factor: 2, longestMs: minutes(5), jitter: 0 },
    successExitCodes: [0],
    timeoutMs: null,
    stopSignal: "SIGTERM",
    stopGraceMs: seconds(10),
    stopTo: "group",
    ...changes,
  };
}

export class SimulatedJob {
  job: Job = newJob();
  now: Instant = 1_000_000;
  policy: JobPolicy;
  chance = 0.5;
  /** Why a run may not start; empty: it may. */
  blockedBy: string[] = [];
  /** Effects in order, in short: "spawn 1", "SIGTERM 1", "end 1", "1 success", "1 failure, again in 10 s", "skipped: …". */
  did: string[] = [];

  constructor(changes: Partial<JobPolicy> = {}) {
    this.policy = jobPolicyOf(changes);
  }

  /** A due time is there. */
  due({ lateMs = 0, trigger = "schedule" }: { lateMs?: number; trigger?: Trigger } = {}): void {
    this.send({ type: "due", lateMs, cause: { trigger, scheduledFor: this.now - lateMs, coalesced: 1, attempt: 1 } });
  }

  runByHand({ force = false } = {}): void {
    this.send({ type: "run", at: this.now, force });
  }

  pause(): void {
    this.send({ type: "pause" });
  }

  resume(): void {
    this.send({ type: "resume" });
  }

  kill(run: RunNumber | null = null): void {
    this.send({ type: "kill", run });
  }

  exits(code: number, { run = this.job.runs[0]?.run ?? 0, isClear = true } = {}): void {
    const exit: Exit = { kind: "code", code };
    this.send({ type: "of run", run, event: { type: "exited", exit, isClear } });
  }

  isGone(run = this.job.runs[0]!.run): void {
    this.send({ type: "of run", run, event: { type: "gone" } });
  }

  isRefused(cause: string, { permanent = false } = {}): void {
    this.send({ type: "of run", run: this.job.runs[0]!.run, event: { type: "refused", cause, permanent } });
  }

  isCleared(): void {
    this.blockedBy = [];
    this.#lookWhatStandsInTheWay();
  }

  /** Lives through the given time, deadline by deadline. */
  passes(ms: number): void {
    const end = this.now + ms;
    for (let guard = 0; guard < 10_000; guard++) {
      const due = jobDeadline(this.job, this.policy);
      if (due === null || due > end) break;
      this.now = Math.max(this.now, due);
      this.send({ type: "tick" });
    }
    this.now = end;
  }

  send(event: JobEvent): void {
    const [job, effects] = stepJob(this.job, event, this.now, this.policy, this.chance);
    this.job = job;
    for (const effect of effects) this.did.push(this.#short(effect));
    for (const effect of effects) {
      if (effect.do === "spawn")
        this.send({ type: "of run", run: effect.run, event: { type: "spawned", at: this.now } });
    }
    this.#lookWhatStandsInTheWay();
  }

  #lookWhatStandsInTheWay(): void {
    for (const { run, state } of this.job.runs) {
      if (state.at !== "waiting") continue;
      const isTold = state.blockers.join() === this.blockedBy.join() && this.blockedBy.length > 0;
      if (isTold) continue;
      const blockers = this.blockedBy;
      this.send({
        type: "of run",
        run,
        event: blockers.length === 0 ? { type: "cleared" } : { type: "blocked", blockers },
      });
      return; // The rest was looked at on the way.
    }
  }

  #short(effect: JobEffect): string {
    switch (effect.do) {
      case "spawn":
      case "end":
        return `${effect.do} ${effect.run}`;
      case "signal":
        return `${effect.signal} ${effect.run}`;
      case "record": {
        const again = effect.retryAt === null ? "" : `, again in ${(effect.retryAt - this.now) / 1000} s`;
        return `${effect.end.run} ${effect.end.result}${again}`;
      }
      case "record skipped":
        return `skipped: ${effect.reason}`;
    }
  }
}
