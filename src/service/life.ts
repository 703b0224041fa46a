/**
 * The life of one service: what is happening now, and what must happen next.
 *
 * This module decides and never acts. `step` takes a life, one event, the time, the policy and a piece of chance; it
 * returns the next life and the effects the supervisor must carry out. A wait is a deadline in the state, so there is
 * no timer to cancel; every event about a process names its run, so a late word from an old run changes nothing.
 *
 *   stopped ──start──▶ waiting ──cleared──▶ starting ──ready──▶ running
 *      ▲                ▲    ▲                 │ exit              │ exit, stop
 *      │                │    └──── backoff ◀───┴───────────────────┤
 *      └── stopping ◀───┼──────────────────────────────────────────┘
 *             └─────────┘        (exited: need not run again · fatal: gave up · skipped: not for this machine)
 *
 * A run is over when its main process has ended *and* nothing else of it is left. Where something is (a worker that left the
 * process group), the life passes through `clearing` first, so no next run ever starts beside what is left of the last.
 *
 * *Wanted* (up or down: what people, files and schedules ask) is a fact beside the state.
 */
import type { Lease } from "../gpu/lease.ts";
import { onceMore, type Progress, stallsAt, told, type Word } from "../phase/progress.ts";
import { type Step, stepInWords } from "../phase/rule.ts";
import { formatDuration } from "../plan/units.ts";
import { answered, beginHealth, type Health, type ProbeResult, whenDue } from "../probe/health.ts";
import { describeExit, type Exit, isSuccess } from "./exit.ts";
import type { Policy, Signal } from "./policy.ts";
import { afterEnd, type Instant, noStreak, type Streak } from "./streak.ts";

export type { Instant } from "./streak.ts";

/** The number of a run: 1 for the first of a service, never used twice. */
export type RunNumber = number;

export type State =
  | { readonly at: "stopped" }
  | { readonly at: "skipped"; readonly reason: string }
  /** Wants to start. `blockers` is empty only until the supervisor has looked what stands in the way. */
  | { readonly at: "waiting"; readonly blockers: readonly string[] }
  | {
      readonly at: "starting";
      readonly run: RunNumber;
      /** When its process was started; while it is not `spawned`, when that was asked for. */
      readonly since: Instant;
      /** Its process is known to be there. */
      readonly spawned: boolean;
      readonly health: Health | null;
      /** How far it is, and when that last changed; absent: nothing is known of it. */
      readonly progress?: Progress;
    }
  | { readonly at: "running"; readonly run: RunNumber; readonly since: Instant; readonly health: Health | null }
  | { readonly at: "backoff"; readonly until: Instant; readonly cause: string }
  | {
      readonly at: "stopping";
      readonly run: RunNumber;
      readonly startedAt: Instant;
      readonly killAt: Instant;
      readonly killed: boolean;
      /** When KILL was first asked for. Absent: it was not, or by a core of before. */
      readonly killedAt?: Instant;
      /** It passed while everything slept, and was given once more. */
      readonly graceAgain?: true;
      /** Why svcd itself ends the run ("unhealthy: …"); null when it was asked to. */
      readonly blame: Blame | null;
      /** What KILL does not end, in words ("pid 4711 (python3), state D"). */
      readonly survivors: readonly string[];
    }
  /** Its main process ended; what is left of the run is being ended. */
  | {
      readonly at: "clearing";
      readonly run: RunNumber;
      readonly startedAt: Instant;
      readonly exit: Exit;
      readonly ended: HowItEnded;
      readonly killAgainAt: Instant;
      readonly survivors: readonly string[];
    }
  | { readonly at: "exited"; readonly exit: Exit }
  | { readonly at: "fatal"; readonly cause: string };

export type StateName = State["at"];

interface Blame {
  readonly cause: string;
  readonly wasRunning: boolean;
}

/** Who ended a run, for the decision what comes next. */
type HowItEnded =
  | { readonly by: "itself"; readonly wasRunning: boolean }
  | { readonly by: "request" }
  | ({ readonly by: "svcd" } & Blame);

