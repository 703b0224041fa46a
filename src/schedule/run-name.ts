/**
 * A run of a job as a process: the keeper knows runs of services by the service's name, and one of a job as `JOB!RUN`. No
 * service's or job's name has a `!`, so several runs of one job can live at once and the keeper need not know what a job is.
 */
import type { RunNumber } from "../service/life.ts";

export interface JobRun {
  readonly job: string;
  readonly run: RunNumber;
}

export function processNameOf(job: string, run: RunNumber): string {
  return `${job}!${run}`;
}

/** null: the process is a service's. */
export function jobRunOf(processName: string): JobRun | null {
  const mark = processName.lastIndexOf("!");
  return mark === -1 ? null : { job: processName.slice(0, mark), run: Number(processName.slice(mark + 1)) };
}
