/** What the supervisor answers about jobs and their runs. Shapes only; the protocol puts them on the wire as they are. */
import type { Trigger } from "../schedule/run.ts";
import type { RunRecord } from "../schedule/run-record.ts";

export const JOB_STATES = ["IDLE", "WAITING", "RUNNING", "STOPPING", "PAUSED"] as const;
export type JobStateWord = (typeof JOB_STATES)[number];

/** One line of `svctl jobs --json`. */
export interface JobStatus {
  readonly name: string;
  readonly state: JobStateWord;
  readonly paused: boolean;
  /** Expressions as they are written, and what they mean ("every weekday at 07:30"). */
  readonly schedules: readonly { readonly expression: string; readonly words: string }[];
  readonly timezone: string;
  /** ISO 8601; null: it will not come. */
  readonly next: string | null;
  /** Runs that are not over, oldest first. */
  readonly runs: readonly RunStatus[];
  /** The last run that is over; null: none is. */
  readonly last: RunRecord | null;
  readonly streak: { readonly result: "success" | "failure"; readonly count: number } | null;
  /** What it is doing or why it is not, a sentence. Never empty. */
  readonly why: string;
  readonly description: string;
  readonly file: { readonly path: string; readonly line: number; readonly note: string | null };
}

export interface RunStatus {
  readonly run: number;
  readonly trigger: Trigger;
  /** ISO 8601 */
  readonly scheduledFor: string;
  readonly startedAt: string | null;
  readonly attempt: number;
  readonly pid: number | null;
  /** "waits for vllm to be ready (it is STARTING)", "runs", "timeout: TERM was sent". */
  readonly why: string;
}

export { RUN_RESULTS, type RunRecord, type RunResult } from "../schedule/run-record.ts";
