/**
 * The machine as the person at the screen means it: its name, load, memory, and the disks that svcd and its services write
 * to. In a container the memory is what its cgroup allows, because that is what a service is killed for.
 */
import { readFileSync, statfsSync, statSync } from "node:fs";
import { availableParallelism, hostname, loadavg } from "node:os";
import type { MachineReport } from "../ports.ts";

/** `paths`: where services, state and logs are. */
export function machineReport(paths: readonly string[], root = ""): MachineReport {
  const memory = memoryOf(root);
  return {
    host: hostname(),
    load: loadavg().map((load) => Math.round(load * 100) / 100),
    processors: availableParallelism(),
    cpu: cpuOf(root),
    memory: memory.main,
    swap: memory.swap,
    disks: disksOf(paths),
    upMs: Math.round(Number(textOf(`${root}/proc/uptime`).split(" ")[0] ?? 0) * 1000),
  };
}

/** USER_HZ: what /proc counts time in. 100 on every architecture that Node runs on. */
const MS_PER_TICK = 10;

function cpuOf(root: string): MachineReport["cpu"] {
  const line = /^cpu +(.*)$/m.exec(textOf(`${root}/proc/stat`))?.[1];
  if (line === undefined) return null;
  // user nice system idle iowait irq softirq steal; guests are counted in user already (proc(5)).
  const ticks = line.split(" ").slice(0, 8).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return { busyMs: (all - idle) * MS_PER_TICK, allMs: all * MS_PER_TICK };
}

function memoryOf(root: string): { readonly main: MachineReport["memory"]; readonly swap: MachineReport["swap"] } {
  const text = textOf(`${root}/proc/meminfo`);
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, "m").exec(text)?.[1] ?? 0) * 1024;
  const totalBytes = bytes("MemTotal");
  const swap = { totalBytes: bytes("SwapTotal"), usedBytes: bytes("SwapTotal") - bytes("SwapFree") };
  const cgroup = cgroupMemory(root);
  if (cgroup !== null && cgroup.totalBytes < totalBytes) return { main: { ...cgroup, limit: "cgroup" }, swap };
  return { main: { totalBytes, usedBytes: totalBytes - bytes("MemAvailable"), limit: "machine" }, swap };
}

/** What can be given back at once (inactive page cache) is not used. */
function cgroupMemory(root: string): { readonly totalBytes: number; readonly usedBytes: number } | null {
  const v2 = `${root}/sys/fs/cgroup`;
  const v1 = `${root}/sys/fs/cgroup/memory`;
  const total = numberIn(`${v2}/memory.max`) ?? numberIn(`${v1}/memory.limit_in_bytes`);
  const used = numberIn(`${v2}/memory.current`) ?? numberIn(`${v1}/memory.usage_in_bytes`);
  if (total === null || used === null) return null;
  const stat = textOf(`${v2}/memory.stat`) || textOf(`${v1}/memory.stat`);
  const cache = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(stat)?.[1] ?? 0);
  return { totalBytes: total, usedBytes: Math.max(0, used - cache) };
}

function disksOf(paths: readonly string[]): MachineReport["disks"] {
  const seen = new Set<number>();
  return ["/", ...paths].flatMap((path) => {
    try {
      const { dev } = statSync(path);
      if (seen.has(dev)) return [];
      seen.add(dev);
      const { blocks, bavail, bsize } = statfsSync(path);
      return blocks === 0 ? [] : [{ path, totalBytes: blocks * bsize, freeBytes: bavail * bsize }];
    } catch {
      return []; // Not there, or a file system that does not answer.
    }
  });
}

function numberIn(path: string): number | null {
  const text = textOf(path).trim();
  return /^\d+$/.test(text) ? Number(text) : null; // "max": no limit.
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
