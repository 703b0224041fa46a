/**
 * A life in words: what is so, why, and what happens next. Every state has an answer to both questions.
 */
import { leaseInWords } from "../gpu/lease.ts";
import { stallsAt } from "../phase/progress.ts";
import { stepInWords } from "../phase/rule.ts";
import { formatDuration } from "../plan/units.ts";
import { describeExit, isSuccess } from "../service/exit.ts";
import type { Instant, Life, State } from "../service/life.ts";
import type { Policy } from "../service/policy.ts";
import type { StateWord } from "./answers.ts";

export function stateWord(state: State): StateWord {
  return (state.at === "clearing" ? "STOPPING" : state.at.toUpperCase()) as StateWord;
}

/** Facts beside the life that explain it. */
export interface Circumstances {
  readonly enabled: boolean;
  readonly autostart: boolean;
  /** Why it was stopped and is to stay so ("on request"); null: it was not. */
  readonly stopped: string | null;
  readonly shuttingDown: boolean;
  /** Who must end before it may be stopped. */
  readonly endsAfter: readonly string[];
  /** Of the last run, if that failed (`failureOf`): the line that it ended with. */
  readonly lastWords?: string | null;
}

/**
 * The end before which last words tell why it is as it is: the last one of a one-shot, if it failed by itself. What a server says last is
 * rarely the cause, and `svctl why` looks for that in all its lines.
 */
export function failureOf({ state, lastEnd, lastRun }: Life, policy: Policy): NonNullable<Life["lastEnd"]> | null {
  if (policy.restart === "always" || lastEnd === null || lastEnd.run !== lastRun || lastEnd.blame !== null) return null;
  if (state.at !== "backoff" && state.at !== "exited" && state.at !== "fatal") return null;
  return isSuccess(lastEnd.exit, policy.successExitCodes) ? null : lastEnd;
}

/** Why it is in this state, without the state's own name. */
export function why(life: Life, policy: Policy, around: Circumstances, now: Instant): string {
  const { state } = life;
  const said = around.lastWords ? `: ${around.lastWords}` : "";
  switch (state.at) {
    case "stopped":
      return whyStopped(life, around);
    case "skipped":
      return state.reason;
    case "waiting":
      return state.blockers.length === 0 ? "about to start" : `waits for ${state.blockers.join(" and ")}`;
    case "starting": {
      if (!state.spawned) return "its process is being started";
      const up = formatDuration(roundMs(now - state.since));
      if (state.health !== null && state.health.verdict === "starting") {
        const said = state.health.detail === "" ? "no answer yet" : state.health.detail;
        const busy = state.progress === undefined ? "" : `, ${stepInWords(state.progress.step)}`;
        return `started ${up} ago${onGpus(life)}${busy}, health check: ${said}`;
      }
      return `started ${up} ago${onGpus(life)}, counts as running after ${formatDuration(policy.startsecsMs)}`;
    }
    case "running":
      return whyRunning(life, state.health);
    case "backoff":
      return `${failures(life)}${state.cause}${said}`;
    case "stopping":
      if (state.survivors.length > 0) return withstands(state.survivors);
      if (state.killed) return "does not end: KILL was sent to all of it and is repeated";
      return state.blame === null ? `asked to end, ${policy.stopSignal} sent` : state.blame.cause;
    case "clearing": {
      const end = life.lastEnd === null ? describeExit(state.exit) : describeEnd(life.lastEnd);
      if (state.survivors.length > 0) return `${end}; ${withstands(state.survivors)}`;
      return `${end}; ending what its main process left behind`;
    }
    case "exited":
      return `${endedHow(life, describeExit(state.exit))}${said}`;
    case "fatal":
      return `${state.cause}${said}`;
  }
}

/** What happens next, if nobody does anything. */
export function next(life: Life, policy: Policy, around: Circumstances, now: Instant): string {
  const { state } = life;
  if (life.wanted === "down" && (state.at === "starting" || state.at === "running")) {
    const after = around.endsAfter.length > 0 ? ` once ${around.endsAfter.join(", ")} ended` : "";
    return `stops${after}`;
  }
  switch (state.at) {
    case "stopped":
      return around.enabled ? "stays down until someone starts it" : "stays down until it is enabled";
    case "skipped":
      return "starts by itself when that changes";
    case "waiting":
      return "starts as soon as that is so";
    case "starting":
      return afterStarting(state, policy, now);
    case "running":
      return whenItEnds(policy);
    case "backoff":
      return `retrying in ${formatDuration(roundMs(Math.max(state.until - now, 0)))}`;
    case "stopping":
      return afterStopping(life, state, now);
    case "clearing":
      return `KILL is repeated until nothing of run ${state.run} is left${life.wanted === "up" ? ", then it goes on" : ""}`;
    case "exited":
      return "stays down: it is not to be restarted after this end";
    case "fatal":
      return "stays down until someone starts it or its file changes";
  }
}

