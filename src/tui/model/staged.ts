/**
 * Test support: a person at a screen of which everything is known, the time too. `press` and `hears` go through `update` as everything
 * does; what the edge was asked to do is kept.
 */
import type {
  DaemonEvent,
  ExposedRoute,
  HealthReport,
  JobStatus,
  RunRecord,
  ServiceDetail,
  ServiceStatus,
} from "../../control/daemon.ts";
import { draw } from "../view/draw.ts";
import type { Command } from "./command.ts";
import { BINDINGS, type Keymap } from "./keymap.ts";
import type { Message } from "./message.ts";
import { firstModel, type Model, type Surroundings } from "./model.ts";
import { update } from "./update.ts";

/** 2026-11-02 10:00:00, wherever the test runs. */
export const NOW = new Date(2026, 10, 2, 10, 0, 0).getTime();

export const ago = (ms: number): string => new Date(NOW - ms).toISOString();

export function service(name: string, changes: Partial<ServiceStatus> = {}): ServiceStatus {
  return {
    name,
    state: "RUNNING",
    pid: 4711,
    run: 3,
    since: ago(3_600_000),
    restarts: 0,
    health: null,
    phase: null,
    why: "up",
    next: "is restarted when it ends",
    wanted: "up",
    enabled: true,
    groups: [name],
    description: "",
    file: { path: `/etc/svcd/services.d/${name}.yaml`, line: 1, note: null },
    ...changes,
  };
}

export function detail(name: string, changes: Partial<ServiceDetail> = {}): ServiceDetail {
  const logs = { stdout: `/log/${name}.log`, stderr: null };
  return { status: service(name), dependsOn: [], neededBy: [], logs, definition: {}, ...changes };
}

export function route(name: string, port: number, title: string | null): ExposedRoute {
  const exposure: NonNullable<ExposedRoute["exposure"]> = {
    ...{ port, to: { host: "127.0.0.1", port: port + 10_000 }, path: "/docs", name: title, auth: "token" },
    ...{ holdMs: 0, idempotent: [], start: "always", tunnel: "none", maxBodyBytes: null, cors: [] },
    ...{ hostIsLocal: false, allowDev: false },
  };
  return {
    service: name,
    of: name,
    file: { path: `/etc/svcd/services.d/${name}.yaml`, line: 9 },
    exposure,
    problem: null,
  };
}

export function record(job: string, run: number, changes: Partial<RunRecord> = {}): RunRecord {
  return {
    job,
    run,
    trigger: "schedule",
    scheduledFor: ago(3_600_000),
    coalesced: 1,
    attempt: 1,
    startedAt: ago(3_600_000),
    endedAt: ago(3_475_000),
    result: "success",
    exit: { code: 0 },
    why: "exit 0",
    cpuMs: 1_500,
    peakMemoryBytes: 7_000_000,
    retryAt: null,
    ...changes,
  };
}

export function job(name: string, changes: Partial<JobStatus> = {}): JobStatus {
  return {
    name,
    state: "IDLE",
    paused: false,
    schedules: [{ expression: "30 7 * * *", words: "every day at 07:30" }],
    timezone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    next: new Date(NOW + 21.5 * 3_600_000).toISOString(),
    runs: [],
    last: record(name, 12),
    streak: { result: "success", count: 12 },
    why: "run 12: exit 0",
    description: "",
    file: { path: `/etc/svcd/cron.d/${name}.yaml`, line: 1, note: null },
    ...changes,
  };
}

const HEALTH = {
  status: "ok",
  version: "1.2.3",
  keeper: 10,
  core: 11,
  since: ago(3 * 86_400_000),
  services: 3,
  jobs: 1,
  mistakes: 0,
  containment: { way: "cgroup", detail: "/sys/fs/cgroup/svcd-1a2b3c4d" },
  troubles: [],
  countdowns: [],
} as const satisfies HealthReport;

const AROUND: Surroundings = {
  now: NOW,
  columns: 80,
  rows: 24,
  depth: 256,
  hasUnicode: true,
  theme: "dark",
  hasMouse: true,
  isReadOnly: false,
  canEdit: true,
};

export class Staged {
  model: Model;
  readonly commands: Command[] = [];
  readonly keymap: Keymap;

  constructor(services: readonly ServiceStatus[], around: Partial<Surroundings> = {}, jobs: readonly JobStatus[] = []) {
    this.keymap = BINDINGS;
    this.model = firstModel({ ...AROUND, ...around });
    this.hears({ type: "connection", isThere: true });
    this.tells(services, jobs);
    this.commands.length = 0;
  }

  /** All there is, anew. */
  tells(services: readonly ServiceStatus[], jobs: readonly JobStatus[] = this.model.jobs): void {
    this.hears({ type: "everything", health: HEALTH, services, jobs, mistakes: 0, troubles: 0 });
  }

  hears(message: Message): void {
    const [model, commands] = update(this.model, message, this.keymap);
    this.model = model;
    this.commands.push(...commands);
  }

  event(event: DaemonEvent, id = `e-${this.model.events.length + 1}`): void {
    this.hears({ type: "event", id, event });
  }

  becomes(status: ServiceStatus, before: ServiceStatus["state"] = "RUNNING"): void {
    this.event({ type: "state", at: ago(0), before, service: status });
  }

  press(...keys: readonly string[]): void {
    for (const key of keys) this.hears({ type: "key", key });
  }

  type(text: string): void {
    this.press(...text);
  }

  passes(ms: number): void {
    const [model, commands] = update(this.model, { type: "tick" }, this.keymap, this.model.now + ms);
    this.model = model;
    this.commands.push(...commands);
  }

  /** What the edge was asked to do but look things up, since the last time. */
  asked(): readonly Command[] {
    const asked = this.commands.filter(({ do: what }) => what !== "ask");
    this.commands.length = 0;
    return asked;
  }

  screen(): string {
    return draw(this.model, this.keymap).text();
  }

  get chosen(): string | null {
    return this.model.lists[this.model.view].chosen;
  }
}