export interface Life {
  readonly wanted: "up" | "down";
  readonly state: State;
  /** When `state.at` last changed. */
  readonly since: Instant;
  /** 0: it never ran. */
  readonly lastRun: RunNumber;
  /** How the last run ended, and why it was a failure; null while none has ended. */
  readonly lastEnd: {
    readonly run: RunNumber;
    readonly exit: Exit;
    readonly at: Instant;
    readonly upMs: number;
    /** Why svcd itself ended it ("unhealthy: HTTP 503"); null when it did not, or was asked to. */
    readonly blame: string | null;
  } | null;
  /** Starts that nobody asked for, since the last one that somebody did. */
  readonly restarts: number;
  readonly streak: Streak;
  /** It runs and must be restarted, once what depends on it has ended. */
  readonly restartDue: boolean;
  /** The GPUs of the present run, or of the last one; absent: it was given none. */
  readonly gpus?: Lease;
}

export type Event =
  /** Somebody (a person, the plan, a dependent) wants it up; earlier failures are forgiven. */
  | { readonly type: "start" }
  | { readonly type: "stop" }
  /** Wanted down, but what depends on it must end first: what runs stays until `stop`. */
  | { readonly type: "stop later" }
  | { readonly type: "restart" }
  /** The same for a restart: what runs stays until `restart`. */
  | { readonly type: "restart later" }
  /** Answers to `waiting`: nothing stands in the way / this does / this machine does not want it. */
  | { readonly type: "cleared"; readonly gpus?: Lease }
  | { readonly type: "blocked"; readonly blockers: readonly string[] }
  | { readonly type: "skip"; readonly reason: string }
  /** Its process is there, since `at`. */
  | { readonly type: "spawned"; readonly run: RunNumber; readonly at: Instant }
  /** The run could not be started. Permanent: another try would end the same way. */
  | { readonly type: "refused"; readonly run: RunNumber; readonly cause: string; readonly permanent: boolean }
  /** The start was asked for but never happened (the core died in between): not a failure, try again. */
  | { readonly type: "lost"; readonly run: RunNumber }
  | { readonly type: "probed"; readonly run: RunNumber; readonly result: ProbeResult }
  /** The start was heard to be busy with this. */
  | { readonly type: "progressed"; readonly run: RunNumber; readonly word: Word }
  /** Its main process ended. `isClear`: and nothing else of the run is left; otherwise `gone` follows when that is so. */
  | { readonly type: "exited"; readonly run: RunNumber; readonly exit: Exit; readonly isClear: boolean }
  | { readonly type: "gone"; readonly run: RunNumber }
  /** KILL was sent and these are still there. */
  | { readonly type: "survived"; readonly run: RunNumber; readonly survivors: readonly string[] }
  | { readonly type: "tick" };

export type Effect =
  | { readonly do: "spawn"; readonly run: RunNumber }
  | { readonly do: "signal"; readonly run: RunNumber; readonly signal: Signal; readonly to: "group" | "main" }
  /** KILL for everything that is left of the run. */
  | { readonly do: "end"; readonly run: RunNumber }
  | { readonly do: "probe"; readonly run: RunNumber }
  /** Tell how far the start is, from now on; `step`: what an earlier core heard last. */
  | { readonly do: "watch"; readonly run: RunNumber; readonly step: Step | null }
  | { readonly do: "tell"; readonly what: "failed" | "healthy" | "stopped"; readonly why: string };

export type Outcome = readonly [next: Life, effects: readonly Effect[]];
type In<At extends StateName> = Extract<State, { at: At }>;
type Up = In<"starting"> | In<"running">;

/** What every state needs to decide. */
interface Now {
  readonly life: Life;
  readonly now: Instant;
  readonly policy: Policy;
  /** In [0, 1): for jitter. */
  readonly chance: number;
}