/** What a start is busy with; null: it does not start, or nothing is known. */
export function phaseInWords(state: State): string | null {
  if (state.at !== "starting") return null;
  const { health, progress } = state;
  if (health?.smoke) return health.detail;
  if (progress !== undefined) return stepInWords(progress.step);
  return health === null ? null : `health check: ${health.detail || "no answer yet"}`;
}

function afterStarting(state: Extract<State, { at: "starting" }>, policy: Policy, now: Instant): string {
  const { health, progress } = state;
  if (health === null || health.verdict === "healthy") return "becomes RUNNING by itself";
  if (progress === undefined || policy.stallMs === undefined || policy.health?.onUnhealthy !== "restart")
    return "probed again shortly";
  const leftMs = Math.max(stallsAt(progress, policy.stallMs) - now, 0);
  return `RUNNING once its check passes; restarted if nothing moves on within ${formatDuration(roundMs(leftMs))}`;
}

function withstands(survivors: readonly string[]): string {
  return `KILL does not end ${survivors.join(", ")}`;
}

/** How a run ended and, where svcd itself ended it, why. */
export function describeEnd({ exit, blame }: NonNullable<Life["lastEnd"]>): string {
  return blame === null ? describeExit(exit) : `${blame}; svcd ended it (${describeExit(exit)})`;
}

function whyStopped(life: Life, around: Circumstances): string {
  const last = life.lastEnd === null ? "never ran" : `last run ${describeEnd(life.lastEnd)}`;
  if (around.shuttingDown) return `svcd is shutting down, ${last}`;
  if (!around.enabled) return `disabled, ${last}`;
  if (around.stopped !== null)
    return `stopped${around.stopped === "on request" ? " " : ": "}${around.stopped}, ${last}`;
  if (!around.autostart && life.lastEnd === null) return "autostart is off, never ran";
  return last;
}

function whyRunning(life: Life, health: { verdict: string; detail: string } | null): string {
  const again = life.restarts > 0 && life.lastEnd !== null ? `, last end: ${describeEnd(life.lastEnd)}` : "";
  if (health === null) return `up${onGpus(life)}${again}`;
  const said = health.detail === "" ? "" : ` (${health.detail})`;
  return `${health.verdict === "healthy" ? "healthy" : "unhealthy"}${said}${onGpus(life)}${again}`;
}

/** ", on GPU 0 and 1". */
function onGpus({ gpus }: Life): string {
  return gpus === undefined ? "" : `, on ${leaseInWords(gpus)}`;
}

function endedHow(life: Life, how: string): string {
  return life.lastEnd === null ? how : `${how} after ${formatDuration(roundMs(life.lastEnd.upMs))}`;
}

function failures(life: Life): string {
  return life.streak.inRow > 1 ? `${ordinal(life.streak.inRow)} failure in a row: ` : "";
}

function whenItEnds(policy: Policy): string {
  switch (policy.restart) {
    case "always":
      return "is restarted when it ends";
    case "on-failure":
      return "is restarted when it fails";
    case "no":
      return "is not restarted when it ends";
  }
}

function afterStopping(life: Life, state: Extract<State, { at: "stopping" }>, now: Instant): string {
  const kill = `KILL in ${formatDuration(roundMs(Math.max(state.killAt - now, 0)))} if it does not end`;
  return life.wanted === "up" ? `${kill}, then it starts again` : kill;
}

/** People read whole seconds above ten, tenths below. */
function roundMs(ms: number): number {
  if (ms >= 10_000) return Math.round(ms / 1000) * 1000;
  return ms >= 1000 ? Math.round(ms / 100) * 100 : Math.round(ms);
}

function ordinal(n: number): string {
  const tens = n % 100;
  if (tens >= 11 && tens <= 13) return `${n}th`;
  return `${n}${["th", "st", "nd", "rd"][n % 10] ?? "th"}`;
}
