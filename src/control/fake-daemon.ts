/**
 * Test support: a daemon in memory that keeps the contract of `daemon.ts`, notes what it was asked, and is served on a
 * real Unix socket.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { LogPosition, StreamName } from "../keeper/messages.ts";
import type {
  ActionResult,
  Daemon,
  DaemonEvent,
  ExposedRoute,
  GpuReport,
  HealthReport,
  IdleOverview,
  JobStatus,
  JobWhyReport,
  LaunchReport,
  MachineReport,
  Numbered,
  PlanReport,
  RunLog,
  RunRecord,
  RunStart,
  RunStatus,
  Selection,
  ServiceDetail,
  ServiceStatus,
  UsageReport,
  WhyReport,
} from "./daemon.ts";
import type { FakeLog } from "./fake-log.ts";
import { type ControlOptions, type ControlServer, createControlServer } from "./server.ts";

export function status(name: string, changes: Partial<ServiceStatus> = {}): ServiceStatus {
  return {
    name,
    state: "RUNNING",
    pid: 4711,
    run: 3,
    since: "2026-11-02T10:00:00.000Z",
    restarts: 2,
    health: "healthy",
    phase: null,
    why: "it is up",
    next: "nothing: it stays up",
    wanted: "up",
    enabled: true,
    groups: [name],
    description: `the service ${name}`,
    file: { path: `services.d/${name}.yaml`, line: 1, note: null },
    ...changes,
  };
}

export function jobStatus(name: string, changes: Partial<JobStatus> = {}): JobStatus {
  return {
    name,
    state: "IDLE",
    paused: false,
    schedules: [{ expression: "30 7 * * 1-5", words: "every weekday at 07:30" }],
    timezone: "Europe/Berlin",
    next: "2026-11-03T06:30:00.000Z",
    runs: [],
    last: runRecord(name, 12),
    streak: { result: "success", count: 12 },
    why: "run 12: exit 0",
    description: `the job ${name}`,
    file: { path: `cron.d/${name}.yaml`, line: 1, note: null },
    ...changes,
  };
}

export function runRecord(job: string, run: number | null, changes: Partial<RunRecord> = {}): RunRecord {
  return {
    job,
    run,
    trigger: "schedule",
    scheduledFor: "2026-11-02T06:30:00.000Z",
    coalesced: 1,
    attempt: 1,
    startedAt: "2026-11-02T06:30:00.200Z",
    endedAt: "2026-11-02T06:32:05.200Z",
    result: "success",
    exit: { code: 0 },
    why: "exit 0",
    cpuMs: 1500,
    peakMemoryBytes: 7_000_000,
    retryAt: null,
    ...changes,
  };
}

export const EMPTY_PLAN: PlanReport = {
  added: [],
  changed: [],
  removed: [],
  kept: [],
  jobs: { added: [], changed: [], removed: [], kept: [] },
  mistakes: [],
};

export class FakeDaemon implements Daemon {
  /** What was asked of it that acts, in order: "start web db". */
  readonly asked: string[] = [];
  awakeMs = 0;
  readonly list: ServiceStatus[];
  readonly logs = new Map<string, FakeLog>();
  readonly routeList: ExposedRoute[] = [];
  readonly jobList: JobStatus[] = [];
  gpuReport: GpuReport = { state: "none", why: "nvidia-smi is not installed", at: null, devices: [] };
  /** By job, newest first. */
  readonly records = new Map<string, RunRecord[]>();
  /** By `JOB/RUN`. */
  readonly runLogs = new Map<string, FakeLog>();
  /** How many events it keeps. */
  keeps = 1_000;
  epoch = "e1";
  #events: Numbered[] = [];
  #count = 0;
  #listeners = new Set<(event: Numbered) => void>();

  constructor(...names: string[]) {
    this.list = names.map((name) => status(name));
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  announce(event: DaemonEvent): Numbered {
    const numbered = { id: `${this.epoch}-${++this.#count}`, event };
    this.#events.push(numbered);
    if (this.#events.length > this.keeps) this.#events.shift();
    for (const listener of this.#listeners) listener(numbered);
    return numbered;
  }

  say(text: string): Numbered {
    return this.announce({ type: "daemon", at: "2026-11-02T10:00:00.000Z", text });
  }

  health(): HealthReport {
    const since = "2026-11-02T09:00:00.000Z";
    return {
      status: "ok",
      version: "1.2.3",
      keeper: 10,
      core: 11,
      since,
      services: this.list.length,
      jobs: this.jobList.length,
      mistakes: 4,
      troubles: [],
      countdowns: [],
      containment: { way: "cgroup", detail: "/sys/fs/cgroup/svcd-1a2b3c4d" },
    };
  }

  services(): readonly ServiceStatus[] {
    return this.list;
  }

  service(name: string): ServiceDetail | null {
    const found = this.list.find((candidate) => candidate.name === name);
    if (found === undefined) return null;
    const logs = { stdout: `/log/${name}.log`, stderr: null };
    return { status: found, dependsOn: [], neededBy: [], logs, definition: { command: ["true"] } };
  }

  select(words: readonly string[]): Selection {
    return selected(words, this.list);
  }

  routes(): readonly ExposedRoute[] {
    return this.routeList;
  }

  act(action: string, names: readonly string[]): readonly ActionResult[] {
    return this.#did(action, names);
  }

  signal(names: readonly string[], signal: NodeJS.Signals): readonly ActionResult[] {
    return this.#did(signal, names);
  }

  setEnabled(names: readonly string[], enabled: boolean): readonly ActionResult[] {
    return this.#did(enabled ? "enable" : "disable", names);
  }

  async why(name: string): Promise<WhyReport | null> {
    const found = this.list.find((candidate) => candidate.name === name);
    if (found === undefined) return null;
    const lastEnd = { run: 2, how: "exit 1", at: "2026-11-02T09:59:00.000Z", upMs: 1200, evidence: ["no core file"] };
    const lists = {
      lastLines: ["out of memory"],
      waitsFor: [],
      idle: [],
      changedSinceGood: [],
      advice: ["svctl logs web"],
    };
    return { status: found, lastEnd, ...lists, next: found.next };
  }

  idle(): IdleOverview {
    return { awakeUntil: this.awakeMs === 0 ? null : "2026-11-02T12:00:00.000Z", idle: [] };
  }

  keepAwake(ms: number): void {
    this.awakeMs = ms;
  }

  launch(name: string): LaunchReport | null {
    if (!this.list.some((candidate) => candidate.name === name)) return null;
    const lists = { argv: [{ word: "true", from: [] }], variables: [], environment: [], notes: [], warnings: [] };
    return { name, refusal: null, cwd: "/", user: null, ...lists };
  }

  jobs(): readonly JobStatus[] {
    return this.jobList;
  }

  job(name: string): JobStatus | null {
    return this.jobList.find((candidate) => candidate.name === name) ?? null;
  }

  jobDefinition(name: string): unknown {
    return this.job(name) === null ? null : { name, schedules: [] };
  }

  selectJobs(words: readonly string[]): Selection {
    return selected(words, this.jobList);
  }

  runJob(name: string, force: boolean): ActionResult | null {
    const job = this.job(name);
    if (job === null) return null;
    this.asked.push(`run ${name}${force ? " by force" : ""}`);
    const runBefore = job.last?.run ?? 0;
    if (job.runs.length > 0 && !force) return { name, outcome: "refused", what: "run 13 is not over", runBefore };
    this.jobBecomes(name, { state: "RUNNING", runs: [...job.runs, runStatus(runBefore + 1 + job.runs.length)] });
    return { name, outcome: "done", what: `run ${runBefore + 1 + job.runs.length} started`, runBefore };
  }

  pauseJobs(names: readonly string[]): readonly ActionResult[] {
    return this.#did("pause", names);
  }

  resumeJobs(names: readonly string[]): readonly ActionResult[] {
    return this.#did("resume", names);
  }

  killRuns(name: string, run: number | null): ActionResult | null {
    if (this.job(name) === null) return null;
    return this.#did(run === null ? "kill" : `kill run ${run} of`, [name])[0]!;
  }

  history(name: string, most: number): readonly RunRecord[] {
    return (this.records.get(name) ?? []).slice(0, most);
  }

  async whyJob(name: string): Promise<JobWhyReport | null> {
    const status = this.job(name);
    if (status === null) return null;
    const lines = { lastLines: ["out of memory"], linesOf: 12 };
    return { status, history: this.history(name, 5), ...lines, next: "due again", advice: [`svctl logs ${name}`] };
  }

  runLog(job: string, run: number, stream: StreamName): RunLog | null {
    const log = stream === "stdout" ? this.runLogs.get(`${job}/${run}`) : undefined;
    if (log === undefined) return null;
    const isLive = this.job(job)?.runs.some((one) => one.run === run) ?? false;
    return { position: log.position(), headPath: `${log.path}.head`, isLive };
  }

  followRunLog(job: string, run: number, _stream: StreamName, onGrown: (position: LogPosition) => void): () => void {
    return this.runLogs.get(`${job}/${run}`)?.follow(onGrown) ?? (() => {});
  }

  jobBecomes(name: string, changes: Partial<JobStatus>): void {
    const at = this.jobList.findIndex((candidate) => candidate.name === name);
    this.jobList[at] = { ...this.jobList[at]!, ...changes };
  }

  /** Its record is in the history, and everybody who listens hears it. */
  runIsOver(job: string, run: number, changes: Partial<RunRecord> = {}): RunRecord {
    const record = runRecord(job, run, changes);
    const runs = this.job(job)!.runs.filter((one) => one.run !== run);
    this.jobBecomes(job, { runs, last: record, state: runs.length === 0 ? "IDLE" : "RUNNING" });
    this.records.set(job, [record, ...(this.records.get(job) ?? [])]);
    this.announce({ type: "run", at: record.endedAt, what: "over", job, run, pid: null, record });
    return record;
  }

  async plan(): Promise<PlanReport> {
    return EMPTY_PLAN;
  }

  async planWith(file: string): Promise<PlanReport | null> {
    return file.endsWith(".yaml") ? { ...EMPTY_PLAN, added: [file] } : null;
  }

  runStarts(name: string): readonly RunStart[] | null {
    if (this.service(name) === null) return null;
    return [{ run: 3, at: "2026-11-02T10:00:00.000Z", position: 1200 }];
  }

  usage(): UsageReport {
    const services = this.list.map(({ name, run }) => ({ name, run, cpuMs: 1500, memoryBytes: 4096, processes: 2 }));
    return { atMs: 1_000, services };
  }

  machine(): MachineReport {
    return {
      host: "box",
      load: [0.5, 0.4, 0.3],
      processors: 4,
      cpu: { busyMs: 1, allMs: 10 },
      memory: { totalBytes: 1000, usedBytes: 400, limit: "machine" },
      swap: { totalBytes: 0, usedBytes: 0 },
      disks: [{ path: "/", totalBytes: 100, freeBytes: 40 }],
      upMs: 5_000,
    };
  }

  async apply(names: readonly string[] | null): Promise<PlanReport> {
    this.asked.push(names === null ? "apply" : `apply ${names.join(" ")}`);
    return EMPTY_PLAN;
  }

  remove(names: readonly string[]): readonly ActionResult[] {
    return this.#did("remove", names);
  }

  clearLogs(names: readonly string[]): readonly ActionResult[] {
    return this.#did("clear", names);
  }

  shutdown(): void {
    this.asked.push("shutdown");
  }

  restartCore(): void {
    this.asked.push("restartCore");
  }

  eventsSince(lastId: string): readonly Numbered[] | null {
    const [epoch, number] = lastId.split("-");
    const oldest = this.#count - this.#events.length;
    const seen = Number(number);
    if (epoch !== this.epoch || !(seen >= oldest && seen <= this.#count)) return null;
    return this.#events.slice(seen - oldest);
  }

  lastEventId(): string {
    return `${this.epoch}-${this.#count}`;
  }

  oldestEventId(): string {
    return `${this.epoch}-${this.#count - this.#events.length}`;
  }

  subscribe(listener: (event: Numbered) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  log(name: string, stream: StreamName): LogPosition | null {
    return stream === "stdout" ? (this.logs.get(name)?.position() ?? null) : null;
  }

  followLog(name: string, stream: StreamName, onGrown: (position: LogPosition) => void): () => void {
    return stream === "stdout" ? (this.logs.get(name)?.follow(onGrown) ?? (() => {})) : () => {};
  }

  gpus(): Promise<GpuReport> {
    return Promise.resolve(this.gpuReport);
  }

  processFacts(pid: number): { readonly cpuSeconds: number; readonly rssBytes: number } | null {
    return pid === 4711 ? { cpuSeconds: 1.5, rssBytes: 1024 } : null;
  }

  #did(what: string, names: readonly string[]): readonly ActionResult[] {
    this.asked.push([what, ...names].join(" "));
    return names.map((name) => ({ name, outcome: "done", what: `${what} done`, runBefore: 3 }));
  }
}

function selected(words: readonly string[], known: readonly { readonly name: string }[]): Selection {
  const names = new Set<string>();
  const unknown: { word: string; suggestion: string | null }[] = [];
  for (const word of words) {
    const prefix = word.endsWith("*") ? word.slice(0, -1) : null;
    const matching = known.filter(
      ({ name }) => word === "all" || name === word || (prefix !== null && name.startsWith(prefix)),
    );
    for (const { name } of matching) names.add(name);
    const near = known.find(({ name }) => name[0] === word[0])?.name ?? null;
    if (matching.length === 0) unknown.push({ word, suggestion: near });
  }
  return { names: [...names], unknown };
}

function runStatus(run: number): RunStatus {
  const at = "2026-11-02T10:00:00.000Z";
  return { run, trigger: "manual", scheduledFor: at, startedAt: at, attempt: 1, pid: 4712, why: "runs for 1 s" };
}

export function temporaryDirectory(test: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "svcd-control-"));
  test.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export interface Served {
  readonly socketPath: string;
  readonly server: ControlServer;
  /** What the server reported as its own mistakes. */
  readonly bugs: string[];
}

/** The daemon on a socket of its own, until the test is over. */
export async function serve(test: TestContext, daemon: Daemon, options: Partial<ControlOptions> = {}): Promise<Served> {
  const socketPath = join(temporaryDirectory(test), "svcd.sock");
  const bugs: string[] = [];
  const onBug = (reference: string, request: string, error: unknown): void => {
    bugs.push(`${reference} ${request} ${error instanceof Error ? error.message : String(error)}`);
  };
  const server = createControlServer(daemon, { openapi: null, onBug, ...options });
  await server.listen(socketPath, { group: null });
  test.after(() => server.close());
  return { socketPath, server, bugs };
}