/** A deadline that is noticed so late passed while svcd did not run: the machine was suspended, or the core stopped. */
const ASLEEP_MS = 2_000;
/** KILL is repeated this often while something survives it (a process in state D). */
const KILL_AGAIN_MS = 5_000;

/** `lastRun`: of a service that had this name before; 0: none had. */
export function newLife(now: Instant, lastRun: RunNumber = 0): Life {
  const state: State = { at: "stopped" };
  return {
    wanted: "down",
    state,
    since: now,
    lastRun,
    lastEnd: null,
    restarts: 0,
    streak: noStreak,
    restartDue: false,
  };
}

export function step(life: Life, event: Event, now: Instant, policy: Policy, chance: number): Outcome {
  if (isFromAnotherRun(event, life.state)) return [life, []];
  const [next, effects] = decide({ life, now, policy, chance }, event);
  if (next.state.at === life.state.at) return [next, effects];
  const isUp = next.state.at === "starting" || next.state.at === "running";
  return [
    { ...next, since: now, restartDue: isUp && next.restartDue && runOf(next.state) === runOf(life.state) },
    effects,
  ];
}

function decide(at: Now, event: Event): Outcome {
  const { state } = at.life;
  switch (state.at) {
    case "stopped":
    case "skipped":
    case "exited":
    case "fatal":
      return whenDown(at, event);
    case "waiting":
      return whenWaiting(at, event);
    case "starting":
    case "running":
      return whenUp(at, state, event);
    case "backoff":
      return whenBackingOff(at, state, event);
    case "stopping":
      return whenStopping(at, state, event);
    case "clearing":
      return whenClearing(at, state, event);
  }
}

/** The run that a state is about; null where nothing runs. */
export function runOf(state: State): RunNumber | null {
  switch (state.at) {
    case "starting":
    case "running":
    case "stopping":
    case "clearing":
      return state.run;
    case "stopped":
    case "skipped":
    case "waiting":
    case "backoff":
    case "exited":
    case "fatal":
      return null;
  }
}

/** It is on its way down, and something of it still runs. */
export function isEnding({ at }: State): boolean {
  return at === "stopping" || at === "clearing";
}

/** When the state needs a `tick`; null: only an event can change it. */
export function deadline(life: Life, policy: Policy): Instant | null {
  const { state } = life;
  switch (state.at) {
    case "starting": {
      if (!state.spawned) return null; // The keeper answers every start: spawned or refused.
      const steadyAt =
        state.health === null || state.health.verdict === "healthy" ? state.since + policy.startsecsMs : null;
      return earliest(earliest(steadyAt, state.health?.dueAt ?? null), stallDeadline(state, policy));
    }
    case "running":
      return state.health?.dueAt ?? null;
    case "backoff":
      return state.until;
    case "stopping":
      return state.killAt;
    case "clearing":
      return state.killAgainAt;
    case "stopped":
    case "skipped":
    case "waiting":
    case "exited":
    case "fatal":
      return null;
  }
}

function earliest(a: Instant | null, b: Instant | null): Instant | null {
  if (a === null) return b;
  return b === null ? a : Math.min(a, b);
}

function isFromAnotherRun(event: Event, state: State): boolean {
  return "run" in event && event.run !== runOf(state);
}

// Nothing runs, and nothing will by itself.

function whenDown({ life }: Now, event: Event): Outcome {
  switch (event.type) {
    case "start":
    case "restart":
      return [asked(life), []];
    case "stop":
    case "stop later":
      return [{ ...life, wanted: "down", state: { at: "stopped" } }, []];
    case "skip":
      // Only what is wanted can be skipped; a person's stop and a final end stay what they are.
      return life.state.at === "skipped"
        ? [{ ...life, state: { at: "skipped", reason: event.reason } }, []]
        : [life, []];
    case "restart later":
    case "cleared":
    case "blocked":
    case "spawned":
    case "refused":
    case "lost":
    case "probed":
    case "progressed":
    case "exited":
    case "gone":
    case "survived":
    case "tick":
      return [life, []];
  }
}

