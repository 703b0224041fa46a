/**
 * A keeper can die between "about to spawn" and "spawned". Then the service may run with nobody knowing its pid; it is
 * found by the mark that every run carries in its environment.
 */
import { readFileSync } from "node:fs";
import { type LiveRun, RUN_MARK, type RunName, runMark } from "./messages.ts";
import { allPids, monotonicMs, readStat } from "./process-identity.ts";

/** The leader of the run's session, or null. `at` becomes its start. */
export function findStray(runDir: string, { service, run }: RunName, at: number): LiveRun | null {
  const found = findStrays(runDir).find((stray) => stray.service === service && stray.run === run);
  return found === undefined ? null : { ...found, startedAt: at };
}

/** All leaders of sessions that carry a mark of this run directory, whatever any journal says, oldest first. */
export function findStrays(runDir: string): LiveRun[] {
  const prefix = `${RUN_MARK}=${runMark(runDir, { service: "", run: 0 }).replace(/#0$/, "")}`;
  const found: LiveRun[] = [];
  for (const pid of allPids()) {
    const stat = readStat(pid);
    if (stat === null || stat.session !== pid || stat.state === "Z") continue;
    const mark = environmentOf(pid).find((entry) => entry.startsWith(prefix));
    const [, service, run] = /^([^/]+)#(\d+)$/.exec(mark?.slice(prefix.length) ?? "") ?? [];
    if (service === undefined || run === undefined) continue;
    found.push({ service, run: Number(run), pid, startTicks: stat.startTicks, startedAt: monotonicMs() });
  }
  return found.sort((a, b) => a.startTicks - b.startTicks);
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
  } catch {
    return []; // Not ours to read, or gone.
  }
}
