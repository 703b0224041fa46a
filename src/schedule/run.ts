/**
 * The life of one run of a job: it waits for what must be so before it may start, runs, and is over when nothing of it is
 * left. What it is *for* (which due time, who asked) goes with it and never changes.
 *
 *   waiting ──cleared──▶ starting ──spawned──▶ running ──exited──▶ over
 *      │ start_deadline, skip                    │ timeout, stop      ▲
 *      ▼                                         ▼                    │
 *   skipped                                   stopping ──▶ clearing ──┘
 *
 * The words of processes are those of a service's life; here there is nothing to keep up, only something to bring to its end.
 */
import type { Lease } from "../gpu/lease.ts";
import { describeExit, type Exit, isSuccess } from "../service/exit.ts";
import type { Instant, RunNumber } from "../service/life.ts";
import type { Signal } from "../service/policy.ts";
import type { WallTime } from "./schedule.ts";

export type Trigger = "schedule" | "catch-up" | "boot" | "manual" | "retry";

/** What a run is for. */
export interface Cause {
  readonly trigger: Trigger;
  /** The due time; of a manual run, when it was asked for; of a retry, that of the first attempt. */
  readonly scheduledFor: WallTime;
  /** How many due times this one start is for; nobody counts further than about a thousand. */
  readonly coalesced: number;
  /** 1 for the first. */
  readonly attempt: number;
}

export interface RunPolicy {
  readonly successExitCodes: readonly number[];
  /** null: it may run as long as it likes. */
  readonly timeoutMs: number | null;
  readonly stopSignal: Signal;
  readonly stopGraceMs: number;
  readonly stopTo: "group" | "main";
}

export interface Run {
  readonly run: RunNumber;
  readonly cause: Cause;
  readonly state: RunState;
  /** The GPUs that it was given; absent: none. */
  readonly gpus?: Lease;
}

export type RunState =
  /** `blockers` is empty only until somebody has looked what stands in the way. */
  | { readonly at: "waiting"; readonly startBy: Instant | null; readonly blockers: readonly string[] }
  | { readonly at: "starting"; readonly since: Instant }
  | { readonly at: "running"; readonly since: Instant }
  | {
      readonly at: "stopping";
      readonly since: Instant;
      readonly killAt: Instant;
      readonly killed: boolean;
      readonly why: StopReason;
      /** What KILL does not end, in words. */
      readonly survivors: readonly string[];
    }
  /** Its main process ended; what is left of the run is being ended. */
  | {
      readonly at: "clearing";
      readonly since: Instant;
      readonly killAgainAt: Instant;
      readonly exit: Exit;
      /** null: it ended by itself. */
      readonly why: StopReason | null;
      readonly survivors: readonly string[];
    };

type In<At extends RunState["at"]> = Extract<RunState, { at: At }>;

/** Why svcd ended it. */
export type StopReason = "timeout" | "replaced" | "killed" | "shutdown";

export type RunEvent =
  | { readonly type: "cleared"; readonly gpus?: Lease }
  | { readonly type: "blocked"; readonly blockers: readonly string[] }
  | { readonly type: "skip"; readonly reason: string }
  | { readonly type: "spawned"; readonly at: Instant }
  | { readonly type: "refused"; readonly cause: string; readonly permanent: boolean }
  | { readonly type: "exited"; readonly exit: Exit; readonly isClear: boolean }
  | { readonly type: "gone" }
  | { readonly type: "survived"; readonly survivors: readonly string[] }
  | { readonly type: "stop"; readonly why: StopReason }
  | { readonly type: "tick" };

export type RunEffect =
  | { readonly do: "spawn"; readonly run: RunNumber; readonly cause: Cause }
  | { readonly do: "signal"; readonly run: RunNumber; readonly signal: Signal; readonly to: "group" | "main" }
  /** KILL for everything that is left of the run. */
  | { readonly do: "end"; readonly run: RunNumber };

