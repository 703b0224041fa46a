/**
 * What became of due times, in the state directory: marks in one durable journal (`job-marks.ts`), records in a file for each job
 * (`run-records.ts`), the outputs of runs in `log/jobs/JOB/` for as long as their record is kept.
 */
import { rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { RUN_LOG_ENDINGS, runLogPath } from "../places.ts";
import type { JobHistory, JobMark } from "../ports.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import type { RunNumber } from "../service/life.ts";
import { JobMarks } from "./job-marks.ts";
import { type Keep, RunRecords } from "./run-records.ts";

export interface JobHistoryOptions {
  /** `state/`: it holds `jobs.journal` and `jobs/`. */
  readonly stateDir: string;
  readonly logDir: string;
  readonly say: (line: string) => void;
  /** What is kept of a job now; null: there is no such job. Asked once an hour. */
  readonly keepOf: (job: string) => Keep | null;
  /** Another in tests. */
  readonly now?: () => Date;
}

export class LinuxJobHistory implements JobHistory {
  readonly #marks: JobMarks;
  readonly #records: RunRecords;

  constructor({ stateDir, logDir, say, keepOf, now = () => new Date() }: JobHistoryOptions) {
    this.#marks = new JobMarks(join(stateDir, "jobs.journal"), say);
    this.#records = new RunRecords({
      directory: join(stateDir, "jobs"),
      say,
      keepOf,
      now,
      forgetOutput: (job, runs) => removeOutputs(logDir, job, runs),
    });
  }

  /** Why it would not all be known after a start of the machine; null: it would. */
  get failing(): string | null {
    return this.#marks.failing ?? this.#records.failing;
  }

  tryAgain(): void {
    this.#marks.tryAgain();
    this.#records.tryAgain();
  }

  record(record: RunRecord, keep: Keep): void {
    this.#records.record(record, keep);
  }

  of(job: string, most: number): readonly RunRecord[] {
    return this.#records.of(job, most);
  }

  note(marks: ReadonlyMap<string, JobMark>): void {
    this.#marks.note(marks);
  }

  marks(): ReadonlyMap<string, JobMark> {
    return this.#marks.marks();
  }

  forget(job: string): void {
    this.#marks.forget(job);
  }

  close(): void {
    this.#records.close();
  }
}

function removeOutputs(logDir: string, job: string, runs: readonly RunNumber[]): void {
  const paths = runs.flatMap((run) => [
    runLogPath(logDir, { job, run }, "stdout"),
    runLogPath(logDir, { job, run }, "stderr"),
  ]);
  for (const path of paths) for (const ending of RUN_LOG_ENDINGS) removeQuietly(`${path}${ending}`);
  try {
    if (paths[0] !== undefined) rmdirSync(dirname(paths[0]));
  } catch {
    // There are others in it: the usual case.
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It stays; a disk that is read-only keeps its record, too.
  }
}
