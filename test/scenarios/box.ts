/**
 * A machine of its own for a story: a fresh root, the real daemon as `bin/svcd` starts it, the real `bin/svctl`. Stories
 * wait for what becomes so, never for time; whatever a story leaves running is ended after it.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { crc32 } from "node:zlib";
import { type Control, control } from "../../src/control/client.ts";
import type { ServiceStatus } from "../../src/control/daemon.ts";
import { readStat } from "../../src/keeper/process-identity.ts";

const BIN = resolve(import.meta.dirname, "../../bin");
/** Generous: other suites share the machine. What should be quick is measured in the benchmark. */
const PATIENCE_MS = 30_000;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface BoxOptions {
  /** For svcd, above the test's own. */
  readonly env?: Record<string, string>;
  /** Text of svcd.yaml. */
  readonly settings?: string;
  readonly inside?: readonly string[];
}

export class Box {
  readonly root: string;
  readonly control: Control;
  readonly env: Record<string, string | undefined>;
  daemon: ChildProcess | null = null;
  /** Where `svcd` and `svctl` are. */
  bin = BIN;
  /** A command in whose surroundings svcd is started (`unshare --mount …`). */
  inside: readonly string[] = [];
  /** What svcd said on its terminal. */
  terminal = "";

  constructor(env: Record<string, string | undefined> = {}) {
    this.root = mkdtempSync(join(tmpdir(), "svcd-box-"));
    this.env = { ...process.env, SVCD_ROOT: undefined, NODE_COMPILE_CACHE: undefined, ...env };
    this.control = control(join(this.root, "run/svcd.sock"), { patienceMs: 5_000 });
    mkdirSync(join(this.root, "services.d"));
  }

  /** A running svcd with these files in services.d. It is gone when the test is. */
  static async open(t: TestContext, files: Record<string, string> = {}, options: BoxOptions = {}): Promise<Box> {
    const box = Box.prepare(t, files, options);
    await box.start();
    return box;
  }

