/** Whether a request can go to a service now, from what svcd says about it, and whether waiting makes sense. */
import type { ServiceStatus } from "../control/daemon.ts";

export type Readiness =
  | { readonly is: "try" }
  | { readonly is: "not ready"; readonly facts: Facts; readonly willBe: boolean };

export interface Facts {
  readonly service: string;
  readonly state: string;
  readonly phase: string | null;
  /** How far the start is, 0 to 100, and how long it will still take, in milliseconds; null: not known. */
  readonly percent: number | null;
  readonly leftMs: number | null;
  readonly why: string;
  readonly next: string;
  /** ISO 8601; null: not known. */
  readonly since: string | null;
}

/** undefined: svcd knows no such service, or could not be asked; so nothing speaks against trying. */
export function readiness(status: ServiceStatus | undefined): Readiness {
  if (status === undefined) return { is: "try" };
  const notReady = (willBe: boolean): Readiness => ({ is: "not ready", facts: factsOf(status), willBe });
  switch (status.state) {
    case "RUNNING":
      return { is: "try" };
    case "STARTING":
      // Without a check nobody knows when it listens: the connection will tell.
      return status.health === null ? { is: "try" } : notReady(true);
    case "WAITING":
    case "BACKOFF":
      return notReady(true);
    case "STOPPING":
      return notReady(status.wanted === "up");
    case "STOPPED":
    case "SKIPPED":
    case "EXITED":
    case "FATAL":
      return notReady(false);
  }
}

function factsOf({ name, state, phase, progress, why, next, since }: ServiceStatus): Facts {
  const { percent = null, done = null, total = null, leftMs = null } = progress ?? {};
  const ofAll = done === null || total === null || total === 0 ? null : (100 * done) / total;
  return { service: name, state, phase, percent: rounded(percent ?? ofAll), leftMs, why, next, since };
}

function rounded(percent: number | null): number | null {
  return percent === null ? null : Math.min(100, Math.floor(percent));
}

/** It is said to run, and nobody answers. */
export function silent(route: { readonly name: string }, status: ServiceStatus | undefined, how: string): Facts {
  if (status !== undefined) return { ...factsOf(status), why: `${status.why}; ${how}` };
  const next = "try again in a moment";
  return {
    service: route.name,
    state: "UNKNOWN",
    phase: null,
    percent: null,
    leftMs: null,
    why: how,
    next,
    since: null,
  };
}

/** How long a client should wait before it asks again, in seconds. */
export function retryAfter({ state, leftMs }: Facts): number {
  if (leftMs !== null) return Math.min(120, Math.max(2, Math.ceil(leftMs / 1000)));
  return state === "FATAL" || state === "STOPPED" || state === "SKIPPED" || state === "EXITED" ? 30 : 5;
}
