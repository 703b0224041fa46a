/**
 * One job: what becomes of each of its due times. Every one is either started, as part of some run, or recorded as skipped
 * with the reason; none is lost.
 *
 *   due, run by hand ──▶ nothing of it runs ──────────────▶ a run (`run.ts`)
 *                    └▶ something does ── skip ──▶ skipped
 *                                      ── queue ──▶ waits, one place; more of them become one start
 *                                      ── replace ▶ waits until what runs has been ended
 *                                      ── allow ──▶ a run beside it
 *                                      ── it was missed: waits in a row, each a run of its own
 *
 * A failure is tried again `retries` times with growing delays. A retry that is still to come when the next due time is there
 * is given up for it, except with `queue`, where the due time waits behind it. A paused job starts by hand only.
 *
 * This module decides and never acts; states, events and effects are plain data, and every wait is a deadline in the state.
 */
import type { Instant, RunNumber } from "../service/life.ts";
import {
  type Cause,
  type Run,
  type RunEffect,
  type RunEnd,
  type RunEvent,
  type RunPolicy,
  runDeadline,
  type StopReason,
  stepRun,
} from "./run.ts";
import type { WallTime } from "./schedule.ts";

export const OVERLAPS = ["skip", "queue", "replace", "allow"] as const;
export type Overlap = (typeof OVERLAPS)[number];

export interface JobPolicy extends RunPolicy {
  readonly overlap: Overlap;
  /** So long after its due time a run may still be started; null: however late. */
  readonly startDeadlineMs: number | null;
  readonly retries: Retries;
}

export interface Retries {
  readonly most: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
  /** A part of the delay, 0 to 1. */
  readonly jitter: number;
}

export interface Job {
  readonly paused: boolean;
  /** 0: it never ran. A number is never used twice. */
  readonly lastRun: RunNumber;
  /** Those that are not over, oldest first. */
  readonly runs: readonly Run[];
  /** It starts when what runs is over. */
  readonly queued: Pending | null;
  /** Due times that were missed, each to be made up for by a run of its own, one after the other, oldest first. */
  readonly catchUps: readonly Pending[];
  readonly retries: readonly Retry[];
  /** The last result and how often in a row; null: there is none. */
  readonly streak: { readonly result: "success" | "failure"; readonly count: number } | null;
}

export interface Pending {
  readonly cause: Cause;
  readonly startBy: Instant | null;
}

export interface Retry {
  readonly cause: Cause;
  readonly at: Instant;
}

export type JobEvent =
  /** A due time is there, `lateMs` ago. */
  | { readonly type: "due"; readonly cause: Cause; readonly lateMs: number }
  /** `force`: beside what runs, whatever `overlap` says. */
  | { readonly type: "run"; readonly at: WallTime; readonly force: boolean }
  /** Ends the run, or all of them and what waits. */
  | { readonly type: "kill"; readonly run: RunNumber | null }
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  /** Nothing of it starts any more: the job is gone, or svcd ends. */
  | { readonly type: "give up"; readonly reason: string }
  | { readonly type: "shutdown" }
  /** A word about one run; from one that is over it changes nothing. */
  | { readonly type: "of run"; readonly run: RunNumber; readonly event: Exclude<RunEvent, { type: "tick" | "stop" }> }
  /** The start was asked for but never happened (the core died in between): not a failure, start it. */
  | { readonly type: "lost"; readonly run: RunNumber }
  | { readonly type: "tick" };

export type JobEffect =
  | RunEffect
  /** For the history. `retryAt`: another attempt follows. */
  | { readonly do: "record"; readonly end: RunEnd; readonly retryAt: Instant | null }
  | { readonly do: "record skipped"; readonly cause: Cause; readonly reason: string };

export type JobOutcome = readonly [next: Job, effects: readonly JobEffect[]];

/** A job that is stuck every minute reaches this in two hours, instead of taking the machine's processes. */
export const MOST_AT_ONCE = 100;

/** Shared by all that are at rest. */
const NONE: readonly never[] = [];

export function newJob(lastRun: RunNumber = 0): Job {
  return { paused: false, lastRun, runs: NONE, queued: null, catchUps: NONE, retries: NONE, streak: null };
}