function asked(life: Life): Life {
  return {
    ...life,
    wanted: "up",
    state: { at: "waiting", blockers: [] },
    restarts: 0,
    streak: noStreak,
    restartDue: false,
  };
}

// It wants to start; the supervisor looks what stands in the way.

function whenWaiting({ life, now }: Now, event: Event): Outcome {
  switch (event.type) {
    case "cleared": {
      const run = life.lastRun + 1;
      const state: State = { at: "starting", run, since: now, spawned: false, health: null };
      const { gpus: _, ...before } = life;
      const given = event.gpus === undefined ? before : { ...before, gpus: event.gpus };
      return [{ ...given, lastRun: run, state }, [{ do: "spawn", run }]];
    }
    case "blocked":
      return [{ ...life, state: { at: "waiting", blockers: event.blockers } }, []];
    case "skip":
      return [{ ...life, state: { at: "skipped", reason: event.reason } }, []];
    case "stop":
    case "stop later":
      return [
        { ...life, wanted: "down", state: { at: "stopped" } },
        [{ do: "tell", what: "stopped", why: "asked to stop" }],
      ];
    case "start":
    case "restart":
    case "restart later":
    case "spawned":
    case "refused":
    case "lost":
    case "probed":
    case "progressed":
    case "exited":
    case "gone":
    case "survived":
    case "tick":
      return [life, []];
  }
}

// A process runs.

function whenUp(at: Now, state: Up, event: Event): Outcome {
  const { life, now, policy } = at;
  switch (event.type) {
    case "stop":
      return terminate({ ...life, wanted: "down" }, state, null, now, policy);
    case "stop later":
      return [{ ...life, wanted: "down", restartDue: false }, []];
    case "restart later":
      return [{ ...life, wanted: "up", restartDue: true }, []];
    case "restart":
      return terminate({ ...life, wanted: "up", restarts: 0, streak: noStreak }, state, null, now, policy);
    case "start":
      return [{ ...life, wanted: "up" }, []];
    case "spawned": {
      if (state.at === "running") return [life, []];
      const watch = watchEffects(state, policy);
      if (state.spawned) return [life, watch]; // A core that took over watches anew.
      const health = policy.health === null ? null : beginHealth(now, policy.health);
      const [next, effects] = withHealth(at, { ...state, since: event.at, spawned: true }, health);
      return [next, next.state.at === "starting" ? [...watch, ...effects] : effects];
    }
    case "progressed":
      return progressed(at, state, event.word);
    case "exited":
      return ended(at, state.run, state.since, { by: "itself", wasRunning: state.at === "running" }, event);
    case "refused":
      return refused(at, state, event.cause, event.permanent);
    case "lost":
      if (life.wanted === "down") return [{ ...life, state: { at: "stopped" } }, []];
      return [{ ...life, state: { at: "waiting", blockers: [] } }, []];
    case "probed": {
      if (state.health === null || policy.health === null) return [life, []];
      const movesOn = isMovingOn(state, now, policy);
      return withHealth(at, state, answered(state.health, event.result, now, policy.health, movesOn));
    }
    case "tick":
      return tickWhenUp(at, state);
    case "cleared":
    case "blocked":
    case "skip":
    case "gone":
    case "survived":
      return [life, []];
  }
}

function tickWhenUp(at: Now, state: Up): Outcome {
  const { life, now, policy } = at;
  if (state.at === "starting" && !state.spawned) return [life, []];
  // The policy can change under a running service (an edited file): a check may have come or gone.
  if ((state.health === null) !== (policy.health === null)) {
    const health = policy.health === null ? null : beginHealth(now, policy.health);
    return withHealth(at, state, health);
  }
  const stallAt = state.at === "starting" ? stallDeadline(state, policy) : null;
  if (state.at === "starting" && stallAt !== null && now >= stallAt) return stalled(at, state, now - stallAt);
  if (state.health === null || policy.health === null || now < state.health.dueAt) {
    return withHealth(at, state, state.health);
  }
  const due = whenDue(state.health, now, policy.health, isMovingOn(state, now, policy));
  const [next, effects] = withHealth(at, state, due.health);
  return [next, due.probe ? [{ do: "probe", run: state.run }, ...effects] : effects];
}

