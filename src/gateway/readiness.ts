/** Whether a request can go to a service now, from what svcd says about it, and whether waiting makes sense. */
import type { ServiceStatus } from "../control/daemon.ts";

export type Readiness =
  | { readonly is: "try" }
  | { readonly is: "not ready"; readonly facts: Facts; readonly willBe: boolean };

export interface Facts {
  readonly service: string;
  readonly state: string;
  readonly phase: string | null;
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

function factsOf({ name, state, phase, why, next, since }: ServiceStatus): Facts {
  return { service: name, state, phase, why, next, since };
}

/** It is said to run, and nobody answers. */
export function silent(route: { readonly name: string }, status: ServiceStatus | undefined, how: string): Facts {
  if (status !== undefined) return { ...factsOf(status), why: `${status.why}; ${how}` };
  const next = "try again in a moment";
  return { service: route.name, state: "UNKNOWN", phase: null, why: how, next, since: null };
}

/** How long a client should wait before it asks again, in seconds. */
export function retryAfter({ state, phase }: Facts): number {
  const eta = /(\d+)\s*(s|m|min)\b[^,;]*(left|remaining)/.exec(phase ?? "");
  if (eta !== null) return Math.min(120, Math.max(2, Number(eta[1]) * (eta[2] === "s" ? 1 : 60)));
  return state === "FATAL" || state === "STOPPED" || state === "SKIPPED" || state === "EXITED" ? 30 : 5;
}

/** 0 to 100 as far as the phase says it; null: it does not. */
export function percent(phase: string | null): number | null {
  const found = /(\d{1,3})(?:\.\d+)?\s*%/.exec(phase ?? "");
  return found === null ? null : Math.min(100, Number(found[1]));
}
