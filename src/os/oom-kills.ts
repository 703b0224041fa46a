/**
 * How many processes the kernel has killed for want of memory, as far as it concerns us: the counter of our own memory
 * cgroup where there is one (in a container the machine's counter counts the neighbours too), else the machine's.
 */
import { readFileSync } from "node:fs";

/** Only differences mean something. 0 where the kernel does not count. */
export function oomKillCount(root = ""): number {
  return fromCgroup2(root) ?? fromCgroup1(root) ?? counterIn(`${root}/proc/vmstat`) ?? 0;
}

function fromCgroup2(root: string): number | null {
  const path = cgroupPath(root, (controllers, hierarchy) => hierarchy === "0" && controllers === "");
  if (path === null) return null;
  const mounted = counterIn(`${root}/sys/fs/cgroup${path}/memory.events`);
  return mounted ?? counterIn(`${root}/sys/fs/cgroup/memory.events`); // In a container its own group is mounted there.
}

function fromCgroup1(root: string): number | null {
  const path = cgroupPath(root, (controllers) => controllers.split(",").includes("memory"));
  if (path === null) return null;
  const mounted = counterIn(`${root}/sys/fs/cgroup/memory${path}/memory.oom_control`);
  return mounted ?? counterIn(`${root}/sys/fs/cgroup/memory/memory.oom_control`);
}

/** From lines `HIERARCHY:CONTROLLERS:PATH`, see cgroups(7). */
function cgroupPath(root: string, isIt: (controllers: string, hierarchy: string) => boolean): string | null {
  for (const line of textOf(`${root}/proc/self/cgroup`).split("\n")) {
    const [hierarchy = "", controllers = "", ...path] = line.split(":");
    if (line !== "" && isIt(controllers, hierarchy)) return path.join(":").replace(/\/$/, "");
  }
  return null;
}

function counterIn(path: string): number | null {
  const count = /^oom_kill (\d+)$/m.exec(textOf(path))?.[1];
  return count === undefined ? null : Number(count);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