// While it starts, what it says of its progress counts more than the time that the file gives it.

function watchEffects({ run, progress }: In<"starting">, policy: Policy): Effect[] {
  return policy.stallMs === undefined ? [] : [{ do: "watch", run, step: progress?.step ?? null }];
}

function progressed({ life, now, policy }: Now, state: Up, word: Word): Outcome {
  if (state.at === "running" || policy.stallMs === undefined) return [life, []];
  const progress = told(state.progress ?? null, word, now, policy.stallMs);
  return [{ ...life, state: { ...state, progress } }, []];
}

/** Its deadline lies ahead because it has moved on; before anything is known of it, only the start period counts. */
function isMovingOn(state: Up, now: Instant, policy: Policy): boolean {
  if (state.at !== "starting" || state.progress === undefined || policy.stallMs === undefined) return false;
  return now < stallsAt(state.progress, policy.stallMs);
}

/** When it is ended if it does not move on before; null: never. */
function stallDeadline({ progress, health }: In<"starting">, { stallMs, health: how }: Policy): Instant | null {
  if (progress === undefined || stallMs === undefined) return null;
  const isWaitedFor = health?.verdict === "starting" && how?.onUnhealthy === "restart";
  return isWaitedFor ? stallsAt(progress, stallMs) : null;
}

function stalled({ life, now, policy }: Now, state: In<"starting">, lateMs: number): Outcome {
  const { progress, health } = state;
  if (progress === undefined) return [life, []];
  if (lateMs > ASLEEP_MS && !progress.again) {
    // The service slept too, or what it said meanwhile is still unread. Once only, so that a stall is always found.
    return [{ ...life, state: { ...state, progress: onceMore(progress, now) } }, []];
  }
  const silence = formatDuration(progress.stallMs ?? policy.stallMs ?? 0);
  const said = health === null || health.detail === "" ? "" : `; last check: ${health.detail}`;
  const why = `no progress for ${silence} in ${stepInWords(progress.step)}${said}`;
  const [next, effects] = terminate(life, state, { cause: why, wasRunning: false }, now, policy);
  return [next, [{ do: "tell", what: "failed", why }, ...effects]];
}

/** The one place that decides between STARTING and RUNNING, healthy and restarted. */
function withHealth({ life, now, policy }: Now, state: Up, health: Health | null): Outcome {
  const before = state.health?.verdict;
  if (health?.verdict === "unhealthy" && policy.health?.onUnhealthy === "restart") {
    const why = `unhealthy: ${health.detail}`;
    const [next, effects] = terminate(life, state, { cause: why, wasRunning: state.at === "running" }, now, policy);
    return [next, [{ do: "tell", what: "failed", why }, ...effects]];
  }
  const isUp = now >= state.since + policy.startsecsMs && health?.verdict !== "starting";
  const { run, since } = state;
  const next: Up = state.at === "running" || isUp ? { at: "running", run, since, health } : { ...state, health };
  const effects: Effect[] = [];
  if (health?.verdict === "unhealthy" && before !== "unhealthy") {
    effects.push({ do: "tell", what: "failed", why: `unhealthy: ${health.detail}` });
  }
  const becomesReady = next.at === "running" && health?.verdict !== "unhealthy";
  const wasReady = state.at === "running" && before !== "unhealthy" && before !== "starting";
  if (becomesReady && !wasReady) {
    effects.push({ do: "tell", what: "healthy", why: health === null ? "up" : health.detail });
  }
  return [{ ...life, state: next }, effects];
}

