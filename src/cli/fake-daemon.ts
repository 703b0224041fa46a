/**
 * For tests: an svcd that says what the test tells it, over HTTP on a Unix socket, and a svctl that runs in this process
 * against it with a screen of the test's making.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type {
  DaemonEvent,
  HealthReport,
  JobStatus,
  PlanReport,
  RunRecord,
  RunStatus,
  ServiceStatus,
  WhyReport,
} from "../control/daemon.ts";
import { lintJobFile } from "../plan/job-lint.ts";
import type { Input, Screen, World } from "./call.ts";
import { main } from "./main.ts";

export function service(changes: Partial<ServiceStatus> = {}): ServiceStatus {
  return {
    name: "web",
    state: "RUNNING",
    pid: 4121,
    run: 1,
    since: "2026-11-22T12:00:00.000Z",
    restarts: 0,
    health: null,
    phase: null,
    why: "up",
    next: "goes on",
    wanted: "up",
    enabled: true,
    groups: [],
    description: "",
    file: { path: "/etc/svcd/services.d/web.yaml", line: 1, note: null },
    ...changes,
  };
}

export function job(changes: Partial<JobStatus> = {}): JobStatus {
  return {
    name: "backup",
    state: "IDLE",
    paused: false,
    schedules: [{ expression: "0 3 * * *", words: "every day at 03:00" }],
    timezone: "Europe/Berlin",
    next: "2026-11-23T02:00:00.000Z",
    runs: [],
    last: record(),
    streak: { result: "success", count: 4 },
    why: "run 12: exit 0",
    description: "",
    file: { path: "/etc/svcd/cron.d/backup.yaml", line: 1, note: null },
    ...changes,
  };
}

export function record(changes: Partial<RunRecord> = {}): RunRecord {
  return {
    job: "backup",
    run: 12,
    trigger: "schedule",
    scheduledFor: "2026-11-22T02:00:00.000Z",
    coalesced: 1,
    attempt: 1,
    startedAt: "2026-11-22T02:00:00.100Z",
    endedAt: "2026-11-22T02:02:05.100Z",
    result: "success",
    exit: { code: 0 },
    why: "exit 0",
    cpuMs: 1500,
    peakMemoryBytes: 7_340_032,
    retryAt: null,
    ...changes,
  };
}

export function liveRun(changes: Partial<RunStatus> = {}): RunStatus {
  const at = "2026-11-22T12:00:00.000Z";
  const facts = {
    trigger: "manual",
    scheduledFor: at,
    startedAt: at,
    attempt: 1,
    pid: 4122,
    why: "runs for 1m5s",
  } as const;
  return { run: 13, ...facts, ...changes };
}

export function plan(changes: Partial<PlanReport> = {}): PlanReport {
  return {
    added: [],
    changed: [],
    removed: [],
    kept: [],
    jobs: { added: [], changed: [], removed: [], kept: [] },
    mistakes: [],
    ...changes,
  };
}

export function why(status: ServiceStatus, changes: Partial<WhyReport> = {}): WhyReport {
  return {
    status,
    lastEnd: null,
    lastLines: [],
    waitsFor: [],
    idle: [],
    changedSinceGood: [],
    next: status.next,
    advice: [],
    ...changes,
  };
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly response: ServerResponse;
}

/** What is returned is the JSON of the answer; undefined: the test answers by itself. */
type Answering = (asked: Asked) => unknown;

export class FakeDaemon {
  readonly root = mkdtempSync(join(tmpdir(), "svctl-test-"));
  readonly socket = join(this.root, "run/svcd.sock");
  services: ServiceStatus[] = [];
  jobs: JobStatus[] = [];
  /** Newest first, of all jobs. */
  records: RunRecord[] = [];
  health: HealthReport = {
    status: "ok",
    version: "1.2.3",
    keeper: process.pid,
    core: process.pid,
    since: "2026-11-22T12:00:00.000Z",
    services: 0,
    jobs: 0,
    mistakes: 0,
    containment: { way: "cgroup", detail: "/sys/fs/cgroup/svcd-1a2b3c4d" },
    troubles: [],
    countdowns: [],
  };
  /** "POST /v1/services/web/start" and so on, as they came. */
  readonly heard: string[] = [];
  readonly #routes = new Map<string, Answering>();
  readonly #listeners = new Set<ServerResponse>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  async open(): Promise<this> {
    mkdirSync(join(this.root, "run"), { recursive: true });
    await new Promise<void>((done) => this.#server.listen(this.socket, done));
    return this;
  }