/** How a run was over. */
export interface RunEnd {
  readonly run: RunNumber;
  readonly cause: Cause;
  /** unknown: it ended while nobody was there who could ask how. */
  readonly result: "success" | "failure" | "unknown" | StopReason;
  /** "exit 3", "ran longer than its timeout", "user `www` does not exist". */
  readonly why: string;
  /** null: it never had a process. */
  readonly exit: Exit | null;
  readonly startedAt: Instant;
  readonly endedAt: Instant;
  /** Another attempt would end the same way. */
  readonly isPermanent: boolean;
}

export type RunOutcome =
  | { readonly kind: "goes on"; readonly run: Run; readonly effects: readonly RunEffect[] }
  | { readonly kind: "over"; readonly end: RunEnd; readonly effects: readonly RunEffect[] }
  /** It was never started. */
  | { readonly kind: "skipped"; readonly reason: string };

/** KILL is repeated this often while something survives it. */
const KILL_AGAIN_MS = 5_000;

export function stepRun(run: Run, event: RunEvent, now: Instant, policy: RunPolicy): RunOutcome {
  const { state } = run;
  switch (state.at) {
    case "waiting":
      return whenWaiting(run, state, event, now);
    case "starting":
    case "running":
      return whenUp(run, state, event, now, policy);
    case "stopping":
      return whenStopping(run, state, event, now, policy);
    case "clearing":
      return whenClearing(run, state, event, now, policy);
  }
}

/** When the run needs a `tick`; null: only an event can change it. */
export function runDeadline({ state }: Run, policy: RunPolicy): Instant | null {
  switch (state.at) {
    case "waiting":
      return state.startBy;
    case "starting":
      return null; // The keeper answers every start: spawned or refused.
    case "running":
      return policy.timeoutMs === null ? null : state.since + policy.timeoutMs;
    case "stopping":
      return state.killAt;
    case "clearing":
      return state.killAgainAt;
  }
}

function givenTo({ gpus }: { readonly gpus?: Lease }): Pick<Run, "gpus"> {
  return gpus === undefined ? {} : { gpus };
}

function whenWaiting(run: Run, state: In<"waiting">, event: RunEvent, now: Instant): RunOutcome {
  switch (event.type) {
    case "cleared":
      return goesOn({ ...run, ...givenTo(event), state: { at: "starting", since: now } }, [
        { do: "spawn", run: run.run, cause: run.cause },
      ]);
    case "blocked":
      return goesOn({ ...run, state: { ...state, blockers: event.blockers } });
    case "skip":
      return { kind: "skipped", reason: event.reason };
    case "stop":
      return { kind: "skipped", reason: `${event.why} before it started` };
    case "tick": {
      if (state.startBy === null || now < state.startBy) return goesOn(run);
      const why = state.blockers.length === 0 ? "" : `: it waited for ${state.blockers.join(", ")}`;
      return { kind: "skipped", reason: `not started within start_deadline${why}` };
    }
    case "spawned":
    case "refused":
    case "exited":
    case "gone":
    case "survived":
      return goesOn(run);
  }
}

function whenUp(
  run: Run,
  state: In<"starting"> | In<"running">,
  event: RunEvent,
  now: Instant,
  policy: RunPolicy,
): RunOutcome {
  switch (event.type) {
    case "spawned":
      return goesOn({ ...run, state: { at: "running", since: event.at } });
    case "refused":
      return over(run, state.since, now, null, "failure", event.cause, event.permanent);
    case "exited":
      return exited(run, state.since, event, null, now, policy);
    case "stop":
      return terminate(run, state.since, event.why, now, policy);
    case "tick":
      if (state.at === "starting" || policy.timeoutMs === null || now < state.since + policy.timeoutMs)
        return goesOn(run);
      return terminate(run, state.since, "timeout", now, policy);
    case "cleared":
    case "blocked":
    case "skip":
    case "gone":
    case "survived":
      return goesOn(run);
  }
}

