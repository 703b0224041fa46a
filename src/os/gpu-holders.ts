/**
 * Who a process is that nvidia-smi names: what it is called, and of which run it is. A pid that this machine (or this
 * container) does not have is somebody outside.
 */
import { readFileSync } from "node:fs";
import type { Holder } from "../gpu/device.ts";
import { type Lease, leaseFrom } from "../gpu/lease.ts";
import type { SmiProcess } from "../gpu/smi-output.ts";
import { RUN_MARK } from "../keeper/messages.ts";
import { LEASE_MARK } from "./launcher.ts";

/** A run that lives, by its main process. */
export interface MainProcess {
  readonly name: string;
  readonly run: number;
  readonly pid: number;
}

/** Whoever is further below its main process has an ancestor that is not. */
const MOST_ANCESTORS = 64;
const LONGEST_NAME = 40;

export function holdersOf(processes: readonly SmiProcess[], runDir: string, mains: Iterable<MainProcess>): Holder[] {
  const byPid = new Map([...mains].map((main) => [main.pid, main]));
  const groups = new Map([...byPid.values()].map((main) => [cgroupOf(main.pid), main]));
  return processes.map(({ uuid, pid, usedBytes }) => {
    const command = commandOf(pid);
    return { uuid, pid, usedBytes, command, run: command === null ? null : runOf(pid, runDir, byPid, groups) };
  });
}

/** What a run was given, from the environment of its main process; null: it does not tell. */
export function leaseInEnvironment(pid: number): Lease | null {
  const text = variableOf(pid, LEASE_MARK);
  return text === null ? null : leaseFrom(text);
}

function runOf(
  pid: number,
  runDir: string,
  mains: ReadonlyMap<number, MainProcess>,
  groups: ReadonlyMap<string | null, MainProcess>,
): Holder["run"] {
  const mark = variableOf(pid, RUN_MARK);
  const [, name, run] =
    /^(.+)#(\d{1,15})$/.exec(mark?.startsWith(`${runDir}/`) ? mark.slice(runDir.length + 1) : "") ?? [];
  if (name !== undefined) return { name, run: Number(run) };
  // Programs that rename themselves (setproctitle) write over their environment.
  const main = mainOf(pid, mains) ?? groups.get(cgroupOf(pid) ?? "");
  return main === undefined ? null : { name: main.name, run: main.run };
}

function mainOf(pid: number, mains: ReadonlyMap<number, MainProcess>): MainProcess | undefined {
  const session = statOf(pid)?.session ?? 0;
  let at = pid;
  for (let steps = 0; at > 1 && steps < MOST_ANCESTORS; steps++) {
    const main = mains.get(at);
    if (main !== undefined) return main;
    at = statOf(at)?.ppid ?? 0;
  }
  return mains.get(session);
}

/** proc(5): the name in parentheses may hold anything. */
function statOf(pid: number): { readonly state: string; readonly ppid: number; readonly session: number } | null {
  const text = read(pid, "stat");
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "?", ppid: Number(fields[1]), session: Number(fields[3]) };
}

/** "VLLM::EngineCore", "python3 train.py"; arguments can hold secrets, so no other is told. null: nobody is there. */
function commandOf(pid: number): string | null {
  const name = read(pid, "comm")?.trim();
  if (name === undefined) return null;
  const [program = "", script = ""] = (read(pid, "cmdline") ?? "").split("\0");
  const called = baseName(program.trim()) || name;
  const runs = /^[^-].*\.(py|sh|js|mjs|ts|jl|R)$/.test(script) ? ` ${baseName(script)}` : "";
  const whole = `${called}${runs}`.replace(/[\x00-\x1f\x7f]+/g, " ");
  return whole.length > LONGEST_NAME ? `${whole.slice(0, LONGEST_NAME - 1)}\u2026` : whole;
}

/** A title like "ray::worker /a/b" is no path. */
function baseName(path: string): string {
  return path.startsWith("/") && !path.includes(" ") ? path.slice(path.lastIndexOf("/") + 1) : path;
}

/** Only a cgroup of a run tells anything; null: none of ours. */
function cgroupOf(pid: number): string | null {
  const path = /^0::(.*)$/m.exec(read(pid, "cgroup") ?? "")?.[1];
  return path !== undefined && /\/svcd-[0-9a-f]{8}\//.test(`${path}/`) ? path : null;
}

function variableOf(pid: number, name: string): string | null {
  const entry = read(pid, "environ")
    ?.split("\0")
    .find((one) => one.startsWith(`${name}=`));
  return entry === undefined ? null : entry.slice(name.length + 1);
}

function read(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return null;
  }
}
