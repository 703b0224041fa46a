/**
 * Failures that are not forgiven yet: how many in a row (they make the delay grow) and when (they spend the budget).
 */
import type { Backoff, GiveUp, Policy } from "./policy.ts";

/** Milliseconds of CLOCK_MONOTONIC: the same in every process of one boot, never jumps with the wall clock. */
export type Instant = number;

export interface Streak {
  /** Ends in a row without a steady run between them. */
  readonly inRow: number;
  /** When the failures of the window happened; never more than the budget holds. */
  readonly recent: readonly Instant[];
}

export const noStreak: Streak = { inRow: 0, recent: [] };

/** An end that nobody asked for, of a run that was started at `since`; `now` nothing of it is left. */
export interface UnaskedEnd {
  readonly since: Instant;
  readonly now: Instant;
  /** How long its main process lived: what lingers after that makes no run a steady one. */
  readonly upMs: number;
  /** It was RUNNING, not STARTING. */
  readonly wasRunning: boolean;
  /** A success that is restarted slows a loop down, but spends no budget. */
  readonly isFailure: boolean;
}

export type Verdict =
  | { readonly kind: "again"; readonly at: Instant; readonly streak: Streak }
  | { readonly kind: "give up"; readonly why: string; readonly streak: Streak };

/** When to start again after an unasked end, or that it is enough. `chance` is in [0, 1). */
export function afterEnd(before: Streak, end: UnaskedEnd, policy: Policy, chance: number): Verdict {
  const { giveUp } = policy;
  if (giveUp.kind === "startretries") return bySupervisordsRule(before, end, giveUp.retries);
  const wasSteady = end.wasRunning && end.upMs >= policy.backoff.steadyMs;
  const streak = lengthened(wasSteady ? noStreak : before, end, giveUp);
  if (giveUp.kind === "window" && streak.recent.length >= giveUp.failures) {
    return { kind: "give up", why: `${giveUp.failures} failures within ${giveUp.withinMs / 1000} s`, streak };
  }
  const delay = withJitter(backoffMs(streak.inRow, policy.backoff), policy.backoff, chance);
  // From start to start: a run that outlasted the delay is started again at once.
  return { kind: "again", at: Math.max(end.now, end.since + delay), streak };
}

/** Grows with each end in a row: a blip heals at once, a crash loop stays cheap. */
export function backoffMs(inRow: number, backoff: Backoff): number {
  return Math.min(backoff.firstMs * backoff.factor ** (inRow - 1), backoff.longestMs);
}

function withJitter(delay: number, backoff: Backoff, chance: number): number {
  // Many services that died together must not come back in one instant; the longest delay stays the longest.
  return Math.min(delay * (1 + backoff.jitter * (2 * chance - 1)), backoff.longestMs);
}

function lengthened(before: Streak, end: UnaskedEnd, giveUp: GiveUp): Streak {
  const inRow = before.inRow + 1;
  if (giveUp.kind !== "window" || !end.isFailure) return { inRow, recent: before.recent };
  const recent = before.recent.filter((at) => end.now - at < giveUp.withinMs);
  return { inRow, recent: [...recent, end.now].slice(-giveUp.failures) };
}

/** docs/subprocess.rst: retries count only before RUNNING; the k-th waits k seconds; from RUNNING it is at once. */
function bySupervisordsRule(before: Streak, end: UnaskedEnd, retries: number): Verdict {
  if (end.wasRunning) return { kind: "again", at: end.now, streak: noStreak };
  const streak: Streak = { inRow: before.inRow + 1, recent: [] };
  if (streak.inRow > retries)
    return { kind: "give up", why: `${streak.inRow} starts failed (startretries: ${retries})`, streak };
  return { kind: "again", at: end.now + streak.inRow * 1000, streak };
}
