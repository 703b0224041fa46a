/**
 * What the life of a service keeps of a start that is under way: how far it is, when it last moved on, and so when it counts
 * as stalled. The deadline is in the state; a core that takes over goes on with it.
 */
import type { Instant } from "../service/streak.ts";
import { fractionOf, type Step } from "./rule.ts";

export interface Progress {
  readonly step: Step;
  /** When it last moved on. */
  readonly at: Instant;
  /** In this phase so much silence is no stall; null: as the policy says. */
  readonly stallMs: number | null;
  /** When each phase began, in order; each comes once. */
  readonly phases: readonly { readonly name: string; readonly since: Instant }[];
  /** `at` as the journal has it: not every percent is written down, and the deadline of the next core is a little early at most. */
  readonly notedAt: Instant;
  /** The silence was over while everything slept, and it was given its time once more. */
  readonly again?: true;
}

/** What the edge tells, a few times a second at most. */
export interface Word {
  readonly step: Step;
  /** false: only what is shown is another; the silence goes on. */
  readonly moved: boolean;
  readonly stallMs: number | null;
}

/** Of the time until a stall; more often the journal need not know. */
const NOTED_EVERY = 10;

export function told(
  before: Progress | null,
  { step, moved, stallMs }: Word,
  now: Instant,
  policyMs: number,
): Progress {
  const isNewPhase = before === null || before.step.phase !== step.phase;
  const phases = isNewPhase ? [...(before?.phases ?? []), { name: step.phase, since: now }] : before.phases;
  const at = moved || isNewPhase ? now : before.at;
  const isDue = isNewPhase || at - before.notedAt >= (stallMs ?? policyMs) / NOTED_EVERY;
  const again = !moved && !isNewPhase && before.again ? { again: true as const } : {};
  return { step, at, stallMs, phases, notedAt: isDue ? at : before.notedAt, ...again };
}

export function stallsAt({ at, stallMs }: Progress, policyMs: number): Instant {
  return at + (stallMs ?? policyMs);
}

/** It passed while nobody ran: once more, from now on. */
export function onceMore(progress: Progress, now: Instant): Progress {
  return { ...progress, at: now, notedAt: now, again: true };
}

/** Nobody has looked since the last core died: what it says must be heard before it counts as stalled. */
export function heardFirst(progress: Progress, now: Instant, policyMs: number, withinMs: number): Progress {
  const leastAt = now + withinMs - (progress.stallMs ?? policyMs);
  return progress.at >= leastAt ? progress : { ...progress, at: leastAt };
}

/** For who looks: where it is now, for how long, and how much of that is done. */
export function present(
  { step, phases }: Progress,
  now: Instant,
): { phase: string; forMs: number; fraction: number | null } {
  return { phase: step.phase, forMs: now - (phases.at(-1)?.since ?? now), fraction: fractionOf(step) };
}