/** `chance` is in [0, 1). */
export function stepJob(job: Job, event: JobEvent, now: Instant, policy: JobPolicy, chance: number): JobOutcome {
  const at = new Step(job, now, policy, chance);
  switch (event.type) {
    case "due":
      if (job.paused) at.skip(event.cause, "paused");
      else at.wants(event.cause, policy.startDeadlineMs === null ? null : now + policy.startDeadlineMs - event.lateMs);
      break;
    case "run": {
      const cause: Cause = { trigger: "manual", scheduledFor: event.at, coalesced: 1, attempt: 1 };
      const startBy = policy.startDeadlineMs === null ? null : now + policy.startDeadlineMs;
      if (event.force) at.admit(cause, startBy);
      else at.wants(cause, startBy);
      break;
    }
    case "kill":
      if (event.run === null) at.giveUpWaiting("ended by hand", () => true);
      at.stop("killed", event.run);
      break;
    case "pause":
      at.giveUpWaiting("paused", ({ trigger }) => trigger !== "manual");
      at.job = { ...at.job, paused: true };
      break;
    case "resume":
      at.job = { ...job, paused: false };
      break;
    case "give up":
      at.giveUp(event.reason);
      break;
    case "shutdown":
      at.giveUp("svcd is shutting down");
      at.stop("shutdown", null);
      break;
    case "of run":
      at.tellRun(event.run, event.event);
      break;
    case "lost":
      at.startAgain(event.run);
      break;
    case "tick":
      at.tick();
      break;
  }
  return [at.job, at.effects];
}

/** When the job needs a `tick`; null: only an event can change it. */
export function jobDeadline(job: Job, policy: JobPolicy): Instant | null {
  let first: Instant | null = job.queued?.startBy ?? null;
  const consider = (at: Instant | null) => {
    if (at !== null && (first === null || at < first)) first = at;
  };
  for (const run of job.runs) consider(runDeadline(run, policy));
  for (const { at } of job.retries) consider(at);
  for (const { startBy } of job.catchUps) consider(startBy);
  return first;
}

/** What a result says about the job; null: nothing. */
export function verdictOf(result: RunEnd["result"]): "success" | "failure" | null {
  switch (result) {
    case "success":
      return "success";
    case "failure":
    case "timeout":
      return "failure";
    case "unknown":
    case "replaced":
    case "killed":
    case "shutdown":
      return null;
  }
}

/** One step on its way: the job so far and the effects so far. */
class Step {
  job: Job;
  readonly effects: JobEffect[] = [];
  readonly #now: Instant;
  readonly #policy: JobPolicy;
  readonly #chance: number;

  constructor(job: Job, now: Instant, policy: JobPolicy, chance: number) {
    this.job = job;
    this.#now = now;
    this.#policy = policy;
    this.#chance = chance;
  }

  /** By the rule of `overlap`. */
  wants(cause: Cause, startBy: Instant | null): void {
    const { overlap } = this.#policy;
    if (overlap !== "queue") this.#giveUpRetries("the next start came before it");
    if (this.#isFree || overlap === "allow") return this.admit(cause, startBy);
    if (cause.trigger === "catch-up" && this.job.catchUps.length < MOST_AT_ONCE) {
      this.job = { ...this.job, catchUps: [...this.job.catchUps, { cause, startBy }] };
      return;
    }
    switch (overlap) {
      case "skip":
        return this.skip(cause, this.#whatIsNotOver());
      case "queue":
        return this.#queue(cause, startBy);
      case "replace": {
        const { queued } = this.job;
        if (queued !== null) this.skip(queued.cause, "replaced by the next run");
        this.job = { ...this.job, queued: { cause, startBy } };
        return this.stop("replaced", null);
      }
    }
  }

  #whatIsNotOver(): string {
    const [first] = this.job.runs;
    return first === undefined ? "what was missed is made up for first" : `run ${first.run} is not over`;
  }

  get #isFree(): boolean {
    const { runs, retries, catchUps } = this.job;
    return runs.length === 0 && retries.length === 0 && catchUps.length === 0;
  }

