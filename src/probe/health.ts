/**
 * From probe results to a verdict: not known yet, healthy, unhealthy. Decides when the next probe is due and what a
 * result means; it never probes.
 *
 * Docker's rules (docs.docker.com, HEALTHCHECK): failures inside the start period do not count, the first success ends
 * it, then `retries` failures in a row are unhealthy and one success is healthy again.
 */
import type { HealthPolicy } from "../service/policy.ts";
import type { Instant } from "../service/streak.ts";

export interface Health {
  readonly verdict: "starting" | "healthy" | "unhealthy";
  /** Since this instant the start period runs. */
  readonly since: Instant;
  readonly failuresInRow: number;
  /** Probes begun; the first ones follow each other quickly. */
  readonly probes: number;
  /** When the next probe is due; while one is under way, when its answer is overdue. */
  readonly dueAt: Instant;
  readonly underWay: boolean;
  /** What the last probe said: "connection refused". Empty before the first. */
  readonly detail: string;
  /** The check passed, and what was asked after it (`smoke:`) was answered badly: `detail` is about that. */
  readonly smoke?: true;
}

/**
 * Beyond the probe's own timeout, which is given twice after a sleep: the edge answers for sure, this only guards against a
 * lost answer.
 */
const ANSWER_SLACK_MS = 5_000;
/** A tick that comes so late means that we ourselves were asleep (a paused machine, a stopped core). */
const ASLEEP_MS = 1_000;
/** While starting, probes begin this soon and slow down to the interval: readiness is noticed quickly. */
const FIRST_PROBE_MS = 100;
const SLOWING = 1.5;

export function beginHealth(now: Instant, policy: HealthPolicy): Health {
  const dueAt = now + Math.min(FIRST_PROBE_MS, policy.intervalMs);
  return { verdict: "starting", since: now, failuresInRow: 0, probes: 0, dueAt, underWay: false, detail: "" };
}

/** At `dueAt`: either a probe must begin, or an answer that never came counts as a failure. */
export function whenDue(
  health: Health,
  now: Instant,
  policy: HealthPolicy,
  movesOn = false,
): { health: Health; probe: boolean } {
  if (!health.underWay) {
    const dueAt = overdueAt(now, policy);
    return { health: { ...health, probes: health.probes + 1, underWay: true, dueAt }, probe: true };
  }
  if (now - health.dueAt > ASLEEP_MS) {
    // The answer may be waiting right behind this tick, or the service slept too.
    return { health: { ...health, dueAt: overdueAt(now, policy) }, probe: false };
  }
  const silence = { passed: false, detail: "the probe did not answer" };
  return { health: answered(health, silence, now, policy, movesOn), probe: false };
}

function overdueAt(now: Instant, policy: HealthPolicy): Instant {
  return now + 2 * (policy.timeoutMs + (policy.smokeMs ?? 0)) + ANSWER_SLACK_MS;
}

export interface ProbeResult {
  readonly passed: boolean;
  readonly detail: string;
  /** It is the answer to `smoke:`. */
  readonly smoke?: true;
}

/** `movesOn`: the start is not over its deadline, because it still makes progress. */
export function answered(
  health: Health,
  result: ProbeResult,
  now: Instant,
  policy: HealthPolicy,
  movesOn = false,
): Health {
  const { smoke: _, ...rest } = health;
  const aboutSmoke = result.smoke && !result.passed ? { smoke: true as const } : {};
  const next: Health = { ...rest, ...aboutSmoke, underWay: false, detail: result.detail };
  if (result.passed) {
    return { ...next, verdict: "healthy", failuresInRow: 0, dueAt: now + policy.intervalMs };
  }
  const excused = health.verdict === "starting" && (movesOn || now - health.since < policy.startPeriodMs);
  const failuresInRow = excused ? 0 : health.failuresInRow + 1;
  const verdict = failuresInRow >= policy.retries ? "unhealthy" : health.verdict;
  return { ...next, verdict, failuresInRow, dueAt: now + pauseMs(next, policy) };
}

function pauseMs(health: Health, policy: HealthPolicy): number {
  if (health.verdict !== "starting") return policy.intervalMs;
  return Math.min(policy.intervalMs, FIRST_PROBE_MS * SLOWING ** health.probes);
}
