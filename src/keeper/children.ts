/**
 * The runs: starting them, signalling them, learning that they ended, and ending what they leave behind. Every signal goes to a
 * process whose identity is certain: our own child that has not been reaped cannot have passed its pid on; of any other
 * /proc is asked first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { ContainedRun, Containment } from "./containment.ts";
import type { EndedRun, KeptExit, LiveRun, RunName, Spawn } from "./messages.ts";
import { endOf, isAlive, isGone, monotonicMs, type ProcessStat, readStat, UNKNOWN_START } from "./process-identity.ts";
import type { ChildFiles } from "./service-output.ts";

interface Run extends ContainedRun {
  /** null: adopted from an earlier keeper; its exit status is known only if nobody reaps it. */
  readonly child: ChildProcess | null;
  signalled: NodeJS.Signals | null;
}

/** A run that was ordered to end: KILL goes to all of it until nothing is left. */
interface Ending {
  readonly run: ContainedRun;
  readonly since: number;
  /** The survivors that were told last. */
  told: string;
}

export interface ChildrenListener {
  onExit(ended: EndedRun): void;
  /** What the main process had left behind is gone. */
  onGone(name: RunName, cpuMs: number | null): void;
  onSurvived(name: RunName, survivors: readonly string[]): void;
}

/** Adopted processes are not our children: only looking tells that they ended. */
const LOOK_EVERY_MS = 200;
/** KILL takes milliseconds, unless a process hangs in the kernel. */
const FIRST_LOOK_AFTER_KILL_MS = 2;
const LONGEST_PAUSE_AFTER_KILL_MS = 250;
/** So long it is no news that something still exits. */
const TELL_SURVIVORS_AFTER_MS = 1_000;
/** A page of names helps nobody. */
const MOST_SURVIVORS = 8;

export class Children {
  readonly #runs = new Map<string, Run>();
  /** Their main process ended and something of them is left. */
  readonly #uncleared = new Map<string, ContainedRun>();
  readonly #ending = new Map<string, Ending>();
  /** Ended in this turn of the event loop: what they left is looked for once for all of them. */
  #justEnded: { readonly run: ContainedRun; readonly exit: KeptExit; readonly at: number }[] = [];
  readonly #containment: Containment;
  readonly #listener: ChildrenListener;
  #looking: NodeJS.Timeout | null = null;
  #clearing: NodeJS.Timeout | null = null;
  #pauseMs = FIRST_LOOK_AFTER_KILL_MS;

  constructor(containment: Containment, listener: ChildrenListener) {
    this.#containment = containment;
    this.#listener = listener;
  }

  /** Nothing runs, and nothing is left of what ran. */
  get isEmpty(): boolean {
    this.#settle();
    return this.#runs.size === 0 && this.#uncleared.size === 0;
  }

  live(): LiveRun[] {
    this.#settle();
    return [...this.#runs.values()].map(({ child: _, enclosure: __, isWatched: ___, ...live }) => live);
  }

  uncleared(): RunName[] {
    this.#settle();
    return [...this.#uncleared.values()].map(({ service, run }) => ({ service, run }));
  }

  /**
   * Starts the program as leader of its own session. What the kernel refuses comes back as a value, at once: Node throws
   * some of it and emits the rest, but the pid is there or missing when `spawn` returns.
   */
  spawn(order: Spawn, files: ChildFiles, onRefused: (code: string, message: string) => void): ContainedRun | null {
    this.#settle();
    const { service, run } = order;
    const other = this.#ofService(service);
    if (other !== null) {
      // The core knows better, usually. Whatever it thinks: never two.
      files.close();
      onRefused("EALREADY", other);
      return null;
    }
    const startedAt = monotonicMs();
    const { made: child, enclosure } = this.#containment.enclose(
      () => this.#spawn(order, files, onRefused),
      order.isMeasured,
    );
    const pid = child?.pid;
    if (child === null || pid === undefined) return null;
    const startTicks = readStat(pid)?.startTicks ?? UNKNOWN_START;
    const contained: ContainedRun = { service, run, pid, startTicks, startedAt, enclosure, isWatched: true };
    this.#runs.set(keyOf(order), { ...contained, child, signalled: null });
    child.on("error", () => {}); // A signal that could not be sent: `signal` has its own answer.
    child.on("exit", (code, signal) => {
      const exit: KeptExit = signal === null ? { kind: "code", code: code ?? 0 } : { kind: "signal", signal };
      this.#ended(contained, exit);
    });
    return contained;
  }

  #spawn(order: Spawn, files: ChildFiles, onRefused: (code: string, message: string) => void): ChildProcess | null {
    let oldUmask: number | null = null;
    try {
      if (order.umask !== null) oldUmask = process.umask(order.umask);
      const child = spawn(order.file, order.argv.slice(1), {
        argv0: order.argv[0] ?? order.file,
        cwd: order.cwd,
        env: order.env,
        detached: true,
        stdio: [files.stdin, files.stdout, files.stderr],
      });
      if (child.pid !== undefined) return child;
      child.on("error", (error: NodeJS.ErrnoException) => onRefused(error.code ?? "UNKNOWN", error.message));
      return null;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      onRefused(code ?? "UNKNOWN", message);
      return null;
    } finally {
      if (oldUmask !== null) process.umask(oldUmask);
      files.close();
    }
  }