  /** There is one place: who comes later goes with the one who waits, in one start. */
  #queue(cause: Cause, startBy: Instant | null): void {
    const { queued } = this.job;
    const coalesced = cause.coalesced + (queued?.cause.coalesced ?? 0);
    const trigger = queued?.cause.trigger === "manual" ? "manual" : cause.trigger; // Somebody may be waiting for it.
    this.job = { ...this.job, queued: { cause: { ...cause, trigger, coalesced }, startBy } };
  }

  admit(cause: Cause, startBy: Instant | null): void {
    if (startBy !== null && startBy <= this.#now) return this.skip(cause, "not started within start_deadline");
    if (this.job.runs.length >= MOST_AT_ONCE) return this.skip(cause, `${MOST_AT_ONCE} runs are not over`);
    const run = this.job.lastRun + 1;
    const waiting: Run = { run, cause, state: { at: "waiting", startBy, blockers: [] } };
    this.job = { ...this.job, lastRun: run, runs: [...this.job.runs, waiting] };
  }

  skip(cause: Cause, reason: string): void {
    this.effects.push({ do: "record skipped", cause, reason });
  }

  stop(why: StopReason, which: RunNumber | null): void {
    for (const { run } of this.job.runs) if (which === null || which === run) this.tellRun(run, { type: "stop", why });
  }

  tellRun(number: RunNumber, event: RunEvent): void {
    const run = this.job.runs.find((candidate) => candidate.run === number);
    if (run === undefined) return; // A late word.
    const outcome = stepRun(run, event, this.#now, this.#policy);
    switch (outcome.kind) {
      case "goes on":
        this.effects.push(...outcome.effects);
        this.job = { ...this.job, runs: this.job.runs.map((other) => (other === run ? outcome.run : other)) };
        return;
      case "skipped":
        this.skip(run.cause, outcome.reason);
        return this.#leaves(run);
      case "over":
        this.effects.push(...outcome.effects);
        this.#record(outcome.end);
        return this.#leaves(run);
    }
  }

  startAgain(number: RunNumber): void {
    const run = this.job.runs.find((candidate) => candidate.run === number);
    if (run === undefined || run.state.at === "waiting") return;
    if (run.state.at === "stopping") {
      this.skip(run.cause, `${run.state.why} before it started`);
      return this.#leaves(run);
    }
    const next = this.job.lastRun + 1;
    const waiting: Run = { run: next, cause: run.cause, state: { at: "waiting", startBy: null, blockers: [] } };
    const runs = this.job.runs.map((other) => (other === run ? waiting : other));
    this.job = { ...this.job, lastRun: next, runs };
  }

  tick(): void {
    const { queued } = this.job;
    if (queued !== null && queued.startBy !== null && queued.startBy <= this.#now) {
      this.job = { ...this.job, queued: null };
      this.skip(queued.cause, "not started within start_deadline: it waited for the run before");
    }
    const tooLate = this.job.catchUps.filter(({ startBy }) => startBy !== null && startBy <= this.#now);
    if (tooLate.length > 0) {
      this.job = { ...this.job, catchUps: this.job.catchUps.filter((pending) => !tooLate.includes(pending)) };
      for (const { cause } of tooLate)
        this.skip(cause, "not started within start_deadline: it waited for the run before");
    }
    for (const { run } of this.job.runs) this.tellRun(run, { type: "tick" });
    const due = this.job.retries.filter(({ at }) => at <= this.#now);
    this.job = { ...this.job, retries: this.job.retries.filter(({ at }) => at > this.#now) };
    for (const { cause } of due) this.admit(cause, null);
    this.#takeFromQueue();
  }

  giveUpWaiting(reason: string, which: (cause: Cause) => boolean): void {
    this.#giveUpRetries(reason);
    const { queued, catchUps } = this.job;
    for (const { cause } of catchUps) this.skip(cause, reason);
    if (catchUps.length > 0) this.job = { ...this.job, catchUps: [] };
    if (queued === null || !which(queued.cause)) return;
    this.job = { ...this.job, queued: null };
    this.skip(queued.cause, reason);
  }

  giveUp(reason: string): void {
    this.giveUpWaiting(reason, () => true);
    for (const { run, state } of this.job.runs) {
      if (state.at === "waiting") this.tellRun(run, { type: "skip", reason });
    }
  }

  #giveUpRetries(reason: string): void {
    for (const { cause } of this.job.retries) this.skip(cause, reason);
    if (this.job.retries.length > 0) this.job = { ...this.job, retries: [] };
  }

  #record(end: RunEnd): void {
    const retryAt = this.#retryAt(end);
    this.effects.push({ do: "record", end, retryAt });
    if (retryAt !== null) {
      const cause: Cause = { ...end.cause, trigger: "retry", attempt: end.cause.attempt + 1 };
      this.job = { ...this.job, retries: [...this.job.retries, { cause, at: retryAt }] };
    }
    const result = verdictOf(end.result);
    if (result === null) return;
    const { streak } = this.job;
    this.job = { ...this.job, streak: { result, count: streak?.result === result ? streak.count + 1 : 1 } };
  }

  #retryAt({ result, isPermanent, cause, endedAt }: RunEnd): Instant | null {
    const { retries, overlap } = this.#policy;
    const isFailure = result === "failure" || result === "timeout";
    if (!isFailure || isPermanent || cause.attempt > retries.most || this.job.paused) return null;
    if (this.job.queued !== null && overlap !== "queue") return null; // The next due time is there already.
    const delay = Math.min(retries.firstMs * retries.factor ** (cause.attempt - 1), retries.longestMs);
    return endedAt + Math.min(delay * (1 + retries.jitter * (2 * this.#chance - 1)), retries.longestMs);
  }

  #leaves(run: Run): void {
    this.job = { ...this.job, runs: this.job.runs.filter((other) => other.run !== run.run) };
    this.#takeFromQueue();
  }

  #takeFromQueue(): void {
    const { queued, catchUps, runs, retries } = this.job;
    if (runs.length > 0 || retries.length > 0) return;
    const [oldest, ...others] = catchUps;
    if (oldest !== undefined) {
      this.job = { ...this.job, catchUps: others };
      return this.admit(oldest.cause, oldest.startBy);
    }
    if (queued === null) return;
    this.job = { ...this.job, queued: null };
    this.admit(queued.cause, queued.startBy);
  }
}