  /** Everything is there, and svcd not started yet. */
  static prepare(t: TestContext, files: Record<string, string> = {}, options: BoxOptions = {}): Box {
    const box = new Box(options.env);
    t.after(() => box.destroy());
    box.inside = options.inside ?? [];
    for (const [name, text] of Object.entries(files)) box.write(name, text);
    if (options.settings !== undefined) writeFileSync(join(box.root, "svcd.yaml"), options.settings);
    return box;
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  /** The path of a file of a copy of svcd that this story may break; svcd and svctl are started from there. */
  installed(file: string): string {
    if (this.bin === BIN) {
      const project = resolve(BIN, "..");
      for (const folder of ["bin", "dist"]) {
        cpSync(join(project, folder), this.path("installed", folder), { recursive: true });
      }
      const packages = join(project, "node_modules");
      if (existsSync(packages)) symlinkSync(packages, this.path("installed/node_modules"));
      this.bin = this.path("installed/bin");
    }
    return this.path("installed", file);
  }

  /** Puts other words in a program of that copy, whatever blanks its bundle has. They must be there: svcd may have changed. */
  patch(file: string, before: string, after: string): void {
    const path = this.installed(file);
    const text = readFileSync(path, "utf8");
    const tokens = before.match(/[\w$]+|"[^"]*"|`[^`]*`|[^\w\s]/g) ?? [];
    const pattern = new RegExp(tokens.map((token) => token.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s*"));
    assert.ok(pattern.test(text), `${file} has no ${JSON.stringify(before)}`);
    writeFileSync(
      path,
      text.replace(pattern, () => after),
    );
  }

  /** As an editor does it well: written beside, then renamed over. */
  write(name: string, text: string): void {
    const path = this.path("services.d", name);
    writeFileSync(`${path}.tmp`, text);
    renameSync(`${path}.tmp`, path);
  }

  remove(name: string): void {
    rmSync(this.path("services.d", name));
  }

  async start(): Promise<void> {
    this.launch();
    await this.becomes("svcd answers", async () => (await this.control.health()).status === "ok");
  }

  launch(): ChildProcess {
    const [file = "", ...args] = [...this.inside, join(this.bin, "svcd"), "--root", this.root];
    const daemon = spawn(file, args, {
      env: this.env as NodeJS.ProcessEnv,
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [daemon.stdout, daemon.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (this.terminal += text));
    }
    this.daemon = daemon;
    return daemon;
  }

  /** Resolves with the exit status once svcd has ended. */
  async ended(): Promise<number | NodeJS.Signals | null> {
    const daemon = this.daemon;
    assert.ok(daemon !== null);
    if (daemon.exitCode === null && daemon.signalCode === null) await new Promise((done) => daemon.once("exit", done));
    return daemon.exitCode ?? daemon.signalCode;
  }

  /** `svctl` in the background; `text` is what it has printed so far. */
  follow(t: TestContext, ...args: string[]): { text: string } {
    const child = spawn(join(this.bin, "svctl"), ["--root", this.root, ...args], {
      env: this.env as NodeJS.ProcessEnv,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const heard = { text: "" };
    child.stdout.setEncoding("utf8").on("data", (text: string) => (heard.text += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.terminal += text));
    t.after(() => child.kill("SIGKILL"));
    return heard;
  }

  svctl(...args: string[]): Promise<Ran> {
    return this.run(join(this.bin, "svctl"), ["--root", this.root, ...args]);
  }

  run(file: string, args: readonly string[]): Promise<Ran> {
    return new Promise((done, fail) => {
      const child = spawn(file, args, { env: this.env as NodeJS.ProcessEnv, stdio: ["ignore", "pipe", "pipe"] });
      let stdout = "";
      let stderr = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
      child.on("error", fail);
      child.on("close", (code) => done({ code: code ?? -1, stdout, stderr }));
    });
  }

  async status(name: string): Promise<ServiceStatus> {
    const [status] = await this.control.services([name]);
    assert.ok(status !== undefined, `no service ${name}`);
    return status;
  }

  /** Waits until the service is as described, and answers with its status then. */
  async until(
    name: string,
    isSo: ServiceStatus["state"] | ((status: ServiceStatus) => boolean),
  ): Promise<ServiceStatus> {
    let last: ServiceStatus | undefined;
    await this.becomes(
      `${name} ${isSo}`,
      async () => {
        const all = await this.control.services();
        last = all.find((status) => status.name === name);
        return last !== undefined && (typeof isSo === "string" ? last.state === isSo : isSo(last));
      },
      () => JSON.stringify(last),
    );
    return last as ServiceStatus;
  }

  /** Looks until it is so. Fails with what svcd has said when it does not become so. */
  async becomes(what: string, isSo: () => boolean | Promise<boolean>, saw: () => string = () => ""): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    let error: unknown = null;
    while (performance.now() < until) {
      try {
        if (await isSo()) return;
        error = null;
      } catch (caught) {
        error = caught;
      }
      await new Promise((again) => setTimeout(again, 10));
    }
    assert.fail(
      `it did not become so within ${PATIENCE_MS / 1000} s: ${what}\nlast seen: ${saw()}\n${error ?? ""}\n${this.terminal}`,
    );
  }

  log(name: string): string {
    return this.file("log", name.includes(".") ? name : `${name}.log`);
  }

  /** Empty while it is not there. */
  file(...parts: string[]): string {
    try {
      return readFileSync(this.path(...parts), "utf8");
    } catch {
      return "";
    }
  }

  /** Waits until the log is exactly this. */
  async says(name: string, text: string): Promise<void> {
    await this.becomes(
      `the log of ${name} is ${JSON.stringify(text)}`,
      () => this.log(name) === text,
      () => JSON.stringify(this.log(name)),
    );
  }

  /** Waits until there are so many services and all of them are so. */
  async allBecome(count: number, isSo: (status: ServiceStatus) => boolean): Promise<readonly ServiceStatus[]> {
    let all: readonly ServiceStatus[] = [];
    await this.becomes(
      `all ${count} are so`,
      async () => {
        all = await this.control.services();
        return all.length === count && all.every(isSo);
      },
      () => JSON.stringify(all.filter((status) => !isSo(status)).slice(0, 3)),
    );
    return all;
  }

  /**
   * A pipe by which a story tells a service what to do: `read -r word < NAME` once, or `while read …; done <> NAME` for
   * more (opened anew for each word, one could get lost between a reader that closes and a writer that opens).
   */
  async fifo(name: string): Promise<void> {
    const { code, stderr } = await this.run("mkfifo", [this.path(name)]);
    assert.equal(code, 0, stderr);
  }

  /** Waits for the one who reads. */
  async put(fifo: string, text: string): Promise<void> {
    const file = await open(this.path(fifo), "w");
    await file.write(text);
    await file.close();
  }

  /** Waits until a service has written a number to a file. */
  async numberIn(file: string): Promise<number> {
    let text = "";
    await this.becomes(`${file} holds a number`, () => {
      text = this.file(file);
      return text.endsWith("\n");
    });
    return Number(text);
  }

  /** The leaders of all runs of a service that live, by the mark in their environment. */
  processesOf(name: string): number[] {
    return processesOf(this.root).filter((pid) => {
      const mark = readFileSync(`/proc/${pid}/environ`, "latin1")
        .split("\0")
        .find((entry) => entry.startsWith("SVCD_RUN="));
      return mark?.includes(`/${name}#`) && readStat(pid)?.session === pid;
    });
  }

  async pid(name: string): Promise<number> {
    const { pid } = await this.until(name, (status) => status.pid !== null);
    return pid as number;
  }

  async destroy(): Promise<void> {
    const daemon = this.daemon;
    if (daemon !== null && daemon.exitCode === null && daemon.signalCode === null) daemon.kill("SIGKILL");
    for (let round = 0; round < 50; round++) {
      const left = processesOf(this.root);
      if (left.length === 0) break;
      for (const pid of left) kill(pid, "SIGKILL");
      await new Promise((again) => setTimeout(again, 10));
    }
    removeCgroupsOf(this.path("run"));
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** An svcd that was killed leaves its empty cgroups to the next one, and here there is none. */
function removeCgroupsOf(runDir: string): void {
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "latin1"))?.[1] ?? "/";
  for (const mount of ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]) {
    const base = join(mount, own, `svcd-${crc32(runDir).toString(16).padStart(8, "0")}`);
    if (!existsSync(base)) continue;
    const below = readdirSync(base, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const path of [...below.map(({ name }) => join(base, name)), base]) {
      try {
        rmdirSync(path);
      } catch {
        // Somebody is still on the way out of it.
      }
    }
  }
}

/** Everything that a svcd of this root has started and that still lives, its core included. */
export function processesOf(root: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map(Number)
    .filter((pid) => {
      const of = (file: string): string => {
        try {
          return readFileSync(`/proc/${pid}/${file}`, "latin1");
        } catch {
          return "";
        }
      };
      return `\0${of("environ")}`.includes(`\0SVCD_RUN=${root}/`) || of("cmdline").includes(`\0--root\0${root}\0`);
    })
    .filter(isAlive);
}

/** A zombie is dead: it waits for somebody to ask how it ended. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It was quicker.
  }
}

export function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}