  /** `path` as in the request, without its query. */
  on(method: "GET" | "POST", path: string, answering: Answering): void {
    this.#routes.set(`${method} ${path}`, answering);
  }

  refuses(method: "GET" | "POST", path: string, error: { code: string; what: string; fix: string }): void {
    this.on(method, path, ({ response }) => {
      response.writeHead(404).end(JSON.stringify({ error: { where: path, ...error } }));
    });
  }

  /** One service is what it is from now on, and everybody who listens hears it. */
  becomes(changes: Partial<ServiceStatus> & { name: string }): void {
    const before = this.services.find(({ name }) => name === changes.name);
    const after = service({ ...before, ...changes });
    this.services = [...this.services.filter(({ name }) => name !== changes.name), after];
    this.tell({ type: "state", at: new Date().toISOString(), before: before?.state ?? "STOPPED", service: after });
  }

  /** It is over from now on, and everybody who listens hears it. */
  ends(changes: Partial<RunRecord> & { job: string; run: number }): void {
    const last = record(changes);
    this.records = [last, ...this.records];
    this.jobs = this.jobs.map((status) =>
      status.name === last.job ? { ...status, last, runs: status.runs.filter(({ run }) => run !== last.run) } : status,
    );
    const { job: name, run } = last;
    this.tell({ type: "run", at: last.endedAt, what: "over", job: name, run, pid: null, record: last });
  }

  /** The answer to POST …/run, after which the job has that run. */
  begins(name: string, run: RunStatus) {
    this.jobs = this.jobs.map((status) => (status.name === name ? { ...status, runs: [...status.runs, run] } : status));
    const what = `run ${run.run} started`;
    return { name, outcome: "done", what, runBefore: run.run - 1, run: run.run, record: null } as const;
  }

