/** Jobs in `GET /metrics`. */
import type { Daemon, JobStatus } from "./daemon.ts";
import type { Labels, Page } from "./metrics-page.ts";
import { LATENESS_BOUNDS_S, type RunCounts } from "./run-counts.ts";

/** So far back a success is looked for, once, where the last run was none. */
const RECORDS_READ = 100;

export function writeJobs(page: Page, daemon: Pick<Daemon, "jobs" | "history">, counts: RunCounts): void {
  const jobs = daemon.jobs();
  counts.keepOnly(new Set(jobs.map(({ name }) => name)));
  const family = (
    name: string,
    type: "gauge" | "counter",
    help: string,
    of: (job: JobStatus) => number | null,
  ): void => {
    page.family(name, type, help);
    for (const job of jobs) {
      const value = of(job);
      if (value !== null) page.sample(name, { job: job.name }, value);
    }
  };

  page.family("svcd_jobs", "gauge", "Jobs that svcd knows.");
  page.sample("svcd_jobs", {}, jobs.length);
  family("svcd_job_running", "gauge", "Runs that have a process now.", runningOf);
  family("svcd_job_paused", "gauge", "1: due times start nothing until it is resumed.", ({ paused }) =>
    paused ? 1 : 0,
  );
  family(
    "svcd_job_next_run_timestamp_seconds",
    "gauge",
    "When it is due next; absent: never, or it is paused.",
    (job) => seconds(job.next),
  );
  family("svcd_job_last_success_timestamp_seconds", "gauge", "When a run last ended well.", (job) =>
    lastSuccess(job, daemon, counts),
  );
  family("svcd_job_last_duration_seconds", "gauge", "How long the last run took that is over.", durationOf);

  page.family("svcd_job_runs_total", "counter", "Runs that are over, by result.");
  for (const { name } of jobs) {
    for (const [result, count] of counts.ofJob(name)?.runs ?? []) {
      page.sample("svcd_job_runs_total", { job: name, result }, count);
    }
  }
  family(
    "svcd_job_skipped_total",
    "counter",
    "Due times that were not started, by the job's own rules.",
    ({ name }) => counts.ofJob(name)?.skipped ?? 0,
  );
  family(
    "svcd_job_missed_total",
    "counter",
    "Due times that passed while nobody could start them.",
    ({ name }) => counts.ofJob(name)?.missed ?? 0,
  );
  writeLateness(page, counts);
}

function writeLateness(page: Page, { lateness }: RunCounts): void {
  const name = "svcd_job_start_lateness_seconds";
  page.family(name, "histogram", "From its due time to the start of a run, of all jobs.");
  const bucket = (le: string, count: number): void => page.sample(`${name}_bucket`, { le } satisfies Labels, count);
  for (const [at, bound] of LATENESS_BOUNDS_S.entries()) bucket(String(bound), lateness.within[at]!);
  bucket("+Inf", lateness.count);
  page.sample(`${name}_sum`, {}, lateness.sumS);
  page.sample(`${name}_count`, {}, lateness.count);
}

function runningOf({ runs }: JobStatus): number {
  return runs.filter(({ pid }) => pid !== null).length;
}

function durationOf({ last }: JobStatus): number | null {
  if (last === null || last.startedAt === null) return null;
  return Math.max(0, (Date.parse(last.endedAt) - Date.parse(last.startedAt)) / 1000);
}

function lastSuccess({ name, last }: JobStatus, daemon: Pick<Daemon, "history">, counts: RunCounts): number | null {
  if (last?.result === "success") return seconds(last.endedAt);
  let at = counts.lastSuccess(name);
  if (at === null && last !== null) {
    const record = daemon.history(name, RECORDS_READ).find(({ result }) => result === "success");
    at = record === undefined ? NONE : Date.parse(record.endedAt);
    counts.noteSuccess(name, at); // Also that there is none: history is not read again for each question.
  }
  return at === null || at === NONE ? null : at / 1000;
}

const NONE = 0;

function seconds(iso: string | null): number | null {
  return iso === null ? null : Date.parse(iso) / 1000;
}