function terminate(life: Life, { run, since }: Up, blame: Blame | null, now: Instant, policy: Policy): Outcome {
  const killAt = now + policy.stopGraceMs;
  const to = policy.stopTo;
  return [
    { ...life, state: { at: "stopping", run, startedAt: since, killAt, killed: false, blame, survivors: [] } },
    [
      { do: "signal", run, signal: policy.stopSignal, to },
      // A stopped process (SIGSTOP, a debugger) would never see the signal.
      { do: "signal", run, signal: "SIGCONT", to },
    ],
  ];
}

/** The main process ended. Only when nothing else of the run is left does it matter what comes next. */
function ended(
  at: Now,
  run: RunNumber,
  startedAt: Instant,
  how: HowItEnded,
  { exit, isClear }: { readonly exit: Exit; readonly isClear: boolean },
): Outcome {
  const { now } = at;
  const blame = how.by === "svcd" ? how.cause : null;
  const life: Life = { ...at.life, lastEnd: { run, exit, at: now, upMs: now - startedAt, blame } };
  const end: Effect = { do: "end", run };
  if (isClear) {
    const [next, effects] = whatComesNext({ ...at, life }, exit, startedAt, how);
    return [next, [end, ...effects]];
  }
  const killAgainAt = now + KILL_AGAIN_MS;
  return [{ ...life, state: { at: "clearing", run, startedAt, exit, ended: how, killAgainAt, survivors: [] } }, [end]];
}

/** Nothing of the run is left. */
function whatComesNext(at: Now, exit: Exit, startedAt: Instant, how: HowItEnded): Outcome {
  const { life, policy } = at;
  if (life.wanted === "down") return [{ ...life, state: { at: "stopped" } }, [toldStopped(exit)]];
  if (how.by === "request") return [{ ...life, state: { at: "waiting", blockers: [] } }, []];
  if (how.by === "svcd") {
    const [next, effects] = tryAgain(at, how.cause, startedAt, how.wasRunning, true);
    return [next, effects.filter((effect) => effect.do !== "tell")]; // Told when it was found unhealthy.
  }
  const success = isSuccess(exit, policy.successExitCodes);
  const isFinal = policy.restart === "no" || (policy.restart === "on-failure" && success);
  if (isFinal) {
    const tell: Effect[] = success ? [] : [{ do: "tell", what: "failed", why: describeExit(exit) }];
    return [{ ...life, state: { at: "exited", exit } }, tell];
  }
  return tryAgain(at, describeExit(exit), startedAt, how.wasRunning, !success || !how.wasRunning);
}

function refused(at: Now, state: Up, cause: string, permanent: boolean): Outcome {
  if (at.life.wanted === "down") return [{ ...at.life, state: { at: "stopped" } }, []];
  if (permanent) return [{ ...at.life, state: { at: "fatal", cause } }, [{ do: "tell", what: "failed", why: cause }]];
  // What the machine cannot give now (a process, memory, a descriptor) is no failure of the service: it spends no budget.
  const [next, effects] = tryAgain(at, cause, state.since, false, false);
  return [next, [{ do: "tell", what: "failed", why: cause }, ...effects]];
}

function tryAgain(at: Now, cause: string, since: Instant, wasRunning: boolean, isFailure: boolean): Outcome {
  const { life, now, policy, chance } = at;
  const upMs = wasRunning ? (life.lastEnd?.upMs ?? 0) : 0;
  const verdict = afterEnd(life.streak, { since, now, upMs, wasRunning, isFailure }, policy, chance);
  const tell: Effect[] = isFailure ? [{ do: "tell", what: "failed", why: cause }] : [];
  const next = { ...life, streak: verdict.streak };
  if (verdict.kind === "give up") {
    return [{ ...next, state: { at: "fatal", cause: `gave up after ${verdict.why}; last: ${cause}` } }, tell];
  }
  const state: State =
    verdict.at <= now ? { at: "waiting", blockers: [] } : { at: "backoff", until: verdict.at, cause };
  return [{ ...next, restarts: life.restarts + 1, state }, tell];
}