function terminate(run: Run, since: Instant, why: StopReason, now: Instant, policy: RunPolicy): RunOutcome {
  const killAt = now + policy.stopGraceMs;
  const to = policy.stopTo;
  return goesOn({ ...run, state: { at: "stopping", since, killAt, killed: false, why, survivors: [] } }, [
    { do: "signal", run: run.run, signal: policy.stopSignal, to },
    // A stopped process (SIGSTOP, a debugger) would never see the signal.
    { do: "signal", run: run.run, signal: "SIGCONT", to },
  ]);
}

function whenStopping(run: Run, state: In<"stopping">, event: RunEvent, now: Instant, policy: RunPolicy): RunOutcome {
  switch (event.type) {
    case "exited":
      return exited(run, state.since, event, state.why, now, policy);
    case "refused":
      return over(run, state.since, now, null, state.why, event.cause, true);
    case "survived":
      return goesOn({ ...run, state: { ...state, survivors: event.survivors } });
    case "tick":
      if (now < state.killAt) return goesOn(run);
      return goesOn({ ...run, state: { ...state, killAt: now + KILL_AGAIN_MS, killed: true } }, [
        { do: "end", run: run.run },
      ]);
    case "stop": // It is ending; the first reason stays.
    case "spawned":
    case "cleared":
    case "blocked":
    case "skip":
    case "gone":
      return goesOn(run);
  }
}

function exited(
  run: Run,
  since: Instant,
  { exit, isClear }: { readonly exit: Exit; readonly isClear: boolean },
  why: StopReason | null,
  now: Instant,
  policy: RunPolicy,
): RunOutcome {
  const end: RunEffect = { do: "end", run: run.run };
  if (isClear) return cleared(run, since, exit, why, now, policy, [end]);
  const state: RunState = { at: "clearing", since, killAgainAt: now + KILL_AGAIN_MS, exit, why, survivors: [] };
  return goesOn({ ...run, state }, [end]);
}

function whenClearing(run: Run, state: In<"clearing">, event: RunEvent, now: Instant, policy: RunPolicy): RunOutcome {
  switch (event.type) {
    case "gone":
      return cleared(run, state.since, state.exit, state.why, now, policy, []);
    case "exited": // Said again to a core that took over.
      return event.isClear ? cleared(run, state.since, state.exit, state.why, now, policy, []) : goesOn(run);
    case "survived":
      return goesOn({ ...run, state: { ...state, survivors: event.survivors } });
    case "tick":
      if (now < state.killAgainAt) return goesOn(run);
      return goesOn({ ...run, state: { ...state, killAgainAt: now + KILL_AGAIN_MS } }, [{ do: "end", run: run.run }]);
    case "cleared":
    case "blocked":
    case "skip":
    case "spawned":
    case "refused":
    case "stop":
      return goesOn(run);
  }
}

/** Nothing of the run is left. */
function cleared(
  run: Run,
  since: Instant,
  exit: Exit,
  why: StopReason | null,
  now: Instant,
  policy: RunPolicy,
  effects: readonly RunEffect[],
): RunOutcome {
  const result =
    why ?? (exit.kind === "unknown" ? "unknown" : isSuccess(exit, policy.successExitCodes) ? "success" : "failure");
  const words = why === null ? describeExit(exit) : `${STOPPED[why]} (${describeExit(exit)})`;
  return over(run, since, now, exit, result, words, false, effects);
}

const STOPPED: Readonly<Record<StopReason, string>> = {
  timeout: "ran longer than its timeout",
  replaced: "replaced by the next run",
  killed: "ended by hand",
  shutdown: "svcd is shutting down",
};

function over(
  { run, cause }: Run,
  startedAt: Instant,
  endedAt: Instant,
  exit: Exit | null,
  result: RunEnd["result"],
  why: string,
  isPermanent: boolean,
  effects: readonly RunEffect[] = [],
): RunOutcome {
  return { kind: "over", end: { run, cause, result, why, exit, startedAt, endedAt, isPermanent }, effects };
}

function goesOn(run: Run, effects: readonly RunEffect[] = []): RunOutcome {
  return { kind: "goes on", run, effects };
}