  #ofService(service: string): string | null {
    for (const { service: other, run, pid } of this.#runs.values()) {
      if (other === service) return `run ${run} of ${service} still lives (pid ${pid})`;
    }
    for (const left of this.#uncleared.values()) {
      if (left.service !== service) continue;
      this.end(left);
      return `something is left of run ${left.run} of ${service}: ${this.#survivorsOf(left).join(", ")}`;
    }
    return null;
  }

  adopt(run: ContainedRun): void {
    this.#runs.set(keyOf(run), { ...run, child: null, signalled: null });
    this.#looking ??= setInterval(() => this.#lookForTheDead(), LOOK_EVERY_MS);
  }

  /** It ended while no keeper was there. Is nothing left of it? */
  adoptDead(run: ContainedRun): boolean {
    const isClear = this.#containment.cleared([run]).has(run);
    if (!isClear) this.#uncleared.set(keyOf(run), run);
    return isClear;
  }

  signal(name: RunName, signal: NodeJS.Signals, to: "main" | "group"): void {
    const run = this.#runs.get(keyOf(name));
    if (run === undefined) return; // It ended, or never was: the core hears of that, or has.
    if (run.child === null && !isAlive(run.pid, run.startTicks)) return;
    if (signal !== "SIGCONT") run.signalled = signal;
    send(to === "group" ? -run.pid : run.pid, signal);
  }

  /** KILL for everything of it, the leader included, until nothing is left. */
  end(name: RunName): void {
    this.#settle();
    const key = keyOf(name);
    const run = this.#runs.get(key) ?? this.#uncleared.get(key);
    if (run === undefined) return;
    this.#kill(run);
    if (!this.#ending.has(key)) this.#ending.set(key, { run, since: monotonicMs(), told: "" });
    this.#pauseMs = FIRST_LOOK_AFTER_KILL_MS;
    if (this.#clearing !== null) clearTimeout(this.#clearing);
    this.#clearing = setTimeout(() => this.#lookForSurvivors(), this.#pauseMs);
  }

  #kill(run: ContainedRun): void {
    const live = this.#runs.get(keyOf(run));
    if (live !== undefined) live.signalled = "SIGKILL";
    this.#containment.kill(run);
  }

  #lookForSurvivors(): void {
    this.#clearing = null;
    this.#settle();
    this.#noteCleared();
    for (const [key, ending] of this.#ending) {
      if (this.#runs.has(key) || this.#uncleared.has(key)) this.#killAgain(ending);
      else this.#ending.delete(key);
    }
    if (this.#ending.size === 0) return;
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_AFTER_KILL_MS);
    this.#clearing = setTimeout(() => this.#lookForSurvivors(), this.#pauseMs);
  }

  #noteCleared(): void {
    const runs = [...this.#uncleared.values()];
    const used = this.#usedBy(runs);
    for (const run of this.#containment.cleared(runs)) {
      const name = { service: run.service, run: run.run };
      this.#uncleared.delete(keyOf(name));
      this.#listener.onGone(name, used.get(run) ?? null);
    }
  }

  #killAgain(ending: Ending): void {
    this.#kill(ending.run);
    if (monotonicMs() - ending.since < TELL_SURVIVORS_AFTER_MS) return;
    const survivors = this.#survivorsOf(ending.run);
    const told = survivors.join();
    if (told === ending.told || survivors.length === 0) return;
    ending.told = told;
    this.#listener.onSurvived(ending.run, survivors);
  }

  #survivorsOf(run: ContainedRun): string[] {
    const members = this.#containment.members(run);
    const names = members.slice(0, MOST_SURVIVORS).map(inWords);
    return members.length > MOST_SURVIVORS ? [...names, `${members.length - MOST_SURVIVORS} more`] : names;
  }

  #ended(run: ContainedRun, exit: KeptExit): void {
    this.#runs.delete(keyOf(run));
    if (this.#justEnded.length === 0) setImmediate(() => this.#settle());
    this.#justEnded.push({ run, exit, at: monotonicMs() });
  }

  #settle(): void {
    if (this.#justEnded.length === 0) return;
    const ended = this.#justEnded;
    this.#justEnded = [];
    const used = this.#usedBy(ended.map(({ run }) => run));
    const cleared = this.#containment.cleared(ended.map(({ run }) => run));
    for (const { run, exit, at } of ended) {
      const isClear = cleared.has(run);
      if (!isClear) this.#uncleared.set(keyOf(run), run);
      const { service, run: number, pid } = run;
      const cpuMs = used.get(run);
      const known = cpuMs === undefined ? {} : { cpuMs };
      this.#listener.onExit({ is: "exited", service, run: number, pid, exit, at, isClear, ...known });
    }
  }

  #usedBy(runs: readonly ContainedRun[]): ReadonlyMap<ContainedRun, number> {
    const known = runs.map((run) => [run, this.#containment.cpuMsOf(run)] as const);
    return new Map(known.filter((one): one is readonly [ContainedRun, number] => one[1] !== null));
  }

  #lookForTheDead(): void {
    const adopted = [...this.#runs.values()].filter(({ child }) => child === null);
    for (const run of adopted) {
      if (isGone(run.pid, run.startTicks)) this.#ended(run, endOf(run.pid, run.startTicks));
    }
    if (adopted.length === 0 && this.#looking !== null) {
      clearInterval(this.#looking);
      this.#looking = null;
    }
  }
}

function inWords({ pid, name, state }: ProcessStat): string {
  return `pid ${pid} (${name}), state ${state}`;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it ended in this moment. EPERM: a set-uid program; the core will see that it does not end.
  }
}

function keyOf({ service, run }: RunName): string {
  return `${service}#${run}`;
}
