/**
 * Who belongs to a run, so that a run ends whole: workers that left the group and the session, daemons that forked twice and
 * cleared their environment. One interface, three ways, the best that the machine allows:
 *
 *   cgroup      each run is in a cgroup of its own, and the kernel ends it at once (cgroups(7), `cgroup.kill`)
 *   subreaper   svcd runs below `tini -s`: whatever loses its parent becomes tini's child, is found there, and is reaped
 *   scan        the same search among the children of whoever takes orphans here, without anybody of our own to reap them
 *
 * The last two know a process by descent, session, the mark in its environment and a tag in a resource limit that nobody
 * uses (`process-scan.ts`).
 */
import { Cgroups } from "./cgroup.ts";
import type { ContainmentFacts, ContainmentWay, LiveRun } from "./messages.ts";
import type { ProcessStat } from "./process-identity.ts";
import { ProcessScan } from "./process-scan.ts";
import { ownSubreaper } from "./subreaper.ts";

export interface ContainedRun extends LiveRun {
  /** The name of the cgroup that holds it; null: none does. */
  readonly enclosure: string | null;
  /**
   * A keeper saw it end, or would: until then nobody else can have got its pid, so whoever is in its session is of it. Of a
   * leader that ended unseen only mark and tag tell.
   */
  readonly isWatched: boolean;
}

export interface Containment {
  /** What the next `enclose` will use. */
  readonly nextEnclosure: string | null;
  /**
   * Starts something inside an enclosure of its own. `act` answers null where nothing was started. `isMeasured`: `cpuMsOf` will
   * be asked.
   */
  enclose<Made>(
    act: () => Made | null,
    isMeasured?: boolean,
  ): { readonly made: Made | null; readonly enclosure: string | null };
  /** Starts something that is no part of any run. */
  apart<Made>(act: () => Made): Made;
  /** The enclosure that a process is in, perhaps with others; null: none of ours. */
  enclosureOf(pid: number): string | null;
  /** Their leaders have ended: of which is nothing else alive? What held those together is cleaned away. */
  cleared(runs: readonly ContainedRun[]): ReadonlySet<ContainedRun>;
  /** Processor time of all its processes so far, to be asked before it is cleared; null: not measured, or not known here. */
  cpuMsOf(run: ContainedRun): number | null;
  /** KILL for everything of it, the leader included. */
  kill(run: ContainedRun): void;
  /** What of it is alive. */
  members(run: ContainedRun): readonly ProcessStat[];
  /** Removes what earlier keepers left and nothing is in. */
  tidy(): void;
  /** svcd ends, and leaves nothing of its own behind. */
  close(): void;
}

export interface Chosen {
  readonly containment: Containment;
  readonly facts: ContainmentFacts;
}

/** `asked`: SVCD_CONTAINMENT, for machines (and tests) where the best way is not to be used. */
export function chooseContainment(runDir: string, asked: string | undefined): Chosen {
  const scan = new ProcessScan(runDir);
  if (asked === undefined || asked === "cgroup") {
    const cgroups = Cgroups.open(runDir, scan);
    if (cgroups !== null) return { containment: cgroups, facts: { way: "cgroup", detail: cgroups.place } };
  }
  const reaper = asked === "scan" ? null : ownSubreaper();
  const way: ContainmentWay = reaper === null ? "scan" : "subreaper";
  return { containment: scan, facts: { way, detail: reaper ?? "/proc" } };
}
