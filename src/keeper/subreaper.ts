/**
 * svcd below a subreaper: `tini -s` (prctl(2), PR_SET_CHILD_SUBREAPER) takes every process that loses its parent below it, and
 * reaps it. So nothing that a service leaves behind can hide among other people's processes, and no zombie stays where PID 1
 * does not reap.
 *
 * Node cannot become a subreaper, nor reap what it did not start; tini, when installed, does both for 0.1 MB. The process
 * that was started as svcd becomes tini and starts svcd anew below it, once, before anything else is done.
 */
import { accessSync, constants } from "node:fs";
import { readStat } from "./process-identity.ts";

/** Init programs that reap whatever becomes their child. */
const REAPERS: readonly string[] = ["tini", "tini-static", "docker-init", "dumb-init", "catatonit"];
const SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin";

/** "tini (pid 12)" if the keeper's own parent takes orphans and reaps them. */
export function ownSubreaper(): string | null {
  const parent = readStat(process.ppid);
  return parent !== null && REAPERS.includes(parent.name) ? `${parent.name} (pid ${parent.pid})` : null;
}

/**
 * Comes back only where it cannot be done: no tini, no setpriv (without which a killed tini would leave svcd behind, unseen by
 * whoever killed it), or a Node without execve(2).
 */
export function beginAnewBelowSubreaper(path: string | undefined): void {
  const tini = programOn(`${path ?? ""}:${SYSTEM_PATH}`, "tini") ?? programOn(SYSTEM_PATH, "tini-static");
  const setpriv = programOn(`${path ?? ""}:${SYSTEM_PATH}`, "setpriv");
  if (tini === null || setpriv === null || process.execve === undefined) return;
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // Node calls it experimental on the terminal of whoever starts svcd.
  process.removeAllListeners("warning");
  process.on("warning", () => {});
  process.execve(tini, [tini, "-s", "--", setpriv, "--pdeathsig", "KILL", ...self], process.env);
}

function programOn(path: string, name: string): string | null {
  for (const directory of path.split(":")) {
    if (!directory.startsWith("/")) continue;
    try {
      accessSync(`${directory}/${name}`, constants.X_OK);
      return `${directory}/${name}`;
    } catch {
      // Not in this one.
    }
  }
  return null;
}
