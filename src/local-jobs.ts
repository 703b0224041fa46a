/**
 * The half of the daemon that knows of jobs, as the control API asks it: what the supervisor says of them, and what the system
 * knows beside it (output of runs). Wiring, as in `local-daemon.ts`.
 */
import { existsSync } from "node:fs";
import type { JobsDaemon, JobWhyReport, RunEvent, RunLog } from "./control/daemon-jobs.ts";
import type { StreamName } from "./keeper/messages.ts";
import type { KeeperClient } from "./os/keeper-client.ts";
import { lastLines } from "./os/last-lines.ts";
import { runLogPath } from "./places.ts";
import type { JobDefinition } from "./plan/job.ts";
import { masked } from "./plan/secrets.ts";
import type { News } from "./ports.ts";
import { processNameOf } from "./schedule/run-name.ts";
import type { JobStatus } from "./supervisor/job-answers.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";

export interface LocalJobsOptions {
  readonly supervisor: Supervisor;
  readonly keeper: Pick<KeeperClient, "positionOf" | "follow">;
  readonly logDir: string;
}

/** Lines of output in an answer to "why", and due times. */
const LAST_LINES = 20;
const RECORDS = 10;
/** More than any job keeps. */
const ALL_RECORDS = 10_000;

export function localJobs(options: LocalJobsOptions): JobsDaemon {
  const { supervisor, keeper } = options;
  return {
    jobs: () => supervisor.jobs(),
    job: (name) => supervisor.job(name),
    jobDefinition: (name) => shownDefinition(supervisor.jobDefinition(name)),
    selectJobs: (words) => supervisor.selectJobs(words),
    runJob: (name, force) => supervisor.runJob(name, force),
    pauseJobs: (names) => supervisor.pauseJobs(names),
    resumeJobs: (names) => supervisor.resumeJobs(names),
    killRuns: (name, run) => supervisor.killRuns(name, run),
    history: (name, most) => supervisor.history(name, most),
    whyJob: async (name) => whyJob(options, name),
    runLog: (job, run, stream) => runLog(options, job, run, stream),
    followRunLog: (job, run, stream, onGrown) => {
      const stands = runLog(options, job, run, stream)?.position ?? null;
      // The keeper tells of logs that it has opened; that of a run that is over stands all the same.
      if (stands !== null) setImmediate(onGrown, stands);
      return keeper.follow(processNameOf(job, run), stands?.stream ?? stream, onGrown);
    },
  };
}

/** Values that look like secrets are hidden; whoever knows the address of a ping can pretend that a job went well. */
function shownDefinition(definition: JobDefinition | null): unknown {
  if (definition === null) return null;
  const notify = definition.notify.map(({ on, by }) => ({
    on: [...on],
    by: by.kind === "ping" ? { ...by, url: `${originOf(by.url)}/(hidden)` } : by,
  }));
  return { ...definition, service: masked(definition.service), notify };
}

function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "";
}

function runLog(
  { supervisor, keeper, logDir }: LocalJobsOptions,
  job: string,
  run: number,
  stream: StreamName,
): RunLog | null {
  const definition = supervisor.jobDefinition(job);
  const path = definition === null ? null : logPath(definition, logDir, run, stream);
  if (path === null) return null;
  const isLive = supervisor.hasRun(job, run);
  const headPath = `${path}.head`;
  const isKept = isLive || existsSync(path) || existsSync(headPath) || hasRecord(supervisor, job, run);
  if (!isKept) return null;
  const kept = definition?.service.logs?.stderr === "merged" ? "stdout" : stream;
  return { position: keeper.positionOf(processNameOf(job, run), kept, path), headPath, isLive };
}

/** A run that printed nothing has a log all the same: an empty one. */
function hasRecord(supervisor: Supervisor, job: string, run: number): boolean {
  return supervisor.history(job, ALL_RECORDS).some((record) => record.run === run);
}

/** null: it is discarded. */
function logPath({ name, service }: JobDefinition, logDir: string, run: number, stream: StreamName): string | null {
  if (service.logs === null) return null;
  return runLogPath(logDir, { job: name, run }, service.logs.stderr === "merged" ? "stdout" : stream);
}

function whyJob({ supervisor, logDir }: LocalJobsOptions, name: string): JobWhyReport | null {
  const status = supervisor.job(name);
  const definition = supervisor.jobDefinition(name);
  if (status === null || definition === null) return null;
  const linesOf = status.runs.findLast(({ pid }) => pid !== null)?.run ?? status.last?.run ?? null;
  const lines =
    linesOf === null
      ? []
      : (["stdout", "stderr"] as const).flatMap((stream) => {
          const isSeparate = definition.service.logs?.stderr !== "merged";
          const path = stream === "stderr" && !isSeparate ? null : logPath(definition, logDir, linesOf, stream);
          return path === null ? [] : lastLines(path, LAST_LINES);
        });
  return {
    status,
    history: supervisor.history(name, RECORDS),
    lastLines: lines,
    linesOf: lines.length === 0 ? null : linesOf,
    next: nextOf(status, definition.service.enabled),
    advice: adviceFor(status, definition.service.enabled),
  };
}

function nextOf({ paused, next, last, runs }: JobStatus, enabled: boolean): string {
  if (!enabled) return "nothing: it is disabled in its file; a start by hand is possible";
  if (paused) return "nothing until it is resumed; a start by hand is possible";
  const retry = runs.length === 0 ? (last?.retryAt ?? null) : null;
  const due = next === null ? "it is never due" : `due at ${next}`;
  return retry === null ? due : `tried again at ${retry}; ${due}`;
}

function adviceFor({ name, paused, runs, last, next, file }: JobStatus, enabled: boolean): string[] {
  const advice: string[] = [];
  if (file.note !== null) advice.push(`mend the file: svctl plan shows every mistake of ${file.path}`);
  if (runs.length > 0) advice.push(`watch it: svctl logs -f ${name}`, `end it: svctl kill ${name}`);
  const hasFailed = last !== null && ["failure", "timeout", "unknown"].includes(last.result);
  if (last?.result === "timeout") advice.push("give it more time (`timeout:`), or find out what it waits for");
  if (hasFailed) advice.push(`read all of its output: svctl logs ${name} --run ${last.run}`);
  if (hasFailed && runs.length === 0) advice.push(`mend the cause, then: svctl run ${name} --follow`);
  if (paused) advice.push(`let it run again: svctl resume ${name}`);
  if (!enabled) advice.push(`let it run by its schedule: take \`enabled: false\` from ${file.path}`);
  else if (next === null && !paused) advice.push(`its schedule never comes: svctl next ${name}`);
  return advice;
}

/** What the supervisor announces about a run, as it goes to whoever listens. */
export function runEvent(at: string, news: Extract<News, { kind: "run" }>): RunEvent {
  const { what, job } = news;
  return what === "started"
    ? { type: "run", at, what, job, run: news.run, pid: news.pid, record: null }
    : { type: "run", at, what, job, run: news.record.run, pid: null, record: news.record };
}