  tell(event: DaemonEvent): void {
    for (const listener of this.#listeners)
      listener.write(`id: 1-1\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  }

  /** As a core that dies: nobody is there any more, the socket's file stays. */
  async dies(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((done) => this.#server.close(() => done()));
  }

  async returns(): Promise<void> {
    rmSync(this.socket, { force: true });
    await new Promise<void>((done) => this.#server.listen(this.socket, done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dies().catch(() => {});
    rmSync(this.root, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://svcd");
    const path = decodeURIComponent(url.pathname);
    let text = "";
    for await (const bytes of request) text += bytes;
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    this.heard.push(`${request.method} ${path}${decodeURIComponent(url.search)}${text === "" ? "" : ` ${text}`}`);
    const route = this.#routes.get(`${request.method} ${path}`);
    if (route !== undefined) {
      const answer = route({ method: request.method ?? "", path, query: url.searchParams, body, response });
      if (answer !== undefined) response.end(JSON.stringify(answer));
      return;
    }
    if (path === "/v1/health") return void response.end(JSON.stringify(this.health));
    const ofJob = /^\/v1\/jobs\/([^/]+)(?:\/(history|why))?$/.exec(path);
    const status = this.jobs.find(({ name }) => name === ofJob?.[1]);
    if (path === "/v1/jobs") {
      const words = url.searchParams.get("names")?.split(",");
      return void response.end(JSON.stringify(this.jobs.filter(({ name }) => words?.includes(name) ?? true)));
    }
    if (status !== undefined) {
      const history = this.records.filter(({ job: name }) => name === status.name);
      const answer = { status, definition: { schedules: [], splayMs: 0 } };
      const why = { status, history, lastLines: [], linesOf: null, next: "due again", advice: [] };
      return void response.end(JSON.stringify({ history, why }[ofJob![2]!] ?? answer));
    }
    const mixedUp = [...(url.searchParams.get("names")?.split(",") ?? []), path.split("/")[3]].find((word) =>
      this.jobs.some(({ name }) => name === word),
    );
    if (mixedUp !== undefined) {
      const what = `\u201c${mixedUp}\u201d is a job, not a service`;
      const error = { code: "is_a_job", what, where: path, fix: `see: svctl jobs ${mixedUp}` };
      return void response.writeHead(404).end(JSON.stringify({ error }));
    }
    if (path === "/v1/services") {
      response.setHeader("X-Mistakes", this.health.mistakes);
      response.setHeader("X-Troubles", this.health.troubles.length);
      return void response.end(JSON.stringify(this.#named(url.searchParams.get("names"))));
    }
    if (path === "/v1/events") {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(": events\nid: 1-0\n\n");
      this.#listeners.add(response);
      response.on("close", () => this.#listeners.delete(response));
      return;
    }
    const error = { code: "no_such_path", what: `there is no ${path}`, where: path, fix: "tell the fake" };
    response.writeHead(404).end(JSON.stringify({ error }));
  }

  #named(names: string | null): readonly ServiceStatus[] {
    const words = names?.split(",");
    return this.services.filter(({ name }) => words === undefined || words.includes(name));
  }
}

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Looks {
  /** stdout and stderr are a terminal of that many columns. */
  readonly terminal?: number;
  readonly env?: Record<string, string>;
  readonly program?: string;
  /** What stdin holds. */
  readonly input?: string;
}

/** A svctl that runs; `interrupt` is Ctrl-C. */
export interface Running {
  readonly done: Promise<Outcome>;
  stdout(): string;
  stderr(): string;
  interrupt(): void;
}

export function svctl(
  daemon: { readonly root: string },
  words: string | readonly string[],
  looks: Looks = {},
): Promise<Outcome> {
  return running(daemon, words, looks).done;
}

export function running(
  { root }: { readonly root: string },
  words: string | readonly string[],
  looks: Looks = {},
): Running {
  const { terminal, env = {}, program = "/nowhere/svctl.js", input = "" } = looks;
  const written = { out: "", err: "" };
  const interrupts = new Set<() => void>();
  const screen = (to: "out" | "err"): Screen => ({
    write: (text) => {
      written[to] += typeof text === "string" ? text : Buffer.from(text).toString();
    },
    isTTY: terminal !== undefined,
    columns: () => terminal ?? 80,
  });
  const world: World = {
    jobFileReader: async () => lintJobFile,
    out: screen("out"),
    err: screen("err"),
    input: inputOf(input, terminal !== undefined),
    env: { PATH: process.env["PATH"], SVCD_ROOT: root, ...env },
    uid: process.getuid!(),
    program,
    version: "1.2.3",
    now: () => new Date("2026-11-22T12:01:05.000Z"),
    exists: existsSync,
    absolute: (path) => resolve(path),
    onInterrupt(then) {
      interrupts.add(then);
      return () => interrupts.delete(then);
    },
    tui: () => assert.fail("no test draws on this terminal"),
    terminal: () => assert.fail("there is none"),
  };
  const argv = typeof words === "string" ? words.split(" ").filter((word) => word !== "") : words;
  const done = main(argv, world).then((exitCode) => ({ exitCode, stdout: written.out, stderr: written.err }));
  return {
    done,
    stdout: () => written.out,
    stderr: () => written.err,
    interrupt: () => {
      for (const then of interrupts) then();
    },
  };
}

function inputOf(text: string, isTTY: boolean): Input {
  let rest = text;
  return {
    isTTY,
    all: (mostBytes) => (rest.length > mostBytes ? null : Buffer.from(rest)),
    line() {
      if (rest === "") return null;
      const end = rest.indexOf("\n") < 0 ? rest.length : rest.indexOf("\n");
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      return line;
    },
  };
}
