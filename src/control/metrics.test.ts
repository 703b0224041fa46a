import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeDaemon, jobStatus, runRecord, status } from "./fake-daemon.ts";
import { metrics as metricsOf } from "./metrics.ts";
import { countRuns } from "./run-counts.ts";

const metrics = (daemon: FakeDaemon, now: Date): Promise<string> => metricsOf(daemon, countRuns(daemon), now);
const NOW = new Date("2026-11-02T10:01:00.000Z");

test("Prometheus reads state, health, uptime, memory and CPU of each service", async () => {
  const lines = (await metrics(new FakeDaemon("web"), NOW)).split("\n");
  for (const line of [
    "svcd_up 1",
    'svcd_info{version="1.2.3"} 1',
    "svcd_services 1",
    "svcd_config_mistakes 4",
    'svcd_service_state{service="web",state="RUNNING"} 1',
    'svcd_service_state{service="web",state="FATAL"} 0',
    'svcd_service_health{service="web"} 1',
    'svcd_service_restarts_total{service="web"} 2',
    'svcd_service_up_seconds{service="web"} 60',
    'svcd_service_cpu_seconds_total{service="web"} 1.5',
    'svcd_service_resident_bytes{service="web"} 1024',
  ]) {
    assert.ok(lines.includes(line), line);
  }
});

test("what is not known is left out, not made up", async () => {
  const daemon = new FakeDaemon();
  daemon.list.push(status("job", { state: "EXITED", pid: null, health: null }));
  const text = await metrics(daemon, NOW);
  assert.match(text, /svcd_service_up_seconds\{service="job"\} 0/);
  for (const absent of ["svcd_service_health{", "svcd_service_cpu", "svcd_service_log_bytes_total{"]) {
    assert.ok(!text.includes(`\n${absent}`.replace("svcd_service_cpu", "svcd_service_cpu_seconds_total{")), absent);
  }
});

test("every family has one HELP and one TYPE, before its samples", async () => {
  const seen = new Set<string>();
  let family = "";
  for (const line of (await metrics(withJobs(new FakeDaemon("a", "b")), NOW)).trimEnd().split("\n")) {
    if (line.startsWith("# HELP ")) {
      family = line.split(" ")[2]!;
      assert.ok(!seen.has(family), family);
      seen.add(family);
    } else if (line.startsWith("# TYPE ")) {
      assert.match(line, new RegExp(`^# TYPE ${family} (gauge|counter|histogram)$`));
    } else {
      assert.match(line, new RegExp(`^${family}(_bucket|_sum|_count)?(\\{[^}]*\\})? [-0-9.eE+]+$`));
    }
  }
});

test("Prometheus reads of each job how its runs ended, when the last was well, and when it is due", async () => {
  const daemon = new FakeDaemon();
  daemon.jobList.push(jobStatus("backup"), jobStatus("train", { paused: true, next: null, last: null }));
  const counts = countRuns(daemon);
  daemon.runIsOver("backup", 13, { startedAt: "2026-11-02T06:30:02.000Z" });
  daemon.runIsOver("backup", 14, { result: "failure", exit: { code: 1 }, startedAt: "2026-11-02T06:30:00.100Z" });
  daemon.runIsOver("backup", 15, { result: "failure", trigger: "manual" });
  for (const [result, coalesced] of [
    ["missed", 3],
    ["skipped", 1],
  ] as const) {
    const record = runRecord("backup", null, { result, coalesced, startedAt: null, exit: null });
    daemon.announce({ type: "run", at: record.endedAt, what: "skipped", job: "backup", run: null, pid: null, record });
  }
  const lines = (await metricsOf(daemon, counts, NOW)).split("\n");
  for (const line of [
    "svcd_jobs 2",
    'svcd_job_running{job="backup"} 0',
    'svcd_job_paused{job="train"} 1',
    'svcd_job_next_run_timestamp_seconds{job="backup"} 1793687400',
    'svcd_job_last_success_timestamp_seconds{job="backup"} 1793601125.2',
    'svcd_job_last_duration_seconds{job="backup"} 125',
    'svcd_job_runs_total{job="backup",result="success"} 1',
    'svcd_job_runs_total{job="backup",result="failure"} 2',
    'svcd_job_missed_total{job="backup"} 3',
    'svcd_job_skipped_total{job="backup"} 1',
    'svcd_job_start_lateness_seconds_bucket{le="0.1"} 1',
    'svcd_job_start_lateness_seconds_bucket{le="2.5"} 2',
    'svcd_job_start_lateness_seconds_bucket{le="+Inf"} 2',
    "svcd_job_start_lateness_seconds_count 2",
  ]) {
    assert.ok(lines.includes(line), line);
  }
  const ofTrain = lines.filter((line) => line.includes('job="train"') && /next_run|last_/.test(line));
  assert.deepEqual(ofTrain, [], "what is not known is left out");
});

