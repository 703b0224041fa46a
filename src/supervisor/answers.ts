/**
 * What the supervisor answers: the facts of one service, what an action did, what would change. Shapes only; the protocol
 * puts them on the wire as they are.
 */
import type { Step } from "../phase/rule.ts";
import type { Mistake } from "../plan/mistake.ts";

/** SURFACE's words for what is so. */
export const STATES = [
  "STOPPED",
  "SKIPPED",
  "WAITING",
  "STARTING",
  "RUNNING",
  "BACKOFF",
  "STOPPING",
  "EXITED",
  "FATAL",
] as const;
export type StateWord = (typeof STATES)[number];

/** One line of `status --json`. */
export interface ServiceStatus {
  readonly name: string;
  readonly state: StateWord;
  /** null when nothing runs. */
  readonly pid: number | null;
  /** Number of the present or last run; 0: it never ran. */
  readonly run: number;
  /** Since when it is in this state, ISO 8601. */
  readonly since: string;
  /** Starts that nobody asked for, since the last one somebody did. */
  readonly restarts: number;
  /** null: it has no health check, or nothing runs. */
  readonly health: "starting" | "healthy" | "unhealthy" | null;
  /** What a start is busy with ("health check: connection refused"); null otherwise. */
  readonly phase: string | null;
  /** How far a start is, as its `phases:` tell; absent: it does not start, or nothing is known of it. */
  readonly progress?: Step & {
    /** From earlier starts that went well; null: they tell nothing. */
    readonly leftMs: number | null;
    /** The same in words, "about 2 min left"; null where there is nothing to say. */
    readonly left: string | null;
  };
  /** Why it is in this state, a sentence. Never empty. */
  readonly why: string;
  /** What happens next, a sentence. Never empty. */
  readonly next: string;
  readonly wanted: "up" | "down";
  readonly enabled: boolean;
  readonly groups: readonly string[];
  readonly description: string;
  /** Its file has mistakes, or is newer than what runs ("changed, not applied"); null: it is as the file says. */
  readonly file: { readonly path: string; readonly line: number; readonly note: string | null };
}

/** A list of names as people give them: `web`, `web-*`, `GROUP:*`, `all`. */
export interface Selection {
  readonly names: readonly string[];
  /** Words that fit nothing, with the nearest name that exists. */
  readonly unknown: readonly UnknownWord[];
}

export interface UnknownWord {
  readonly word: string;
  readonly suggestion: string | null;
  /** A file describes it, but with a mistake, so it was not taken up: "web.yaml:3:1: unknown key …". */
  readonly mistake?: string;
}

export type Action = "start" | "stop" | "restart" | "reload";

export interface ActionResult {
  readonly name: string;
  /** already: it was so before. refused: it cannot be done, `what` says why. */
  readonly outcome: "done" | "already" | "refused";
  /** "started", "already started", "not running" …: a phrase after the name. */
  readonly what: string;
  /** The run before the action: what is waited for has a greater number. */
  readonly runBefore: number;
}

/** What would change, or has changed, when the files are taken up. */
export interface PlanReport {
  readonly added: readonly string[];
  readonly changed: readonly {
    readonly name: string;
    /** true: its process must be started again. */
    readonly restart: boolean;
    readonly details: readonly { readonly field: string; readonly before: string; readonly after: string }[];
  }[];
  readonly removed: readonly string[];
  /** Names whose file is broken: they go on as they are. */
  readonly kept: readonly string[];
  readonly jobs: JobChanges;
  readonly mistakes: readonly Mistake[];
}

/** What runs of a job goes on as it was started, whatever changes; its history stays. */
export interface JobChanges {
  readonly added: readonly string[];
  readonly changed: readonly Omit<PlanReport["changed"][number], "restart">[];
  readonly removed: readonly string[];
  readonly kept: readonly string[];
}
