/** The questions about jobs: a part of the control client. */
import type { StreamName } from "../keeper/messages.ts";
import { queryOf, selection } from "./client-paths.ts";
import type { ActionResult, JobDetail, JobStatus, JobWhyReport, RunAnswer, RunRecord } from "./daemon.ts";

export interface JobLogOptions {
  /** At most one of these two; none: all that is kept of the run. */
  readonly lines?: number;
  readonly from?: number;
  /** Until the run is over. */
  readonly follow?: boolean;
  readonly stream?: StreamName;
}

type Get = <T>(path: string) => Promise<T>;
type Post = <T>(path: string, body?: unknown) => Promise<T>;

export function jobsControl(get: Get, post: Post) {
  return {
    jobs: (words?: readonly string[]) =>
      get<readonly JobStatus[]>(words === undefined ? "/v1/jobs" : `/v1/jobs?names=${selection(words)}`),
    job: (name: string) => get<JobDetail>(jobPath(name)),
    whyJob: (name: string) => get<JobWhyReport>(`${jobPath(name)}/why`),
    /** Newest first. */
    history: (name: string, most?: number) =>
      get<readonly RunRecord[]>(`${jobPath(name)}/history${queryOf({ n: most })}`),
    runJob: (name: string, force: boolean) => post<RunAnswer>(`${jobPath(name)}/run`, { force }),
    pauseJobs: (words: readonly string[]) => post<readonly ActionResult[]>(`/v1/jobs/${selection(words)}/pause`),
    resumeJobs: (words: readonly string[]) => post<readonly ActionResult[]>(`/v1/jobs/${selection(words)}/resume`),
    /** `run` null: all that run, and what waits. */
    killRuns: (name: string, run: number | null) =>
      post<ActionResult>(`${jobPath(name)}/kill`, run === null ? undefined : { run }),
  };
}

export function runLogQuestion(job: string, run: number, options: JobLogOptions): string {
  const { lines, from, follow, stream } = options;
  const query = queryOf({ lines, from, follow: follow === true ? 1 : undefined, stream });
  return `${jobPath(job)}/runs/${run}/log${query}`;
}

function jobPath(name: string): string {
  return `/v1/jobs/${encodeURIComponent(name)}`;
}