// It failed and will run again at a known time.

function whenBackingOff({ life, now }: Now, state: In<"backoff">, event: Event): Outcome {
  switch (event.type) {
    case "tick":
      return now < state.until ? [life, []] : [{ ...life, state: { at: "waiting", blockers: [] } }, []];
    case "start":
    case "restart":
      return [asked(life), []];
    case "stop":
    case "stop later":
      return [
        { ...life, wanted: "down", state: { at: "stopped" } },
        [{ do: "tell", what: "stopped", why: "asked to stop" }],
      ];
    case "restart later":
    case "cleared":
    case "blocked":
    case "skip":
    case "spawned":
    case "refused":
    case "lost":
    case "probed":
    case "progressed":
    case "exited":
    case "gone":
    case "survived":
      return [life, []];
  }
}

// It was asked to end.

function whenStopping(at: Now, state: In<"stopping">, event: Event): Outcome {
  const { life, now } = at;
  switch (event.type) {
    case "exited":
      return ended(at, state.run, state.startedAt, howStopped(state), event);
    case "refused":
    case "lost":
      return ended(at, state.run, state.startedAt, howStopped(state), { exit: { kind: "unknown" }, isClear: true });
    case "survived":
      return [{ ...life, state: { ...state, survivors: event.survivors } }, []];
    case "tick":
      if (now < state.killAt) return [life, []];
      if (now - state.killAt > ASLEEP_MS && !state.killed && state.graceAgain === undefined) {
        // The service slept too: it has not had its time to end. Once only, so that a stop always ends.
        return [{ ...life, state: { ...state, killAt: now + at.policy.stopGraceMs, graceAgain: true } }, []];
      }
      return [
        { ...life, state: { ...state, killAt: now + KILL_AGAIN_MS, killed: true, killedAt: state.killedAt ?? now } },
        [{ do: "end", run: state.run }],
      ];
    case "start":
      return [{ ...life, wanted: "up" }, []];
    case "restart":
      return [{ ...life, wanted: "up", restarts: 0, streak: noStreak }, []];
    case "stop":
    case "stop later":
      return [{ ...life, wanted: "down" }, []];
    case "restart later":
    case "cleared":
    case "blocked":
    case "skip":
    case "spawned":
    case "probed":
    case "progressed":
    case "gone":
      return [life, []];
  }
}

function howStopped({ blame }: In<"stopping">): HowItEnded {
  return blame === null ? { by: "request" } : { by: "svcd", ...blame };
}

// Its main process ended, something of the run is left.

function whenClearing(at: Now, state: In<"clearing">, event: Event): Outcome {
  const { life, now } = at;
  switch (event.type) {
    case "gone":
      return whatComesNext(at, state.exit, state.startedAt, state.ended);
    case "exited": // Said again to a core that took over.
      return event.isClear ? whatComesNext(at, state.exit, state.startedAt, state.ended) : [life, []];
    case "survived":
      return [{ ...life, state: { ...state, survivors: event.survivors } }, []];
    case "tick":
      if (now < state.killAgainAt) return [life, []];
      return [{ ...life, state: { ...state, killAgainAt: now + KILL_AGAIN_MS } }, [{ do: "end", run: state.run }]];
    case "start":
      return [{ ...life, wanted: "up", state: { ...state, ended: { by: "request" } } }, []];
    case "restart":
      return [
        { ...life, wanted: "up", restarts: 0, streak: noStreak, state: { ...state, ended: { by: "request" } } },
        [],
      ];
    case "stop":
    case "stop later":
      return [{ ...life, wanted: "down" }, []];
    case "restart later":
    case "cleared":
    case "blocked":
    case "skip":
    case "spawned":
    case "refused":
    case "lost":
    case "probed":
    case "progressed":
      return [life, []];
  }
}

function toldStopped(exit: Exit): Effect {
  return { do: "tell", what: "stopped", why: describeExit(exit) };
}
