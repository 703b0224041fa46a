/**
 * `GET /metrics`: the facts of the daemon in Prometheus' text format, version 0.0.4.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { StreamName } from "../keeper/messages.ts";
import { type Daemon, type ServiceStatus, STATES } from "./daemon.ts";
import { writeGpus } from "./gpu-metrics.ts";
import { writeJobs } from "./job-metrics.ts";
import { Page } from "./metrics-page.ts";
import type { RunCounts } from "./run-counts.ts";

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** /proc is read for each process: after this many others get their turn. */
const SERVICES_PER_TURN = 50;

/** Prometheus gives up a scrape after 10 s, and all else in it is there at once. */
const GPUS_WITHIN_MS = 2_000;

const STREAMS: readonly StreamName[] = ["stdout", "stderr"];

interface Facts {
  readonly status: ServiceStatus;
  readonly process: ReturnType<Daemon["processFacts"]>;
}

export async function metrics(
  daemon: Pick<Daemon, "health" | "services" | "processFacts" | "log" | "jobs" | "history" | "gpus">,
  runCounts: RunCounts,
  now: Date,
): Promise<string> {
  const gpus = daemon.gpus(GPUS_WITHIN_MS);
  const health = daemon.health();
  const services: Facts[] = [];
  for (const status of daemon.services()) {
    services.push({ status, process: status.pid === null ? null : daemon.processFacts(status.pid) });
    if (services.length % SERVICES_PER_TURN === 0) await nextTurn();
  }
  const page = new Page();

  page.family("svcd_up", "gauge", "1: svcd answers; 0: it was asked to shut down and is stopping the services.");
  page.sample("svcd_up", {}, health.status === "ok" ? 1 : 0);
  page.family("svcd_info", "gauge", "Always 1; the version of svcd is its label.");
  page.sample("svcd_info", { version: health.version }, 1);
  page.family("svcd_start_time_seconds", "gauge", "When svcd started, seconds since 1970.");
  page.sample("svcd_start_time_seconds", {}, Date.parse(health.since) / 1000);
  page.family("svcd_services", "gauge", "Services that svcd knows.");
  page.sample("svcd_services", {}, health.services);
  page.family("svcd_config_mistakes", "gauge", "Mistakes in the files that describe services.");
  page.sample("svcd_config_mistakes", {}, health.mistakes);

  page.family("svcd_service_state", "gauge", "1 for the state that the service is in, 0 for the others.");
  for (const { status } of services) {
    for (const state of STATES) {
      page.sample("svcd_service_state", { service: status.name, state }, status.state === state ? 1 : 0);
    }
  }
  page.family("svcd_service_wanted", "gauge", "1: the service is wanted up.");
  for (const { status } of services) {
    page.sample("svcd_service_wanted", { service: status.name }, status.wanted === "up" ? 1 : 0);
  }
  page.family(
    "svcd_service_health",
    "gauge",
    "1: healthy, 0: not (yet). Only services that run and have a health check.",
  );
  for (const { status } of services) {
    if (status.health === null) continue;
    page.sample("svcd_service_health", { service: status.name }, status.health === "healthy" ? 1 : 0);
  }
  page.family(
    "svcd_service_restarts_total",
    "counter",
    "Starts that nobody asked for; begins at 0 when somebody asks for one.",
  );
  for (const { status } of services) {
    page.sample("svcd_service_restarts_total", { service: status.name }, status.restarts);
  }
  page.family("svcd_service_up_seconds", "gauge", "How long the service has been RUNNING; 0 when it is not.");
  for (const { status } of services) page.sample("svcd_service_up_seconds", { service: status.name }, up(status, now));
  page.family("svcd_service_cpu_seconds_total", "counter", "CPU time of the service's main process.");
  for (const { status, process } of services) {
    if (process !== null) page.sample("svcd_service_cpu_seconds_total", { service: status.name }, process.cpuSeconds);
  }
  page.family("svcd_service_resident_bytes", "gauge", "Resident memory of the service's main process.");
  for (const { status, process } of services) {
    if (process !== null) page.sample("svcd_service_resident_bytes", { service: status.name }, process.rssBytes);
  }
  writeLogs(page, daemon, services);
  writeJobs(page, daemon, runCounts);
  writeGpus(page, await gpus);
  return page.text();
}

function writeLogs(page: Page, daemon: Pick<Daemon, "log">, services: readonly Facts[]): void {
  const logs = services.flatMap(({ status: { name } }) =>
    STREAMS.flatMap((stream) => {
      const log = daemon.log(name, stream);
      // With stderr in stdout's file there is one log, whatever it is asked by.
      return log === null || log.stream !== stream ? [] : [{ labels: { service: name, stream }, log }];
    }),
  );
  page.family("svcd_service_log_bytes_total", "counter", "Bytes of output in the log since svcd opened it.");
  for (const { labels, log } of logs) page.sample("svcd_service_log_bytes_total", labels, log.position);
  page.family(
    "svcd_service_log_dropped_bytes_total",
    "counter",
    "Bytes of output that could not be written to the log.",
  );
  for (const { labels, log } of logs) page.sample("svcd_service_log_dropped_bytes_total", labels, log.droppedBytes);
}

function up({ state, since }: ServiceStatus, now: Date): number {
  return state === "RUNNING" ? Math.max(0, (now.getTime() - Date.parse(since)) / 1000) : 0;
}
