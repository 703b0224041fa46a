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
  HealthReport,
  Numbered,
  PlanReport,
  Selection,
  ServiceDetail,
  ServiceStatus,
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
  readonly list: ServiceStatus[];
  readonly logs = new Map<string, FakeLog>();
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
      mistakes: 4,
      troubles: [],
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
    const names = new Set<string>();
    const unknown: { word: string; suggestion: string | null }[] = [];
    for (const word of words) {
      const prefix = word.endsWith("*") ? word.slice(0, -1) : null;
      const matching = this.list.filter(
        ({ name }) => word === "all" || name === word || (prefix !== null && name.startsWith(prefix)),
      );
      for (const { name } of matching) names.add(name);
      const near = this.list.find(({ name }) => name[0] === word[0])?.name ?? null;
      if (matching.length === 0) unknown.push({ word, suggestion: near });
    }
    return { names: [...names], unknown };
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
    const lists = { lastLines: ["out of memory"], waitsFor: [], changedSinceGood: [], advice: ["svctl logs web"] };
    return { status: found, lastEnd, ...lists, next: found.next };
  }

  async plan(): Promise<PlanReport> {
    return EMPTY_PLAN;
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

  processFacts(pid: number): { readonly cpuSeconds: number; readonly rssBytes: number } | null {
    return pid === 4711 ? { cpuSeconds: 1.5, rssBytes: 1024 } : null;
  }

  #did(what: string, names: readonly string[]): readonly ActionResult[] {
    this.asked.push([what, ...names].join(" "));
    return names.map((name) => ({ name, outcome: "done", what: `${what} done`, runBefore: 3 }));
  }
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
