/**
 * Who belongs to a run, found by looking at /proc. A process is of a run if it is its leader, or is not older than that and
 *
 * - is in the leader's session, while nobody else can have had the leader's pid,
 * - carries the run's mark in its environment (programs can clear or overwrite theirs),
 * - carries the run's tag: RLIMIT_LOCKS, which Linux ignores since 2.4.25 (setrlimit(2)), is inherited through fork and
 *   exec, needs no right to set or to read, and survives a cleared environment,
 * - or descends from one of these.
 *
 * When a leader has ended, what is left of its run has lost a parent somewhere, so it is below a child of whoever takes
 * orphans here: PID 1 or a subreaper, an ancestor of the keeper in any case. Looking at their children is cheap; all of
 * /proc is looked through only when there is something to end.
 *
 * What is to be killed is stopped first, until no round finds more: so nothing forks away between a look and its end.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { ContainedRun, Containment } from "./containment.ts";
import { RUN_MARK, runMark, runTag } from "./messages.ts";
import { allPids, isAlive, isOver, type ProcessStat, readStat, UNKNOWN_START } from "./process-identity.ts";

/** Something that forks faster than it can be stopped is killed as far as it is known, and looked for again. */
const MOST_ROUNDS = 5;
/** A list of children that changes while it is read can miss one (proc(5), task/TID/children). */
const MOST_READS = 5;

export class ProcessScan implements Containment {
  readonly #runDir: string;
  readonly nextEnclosure = null;

  constructor(runDir: string) {
    this.#runDir = runDir;
  }

  enclose<Made>(act: () => Made | null): { readonly made: Made | null; readonly enclosure: null } {
    return { made: act(), enclosure: null };
  }

  apart<Made>(act: () => Made): Made {
    return act();
  }

  enclosureOf(): null {
    return null;
  }

  cleared(runs: readonly ContainedRun[]): ReadonlySet<ContainedRun> {
    const orphans = orphansHere()?.flatMap((pid) => {
      const stat = readStat(pid);
      return stat !== null && !isOver(stat) ? [new Seen(stat)] : [];
    });
    return new Set(
      runs.filter((run) => {
        const mustLook = orphans === undefined || (run.isWatched && groupLives(run.pid));
        return mustLook ? this.#look(run)?.length === 0 : !orphans.some((orphan) => this.#isOf(run, orphan));
      }),
    );
  }

  /** It sees only who is alive; what the others used is lost with them. */
  cpuMsOf(): null {
    return null;
  }

  kill(run: ContainedRun): void {
    const known = new Map<number, ProcessStat>();
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const fresh = this.members(run).filter(({ pid, startTicks }) => known.get(pid)?.startTicks !== startTicks);
      if (fresh.length === 0) break;
      for (const stat of fresh) {
        known.set(stat.pid, stat);
        send(stat, "SIGSTOP");
      }
    }
    for (const stat of known.values()) send(stat, "SIGKILL");
  }

  members(run: ContainedRun): readonly ProcessStat[] {
    return this.#look(run) ?? [];
  }

  /** null: /proc cannot be read now (no descriptor is free): in doubt something is there. */
  #look(run: ContainedRun): readonly ProcessStat[] | null {
    let pids: readonly number[];
    try {
      pids = allPids();
    } catch {
      return null;
    }
    const all = pids.flatMap((pid) => {
      const stat = readStat(pid);
      return stat === null || stat.startTicks < run.startTicks || pid === process.pid ? [] : [stat];
    });
    const found = new Map(all.filter((stat) => this.#isOf(run, new Seen(stat))).map((stat) => [stat.pid, stat]));
    for (let before = -1; found.size !== before; ) {
      before = found.size;
      for (const stat of all) if (found.has(stat.ppid)) found.set(stat.pid, stat);
    }
    return [...found.values()].filter((stat) => !isOver(stat));
  }

  tidy(): void {}

  close(): void {}

  #isOf(run: ContainedRun, seen: Seen): boolean {
    const { stat } = seen;
    if (stat.startTicks < run.startTicks || stat.pid === process.pid) return false;
    if (stat.pid === run.pid && run.startTicks !== UNKNOWN_START) return stat.startTicks === run.startTicks;
    if (run.isWatched && stat.session === run.pid) return true;
    return seen.tag === runTag(this.#runDir, run) || seen.mark === runMark(this.#runDir, run);
  }
}

/** One process in one look; what costs a read is read when it is asked for, and once. */
class Seen {
  readonly stat: ProcessStat;
  #tag: number | null | undefined;
  #mark: string | null | undefined;

  constructor(stat: ProcessStat) {
    this.stat = stat;
  }

  get tag(): number | null {
    if (this.#tag !== undefined) return this.#tag;
    const soft = /^Max file locks +(\d+) /m.exec(readOr(`/proc/${this.stat.pid}/limits`))?.[1];
    this.#tag = soft === undefined ? null : Number(soft);
    return this.#tag;
  }

  get mark(): string | null {
    if (this.#mark !== undefined) return this.#mark;
    const prefix = `${RUN_MARK}=`;
    const entry = readOr(`/proc/${this.stat.pid}/environ`)
      .split("\0")
      .find((candidate) => candidate.startsWith(prefix));
    this.#mark = entry?.slice(prefix.length) ?? null;
    return this.#mark;
  }
}

function groupLives(pgrp: number): boolean {
  try {
    process.kill(-pgrp, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Identity first: between a look and a signal a pid can change hands. */
function send({ pid, startTicks }: ProcessStat, signal: NodeJS.Signals): void {
  if (!isAlive(pid, startTicks)) return;
  try {
    process.kill(pid, signal);
  } catch {
    // ESRCH: it ended in this moment. EPERM: a set-uid program; it will be named as a survivor.
  }
}

/** Children of all ancestors of this process; null: they cannot be listed here. */
function orphansHere(): readonly number[] | null {
  const orphans: number[] = [];
  for (let pid = process.ppid; pid > 0; ) {
    const stat = readStat(pid);
    const children = stat === null ? null : childrenOf(pid);
    if (stat === null || children === null) return null;
    orphans.push(...children);
    pid = stat.ppid;
  }
  return orphans.filter((pid) => pid !== process.pid);
}

function childrenOf(pid: number): readonly number[] | null {
  let before: string | null = null;
  for (let reads = 0; reads < MOST_READS; reads++) {
    const text = childrenText(pid);
    if (text === null) return null;
    if (text === before) break;
    before = text;
  }
  return (before ?? "").split(" ").filter(Boolean).map(Number);
}

/** Each thread has its own list. */
function childrenText(pid: number): string | null {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1"))
      .join("");
  } catch {
    return null; // A kernel without CONFIG_PROC_CHILDREN, a hidden process, or a thread that ended in this moment.
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return ""; // Not ours to read, or gone.
  }
}
