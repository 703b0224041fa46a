/** What became of a due time, for the history and for people. */
import type { Trigger } from "./run.ts";

export const RUN_RESULTS = [
  "success",
  "failure",
  "timeout",
  "killed",
  "replaced",
  "skipped",
  "missed",
  "unknown",
] as const;
export type RunResult = (typeof RUN_RESULTS)[number];

/** A run that is over, or a due time that was not started. All instants are ISO 8601. */
export interface RunRecord {
  readonly job: string;
  /** null: it never became a run (skipped, missed). */
  readonly run: number | null;
  readonly trigger: Trigger;
  readonly scheduledFor: string;
  /** How many due times this stands for. */
  readonly coalesced: number;
  readonly attempt: number;
  readonly startedAt: string | null;
  readonly endedAt: string;
  readonly result: RunResult;
  readonly exit: { readonly code: number } | { readonly signal: string } | null;
  /** "exit 3", "run 12 is not over", "svcd was not there". */
  readonly why: string;
  /** null: not known. */
  readonly cpuMs: number | null;
  readonly peakMemoryBytes: number | null;
  /** ISO 8601; null: no other attempt follows. */
  readonly retryAt: string | null;
}
