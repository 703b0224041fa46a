/**
 * What the protocol asks of the daemon about jobs and their runs; the other half is in `daemon.ts`. The shapes of the answers
 * are those on the wire.
 */
import type { LogPosition, StreamName } from "../keeper/messages.ts";
import type { ActionResult, Selection } from "../supervisor/answers.ts";
import type { JobStatus, RunRecord } from "../supervisor/job-answers.ts";

export {
  JOB_STATES,
  type JobStateWord,
  type JobStatus,
  RUN_RESULTS,
  type RunRecord,
  type RunResult,
  type RunStatus,
} from "../supervisor/job-answers.ts";

export interface JobDetail {
  readonly status: JobStatus;
  /** The effective definition, secrets masked. */
  readonly definition: unknown;
}

export interface JobWhyReport {
  readonly status: JobStatus;
  /** What became of the last due times, newest first. */
  readonly history: readonly RunRecord[];
  /** Last lines of output, escape sequences removed, and of which run they are; null: there is no output. */
  readonly lastLines: readonly string[];
  readonly linesOf: number | null;
  /** What happens next, a sentence. */
  readonly next: string;
  /** What the person can do, each a command or a sentence. */
  readonly advice: readonly string[];
}

/** What came of a start by hand. */
export interface RunAnswer extends ActionResult {
  /** null: it was refused, or waits for a run before it to end. */
  readonly run: number | null;
  /** What became of the run, for whoever asked to wait for that; null: it is not over. */
  readonly record: RunRecord | null;
}

/** Where the output of a run is kept. */
export interface RunLog {
  readonly position: LogPosition;
  /** Its first bytes, and how many are left out after them, once there were more than is kept; until then there is no such file. */
  readonly headPath: string;
  /** The run is not over: more may come. */
  readonly isLive: boolean;
}

export type RunEvent = {
  readonly type: "run";
  readonly at: string;
  /** skipped: a due time that was not started, also one that was missed. */
  readonly what: "started" | "over" | "skipped";
  readonly job: string;
  readonly run: number | null;
  /** Of a run that started. */
  readonly pid: number | null;
  /** What became of it; null: it has just started. */
  readonly record: RunRecord | null;
};

export type JobEvent = {
  readonly type: "job";
  readonly at: string;
  readonly name: string;
  readonly what: "paused" | "resumed" | "changed" | "removed";
};

export interface JobsDaemon {
  /** Sorted by name. */
  jobs(): readonly JobStatus[];
  job(name: string): JobStatus | null;
  /** The effective definition, secrets masked; null: there is no such job. */
  jobDefinition(name: string): unknown;
  selectJobs(words: readonly string[]): Selection;
  /** Obeys the job's `overlap`, unless it is forced. null: there is no such job. */
  runJob(name: string, force: boolean): ActionResult | null;
  /** It is on the disk before the answer. */
  pauseJobs(names: readonly string[]): readonly ActionResult[];
  resumeJobs(names: readonly string[]): readonly ActionResult[];
  /** `run` null: all that run, and what waits. Answers null where there is no such job. */
  killRuns(name: string, run: number | null): ActionResult | null;
  /** Newest first. */
  history(name: string, most: number): readonly RunRecord[];
  whyJob(name: string): Promise<JobWhyReport | null>;
  /** null: unknown job or run, or its output is discarded or no longer kept. */
  runLog(job: string, run: number, stream: StreamName): RunLog | null;
  /** As `followLog`, of one run. */
  followRunLog(job: string, run: number, stream: StreamName, onGrown: (position: LogPosition) => void): () => void;
}
