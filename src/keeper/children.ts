/**
 * The runs: starting them, signalling them, learning that they ended. Every signal goes to a process whose identity is
 * certain: our own child that has not been reaped cannot have passed its pid on; of an adopted one /proc is asked first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { EndedRun, KeptExit, LiveRun, RunName, Spawn } from "./messages.ts";
import { allPids, isAlive, monotonicMs, readStat } from "./process-identity.ts";
import type { ChildOutput } from "./service-output.ts";

interface Run extends LiveRun {
  /** null: adopted from an earlier keeper; its exit status is not ours to learn. */
  readonly child: ChildProcess | null;
  signalled: NodeJS.Signals | null;
}

/** Adopted processes are not our children: only looking tells that they ended. */
const LOOK_EVERY_MS = 200;

export class Children {
  readonly #runs = new Map<string, Run>();
  /** Leaders that ended, until `end`: their group may have survived them. */
  readonly #leaderless = new Map<string, LiveRun>();
  readonly #onExit: (ended: EndedRun) => void;
  #looking: NodeJS.Timeout | null = null;

  constructor(onExit: (ended: EndedRun) => void) {
    this.#onExit = onExit;
  }

  get size(): number {
    return this.#runs.size;
  }

  live(): LiveRun[] {
    return [...this.#runs.values()].map(({ child: _, ...live }) => live);
  }

  /**
   * Starts the program as leader of its own session. What the kernel refuses comes back as a value, at once: Node throws
   * some of it and emits the rest, but the pid is there or missing when `spawn` returns.
   */
  spawn(order: Spawn, output: ChildOutput, onRefused: (code: string, message: string) => void): LiveRun | null {
    const { service, run, umask } = order;
    const other = [...this.#runs.values()].find((candidate) => candidate.service === service);
    if (other !== undefined) {
      // The core knows better, usually. Whatever it thinks: never two.
      output.close();
      onRefused("EALREADY", `run ${other.run} of ${service} still lives (pid ${other.pid})`);
      return null;
    }
    const startedAt = monotonicMs();
    let oldUmask: number | null = null;
    let child: ChildProcess;
    try {
      this.#endLeftovers(service);
      if (umask !== null) oldUmask = process.umask(umask);
      child = spawn(order.file, order.argv.slice(1), {
        argv0: order.argv[0] ?? order.file,
        cwd: order.cwd,
        env: order.env,
        detached: true,
        stdio: ["ignore", output.stdout, output.stderr],
      });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      onRefused(code ?? "UNKNOWN", message);
      return null;
    } finally {
      if (oldUmask !== null) process.umask(oldUmask);
      output.close();
    }
    const { pid } = child;
    if (pid === undefined) {
      child.on("error", (error: NodeJS.ErrnoException) => onRefused(error.code ?? "UNKNOWN", error.message));
      return null;
    }
    const live: LiveRun = { service, run, pid, startTicks: readStat(pid)?.startTicks ?? 0, startedAt };
    const key = keyOf(order);
    this.#runs.set(key, { ...live, child, signalled: null });
    child.on("error", () => {}); // A signal that could not be sent: `signal` has its own answer.
    child.on("exit", (code, signal) => {
      const exit: KeptExit = signal === null ? { kind: "code", code: code ?? 0 } : { kind: "signal", signal };
      this.#ended(live, exit);
    });
    return live;
  }

  adopt(live: LiveRun): void {
    this.#runs.set(keyOf(live), { ...live, child: null, signalled: null });
    this.#looking ??= setInterval(() => this.#lookForTheDead(), LOOK_EVERY_MS);
  }

  /** It ended while no keeper was there; what is left of its group is still to be ended. */
  adoptDead(live: LiveRun): void {
    this.#leaderless.set(keyOf(live), live);
  }

  signal(name: RunName, signal: NodeJS.Signals, to: "main" | "group"): void {
    const run = this.#runs.get(keyOf(name));
    if (run === undefined) return; // It ended, or never was: the core hears of that, or has.
    if (run.child === null && !isAlive(run.pid, run.startTicks)) return;
    if (signal !== "SIGCONT") run.signalled = signal;
    send(to === "group" ? -run.pid : run.pid, signal);
  }

  /** KILL for the leader, if it lives, and for all that is left of its process group. */
  end(name: RunName): void {
    const key = keyOf(name);
    const run = this.#runs.get(key);
    if (run !== undefined) {
      this.signal(name, "SIGKILL", "group");
      return;
    }
    const leader = this.#leaderless.get(key);
    this.#leaderless.delete(key);
    if (leader !== undefined && groupIsStillOurs(leader)) send(-leader.pid, "SIGKILL");
  }

  /** A core may have died before it said `end`: the next run never starts beside what is left of the last. */
  #endLeftovers(service: string): void {
    for (const leader of this.#leaderless.values()) if (leader.service === service) this.end(leader);
  }

  #ended(live: LiveRun, exit: KeptExit): void {
    const key = keyOf(live);
    this.#runs.delete(key);
    this.#leaderless.set(key, live);
    const { service, run, pid } = live;
    this.#onExit({ is: "exited", service, run, pid, exit, at: monotonicMs() });
  }

  #lookForTheDead(): void {
    const adopted = [...this.#runs.values()].filter(({ child }) => child === null);
    for (const run of adopted) {
      if (!isAlive(run.pid, run.startTicks)) this.#ended(run, { kind: "unknown" });
    }
    if (adopted.length === 0 && this.#looking !== null) {
      clearInterval(this.#looking);
      this.#looking = null;
    }
  }
}

/**
 * The group's number was the leader's pid. Once leader and group are gone the number may serve somebody else, so members
 * count only if they are in the leader's own session and not older than it.
 */
function groupIsStillOurs({ pid, startTicks }: LiveRun): boolean {
  // A pid is not given away while a group bears its number: somebody else under it means that our group is gone.
  const leader = readStat(pid);
  if (leader !== null && leader.startTicks !== startTicks) return false;
  try {
    process.kill(-pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false; // The usual case, and cheap.
  }
  return allPids().some((member) => {
    const stat = readStat(member);
    return (
      stat !== null && stat.pgrp === pid && stat.session === pid && stat.pid !== pid && stat.startTicks >= startTicks
    );
  });
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
