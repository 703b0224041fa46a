/**
 * Whether what was asked of a service has come true: the pure half of waiting.
 *
 * A status can come late: an event from before the request says nothing about it. What is certain about a status is the
 * number of its run; one that was asked for after the request (`fresh`) counts whatever its run.
 */
import type { ServiceStatus } from "../control/daemon.ts";

/** up: start · again: restart · down: stop · as planned: what an applied file wants, which may be nothing. */
export type Goal = "up" | "again" | "down" | "as planned";

export interface Awaited {
  readonly name: string;
  readonly goal: Goal;
  /** What is waited for has a greater number. */
  readonly runBefore: number;
  /** It was on its way already, so its present run is the one that counts. */
  readonly already: boolean;
}

export type Verdict =
  | { readonly is: "open" }
  /** `what` is the phrase after the name; null: it is just as was asked, for which svcd has given the phrase. */
  | { readonly is: "done"; readonly what: string | null }
  /** This machine does not want it: nobody's fault. */
  | { readonly is: "skipped"; readonly what: string }
  | { readonly is: "failed"; readonly what: string };

const open: Verdict = { is: "open" };

/** `status: null`: svcd no longer knows the service. */
export function verdict(awaited: Awaited, status: ServiceStatus | null, fresh: boolean): Verdict {
  if (status === null) return whenGone(awaited);
  return awaited.goal === "down" ? whenGoingDown(status, fresh) : whenGoingUp(awaited, status, fresh);
}

function whenGone({ goal }: Awaited): Verdict {
  return goal === "down" ? { is: "done", what: null } : { is: "failed", what: "it was removed meanwhile" };
}

function whenGoingDown(status: ServiceStatus, fresh: boolean): Verdict {
  if (fresh && status.wanted === "up") return { is: "failed", what: "it was started again meanwhile" };
  if (status.wanted === "up" || status.pid !== null || status.state === "STOPPING") return open;
  return fresh || status.state === "STOPPED" ? { is: "done", what: null } : open;
}

function whenGoingUp({ goal, runBefore, already }: Awaited, status: ServiceStatus, fresh: boolean): Verdict {
  const isNewRun = status.run > runBefore || (already && status.run === runBefore);
  const counts = fresh || isNewRun;
  // The first of the new runs is over: it would come up, if at all, only after a failure.
  const hasFailed = isNewRun && !already && status.restarts > 0;
  switch (status.state) {
    case "RUNNING":
      return isNewRun ? { is: "done", what: null } : open;
    case "EXITED":
      if (!counts) return open;
      return endedWell(status) ? { is: "done", what: "done (exit 0)" } : { is: "failed", what: status.why };
    case "SKIPPED":
      if (!counts) return open;
      return goal === "as planned"
        ? { is: "done", what: `skipped (${status.why})` }
        : { is: "skipped", what: status.why };
    case "BACKOFF":
      return counts ? { is: "failed", what: `${status.why}; ${status.next}` } : open;
    case "FATAL":
      return counts ? { is: "failed", what: status.why } : open;
    case "STOPPED":
      if (!counts || status.wanted === "up") return open;
      if (goal === "as planned") return { is: "done", what: "stays stopped" };
      return fresh ? { is: "failed", what: "it was stopped meanwhile" } : open;
    case "WAITING":
    case "STARTING":
      return hasFailed ? { is: "failed", what: `its first start failed, now: ${status.why}` } : open;
    case "STOPPING":
      return open;
  }
}

/** A one-shot that has done its work. */
export function endedWell(status: ServiceStatus): boolean {
  return status.state === "EXITED" && /\bexit 0\b/.test(status.why);
}

/** What a person who waits wants to see: "STARTING health check: connection refused". */
export function progress(status: ServiceStatus): string {
  const left = status.progress?.left ?? null;
  return `${status.state} ${status.phase ?? status.why}${left === null ? "" : `, ${left}`}`;
}

/** A condition of `depends_on` that is not met, and the state of the service it is about. */
export interface Unmet {
  readonly name: string;
  readonly condition: string;
  readonly status: ServiceStatus;
}

/** Why nothing that is under way will ever meet this condition; null: it may yet be met. */
export function hopeless({ name, condition, status }: Unmet): string | null {
  switch (status.state) {
    case "FATAL":
      return `it waits for ${name}, which is FATAL: ${status.why}`;
    case "SKIPPED":
      return `it waits for ${name}, which is SKIPPED: ${status.why}`;
    case "STOPPED":
      return status.wanted === "down" ? `it waits for ${name}, which is STOPPED: ${status.why}` : null;
    case "EXITED":
      return `it waits for ${name} to be ${condition}, but that is EXITED: ${status.why}`;
    case "WAITING":
    case "STARTING":
    case "RUNNING":
    case "BACKOFF":
    case "STOPPING":
      return null;
  }
}