test("the last success is found behind failures of before this core, and a job that is gone is counted no longer", async () => {
  const daemon = new FakeDaemon();
  const failed = runRecord("backup", 12, { result: "failure" });
  daemon.jobList.push(jobStatus("backup", { last: failed }));
  daemon.records.set("backup", [failed, runRecord("backup", 11, { endedAt: "2026-11-01T00:00:00.000Z" })]);
  const counts = countRuns(daemon);
  daemon.runIsOver("backup", 13, { result: "failure" });
  assert.match(await metricsOf(daemon, counts, NOW), /last_success_timestamp_seconds\{job="backup"\} 1793491200\n/);
  daemon.jobList.length = 0;
  await metricsOf(daemon, counts, NOW);
  daemon.jobList.push(jobStatus("backup", { last: null }));
  assert.doesNotMatch(await metricsOf(daemon, counts, NOW), /svcd_job_runs_total\{/);
});

test("Prometheus reads of each GPU what it does and who has it; nothing where there is none, no old values where it is silent", async () => {
  const daemon = new FakeDaemon();
  assert.doesNotMatch(await metrics(daemon, NOW), /svcd_gpu/);
  const device = {
    ...{ index: 1, uuid: "GPU-1", name: "H100", memoryTotalBytes: 100, memoryUsedBytes: 40, utilization: 50 },
    ...{ temperatureC: null, powerW: 70, powerLimitW: 700, notForUse: null, isGone: false, holders: [] },
    leases: [{ by: "vllm", memoryBytes: null, shared: false }],
  };
  daemon.gpuReport = { state: "seen", why: null, at: "2026-11-02T10:01:00.000Z", devices: [device] };
  const lines = (await metrics(daemon, NOW)).split("\n");
  for (const line of [
    "svcd_gpu_answers 1",
    'svcd_gpu_memory_used_bytes{gpu="1",uuid="GPU-1"} 40',
    'svcd_gpu_utilization_ratio{gpu="1",uuid="GPU-1"} 0.5',
    'svcd_gpu_power_watts{gpu="1",uuid="GPU-1"} 70',
    'svcd_gpu_leased{gpu="1",uuid="GPU-1",by="vllm"} 1',
  ]) {
    assert.ok(lines.includes(line), line);
  }
  assert.ok(!lines.some((line) => line.startsWith("svcd_gpu_temperature_celsius{")));
  daemon.gpuReport = { ...daemon.gpuReport, state: "trouble", why: "it hangs" };
  assert.match(await metrics(daemon, NOW), /^svcd_gpu_answers 0\n(?!.*svcd_gpu_memory)/ms);
});

test("names cannot break out of a label", async () => {
  const text = await metrics(new FakeDaemon('a"b\\c\nd'), NOW);
  assert.ok(text.includes('svcd_service_wanted{service="a\\"b\\\\c\\nd"} 1\n'));
});

function withJobs(daemon: FakeDaemon): FakeDaemon {
  daemon.jobList.push(jobStatus("backup"), jobStatus("train"));
  return daemon;
}
