/**
 * Looks at /proc without pause, in a thread of its own, and sees what no status tells: every process that leads a run, by
 * its mark, and two of one service that live at the same moment.
 */
import { readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { allPids, isAlive, monotonicMs, readStat } from "../../src/keeper/process-identity.ts";

export interface Leader {
  readonly service: string;
  readonly run: number;
  readonly pid: number;
  readonly startTicks: number;
}

export type Sight =
  | (Leader & { readonly saw: "begin"; readonly at: number })
  /** `at`: it was alive less than one look before. */
  | (Leader & { readonly saw: "end"; readonly at: number })
  | { readonly saw: "twins"; readonly one: Leader; readonly other: Leader };

const LOOK_EVERY_MS = 15;
/** Between fork and exec a process has its parent's environment, so a new one without a mark is looked at again. */
const LOOK_AGAIN = 100;

export class Witness {
  readonly #worker: Worker;
  /** The leaders that live, as seen last. */
  readonly leaders = new Map<number, Leader>();

  constructor(runDir: string, onSight: (sight: Sight) => void) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { runDir } });
    this.#worker.on("message", (sight: Sight) => {
      if (sight.saw === "begin") this.leaders.set(sight.pid, sight);
      if (sight.saw === "end") this.leaders.delete(sight.pid);
      onSight(sight);
    });
  }

  leadersOf(service: string): Leader[] {
    return [...this.leaders.values()].filter((leader) => leader.service === service);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** The run that this process leads, or null. */
export function leaderAt(pid: number, runDir: string): Leader | null {
  const stat = readStat(pid);
  if (stat === null || stat.session !== pid || stat.state === "Z" || stat.state === "X") return null;
  let environment: string;
  try {
    environment = readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return null;
  }
  const prefix = `SVCD_RUN=${runDir}/`;
  const mark = environment.split("\0").find((entry) => entry.startsWith(prefix));
  const [, service, run] = /^([^/]+)#(\d+)$/.exec(mark?.slice(prefix.length) ?? "") ?? [];
  if (service === undefined) return null;
  return { service, run: Number(run), pid, startTicks: stat.startTicks };
}

function watch(runDir: string, tell: (sight: Sight) => void): void {
  const leaders = new Map<number, Leader>();
  /** Processes that are none of ours, with how often they were looked at. */
  const strangers = new Map<number, { startTicks: number; looks: number }>();
  const told = new Set<string>();

  const look = (): void => {
    for (const leader of leaders.values()) {
      if (isAlive(leader.pid, leader.startTicks)) continue;
      leaders.delete(leader.pid);
      tell({ saw: "end", ...leader, at: monotonicMs() });
    }
    const pids = allPids();
    for (const pid of pids) if (!leaders.has(pid)) lookAtNew(pid);
    const present = new Set(pids);
    for (const pid of strangers.keys()) if (!present.has(pid)) strangers.delete(pid);
    setTimeout(look, LOOK_EVERY_MS);
  };

  const lookAtNew = (pid: number): void => {
    const known = strangers.get(pid);
    if (known !== undefined && known.looks >= LOOK_AGAIN && isAlive(pid, known.startTicks)) return;
    const leader = leaderAt(pid, runDir);
    if (leader === null) {
      const startTicks = readStat(pid)?.startTicks ?? 0;
      strangers.set(pid, { startTicks, looks: known?.startTicks === startTicks ? known.looks + 1 : 1 });
      return;
    }
    strangers.delete(pid);
    leaders.set(pid, leader);
    tell({ saw: "begin", ...leader, at: monotonicMs() });
    for (const other of leaders.values()) {
      // Both at this moment: the other one was seen before us and lives still.
      if (other.service !== leader.service || other.pid === pid || !isAlive(other.pid, other.startTicks)) continue;
      const key = `${other.pid} ${pid}`;
      if (!told.has(key)) tell({ saw: "twins", one: other, other: leader });
      told.add(key);
    }
  };
  look();
}

if (!isMainThread) {
  const { runDir } = workerData as { runDir: string };
  watch(runDir, (sight) => parentPort?.postMessage(sight));
}
