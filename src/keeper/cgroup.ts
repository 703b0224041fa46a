/**
 * A cgroup of its own for each run (cgroup v2). A child is born into the cgroup of its parent, so the keeper sits in an empty
 * one, the *pad*; a spawn turns the pad into the run's cgroup, and the keeper moves on to a fresh pad. So there is no moment in
 * which a process of the run is outside, and the move, which can wait for an RCU grace period (7–15 ms measured), comes
 * after the program has started.
 *
 *   base/          svcd-1a2b3c4d, below the cgroup that svcd was started in
 *     4711.1       the core's
 *     4711.2       run web#1
 *     4711.3       the pad: the keeper
 *
 * No controller is enabled anywhere. A cgroup that cannot be made costs the run its cgroup, not its start.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { crc32 } from "node:zlib";
import type { ContainedRun, Containment } from "./containment.ts";
import { isOver, type ProcessStat, readStat } from "./process-identity.ts";
import type { ProcessScan } from "./process-scan.ts";

/** Where a cgroup of the unified hierarchy is found as a directory. */
interface Mount {
  readonly root: string;
  readonly mountPoint: string;
}

export class Cgroups implements Containment {
  readonly #mount: Mount;
  readonly #base: string;
  readonly #scan: ProcessScan;
  /** Its directory; null: the keeper is in no fresh cgroup, and runs are found by looking until it is. */
  #pad: string | null = null;
  #made = 0;
  /** What its cgroup had used before a measured run began: the keeper's own time in the pad. */
  readonly #usedBefore = new Map<string, number>();
  readonly #toRemove = new Set<string>();

  /** null: there is no cgroup v2 here that we may write. `scan` finds runs that have no cgroup. */
  static open(runDir: string, scan: ProcessScan): Cgroups | null {
    const own = ownCgroup();
    if (own === null) return null;
    const base = `${own.directory}/svcd-${checksum(runDir)}`;
    return isUsable(own.directory, base) ? new Cgroups(own.mount, base, scan) : null;
  }

  private constructor(mount: Mount, base: string, scan: ProcessScan) {
    this.#mount = mount;
    this.#base = base;
    this.#scan = scan;
  }

  get place(): string {
    return this.#base;
  }

  get nextEnclosure(): string | null {
    return this.#pad;
  }

  enclose<Made>(
    act: () => Made | null,
    isMeasured = false,
  ): { readonly made: Made | null; readonly enclosure: string | null } {
    if (this.#pad === null) this.#enterPad();
    const pad = this.#pad;
    const usedBefore = isMeasured && pad !== null ? cpuMsIn(pad) : null;
    const made = act();
    if (made === null || pad === null) return { made, enclosure: null };
    this.#enterPad();
    if (usedBefore !== null && this.#pad !== null) this.#usedBefore.set(pad, usedBefore);
    // Could the keeper not leave, then this cgroup can never be killed: the run is found by looking.
    return { made, enclosure: this.#pad === null ? null : pad };
  }

  /** The first is started where svcd was: so it need not wait for the keeper's first move. */
  apart<Made>(act: () => Made): Made {
    if (this.#made === 0) {
      const made = act();
      this.#enterPad();
      return made;
    }
    const { made, enclosure } = this.enclose(act);
    this.#release(enclosure);
    return made as Made;
  }

  /** Also of an earlier svcd for the same run directory that was started elsewhere. */
  enclosureOf(pid: number): string | null {
    const path = cgroupPathOf(pid);
    const directory = path === null ? null : directoryOf(path, this.#mount);
    const [run] = new RegExp(`^.*/${basename(this.#base)}/\\d+\\.\\d+(?=/|$)`).exec(directory ?? "") ?? [];
    return run !== undefined && run !== this.#pad && existsSync(`${run}/cgroup.kill`) ? run : null;
  }

  cleared(runs: readonly ContainedRun[]): ReadonlySet<ContainedRun> {
    const clear = new Set(runs.filter(({ enclosure }) => enclosure !== null && removeTree(enclosure)));
    for (const { enclosure } of clear) this.#usedBefore.delete(enclosure ?? "");
    const without = runs.filter(({ enclosure }) => enclosure === null);
    return without.length === 0 ? clear : new Set([...clear, ...this.#scan.cleared(without)]);
  }

  cpuMsOf({ enclosure }: ContainedRun): number | null {
    const before = enclosure === null ? undefined : this.#usedBefore.get(enclosure);
    const now = enclosure === null || before === undefined ? null : cpuMsIn(enclosure);
    return now === null || before === undefined ? null : now - before;
  }

  kill(run: ContainedRun): void {
    if (run.enclosure === null) return this.#scan.kill(run);
    if (run.enclosure === this.#pad) return; // Never ourselves.
    try {
      writeFileSync(`${run.enclosure}/cgroup.kill`, "1");
    } catch {
      this.#scan.kill(run); // Somebody removed it, or made it read-only.
    }
  }

  members(run: ContainedRun): readonly ProcessStat[] {
    if (run.enclosure === null) return this.#scan.members(run);
    return pidsBelow(run.enclosure).flatMap((pid) => {
      const stat = readStat(pid);
      return stat === null || isOver(stat) ? [] : [stat];
    });
  }

  #release(enclosure: string | null): void {
    if (enclosure !== null) this.#toRemove.add(enclosure);
    for (const directory of this.#toRemove) if (removeTree(directory)) this.#toRemove.delete(directory);
  }

  tidy(): void {
    for (const name of directoriesIn(this.#base)) {
      const directory = `${this.#base}/${name}`;
      if (directory !== this.#pad) removeTree(directory);
    }
  }

  close(): void {
    try {
      writeFileSync(`${dirname(this.#base)}/cgroup.procs`, "0");
      this.#pad = null;
      this.tidy();
      rmdirSync(this.#base);
    } catch {
      // Something lives in it, or the directory is not ours: an empty cgroup harms nobody.
    }
  }

  #enterPad(): void {
    const path = `${this.#base}/${process.pid}.${++this.#made}`;
    this.#pad = null;
    try {
      mkdirSync(path, { mode: 0o755 });
      writeFileSync(`${path}/cgroup.procs`, "0"); // The writer itself, with all its threads.
      this.#pad = path;
    } catch {
      removeTree(path);
    }
  }
}

/** Tried without moving anybody. Before Linux 5.14 there is no `cgroup.kill`. */
function isUsable(own: string, base: string): boolean {
  const probe = `${base}/probe.${process.pid}`;
  try {
    mkdirSync(probe, { recursive: true, mode: 0o755 });
    for (const directory of [own, probe]) accessSync(`${directory}/cgroup.procs`, constants.W_OK);
    accessSync(`${probe}/cgroup.kill`, constants.W_OK);
    return true;
  } catch {
    return false;
  } finally {
    removeTree(probe);
  }
}

/** The directory of the cgroup that this process is in; null: no cgroup v2 is mounted where it can be seen. */
function ownCgroup(): { readonly mount: Mount; readonly directory: string } | null {
  const path = cgroupPathOf(process.pid);
  if (path === null) return null;
  for (const mount of cgroupMounts()) {
    const directory = directoryOf(path, mount);
    // Namespaces and bind mounts can make both words lie: the kernel's own list does not.
    if (directory !== null && lines(`${directory}/cgroup.procs`).includes(String(process.pid))) {
      return { mount, directory };
    }
  }
  return null;
}

function directoryOf(path: string, { root, mountPoint }: Mount): string | null {
  if (root !== "/" && !`${path}/`.startsWith(`${root}/`)) return null;
  return `${mountPoint}${root === "/" ? path : path.slice(root.length)}`.replace(/\/$/, "");
}

/** cgroups(7): the line of the unified hierarchy begins with `0::`. */
function cgroupPathOf(pid: number): string | null {
  return (
    lines(`/proc/${pid}/cgroup`)
      .find((line) => line.startsWith("0::"))
      ?.slice("0::".length) ?? null
  );
}

/** proc(5), mountinfo: field 4 is the root within the file system, 5 the mount point, after " - " comes the type. */
function cgroupMounts(): Mount[] {
  return lines("/proc/self/mountinfo").flatMap((line) => {
    const [place = "", kind = ""] = line.split(" - ");
    const [, , , root = "", mountPoint = ""] = place.split(" ");
    return kind.startsWith("cgroup2 ") ? [{ root, mountPoint }] : [];
  });
}

function pidsBelow(path: string): number[] {
  const own = lines(`${path}/cgroup.procs`).map(Number);
  return [...own, ...directoriesIn(path).flatMap((name) => pidsBelow(`${path}/${name}`))];
}

/** A cgroup in which only zombies are left counts as empty (cgroup-v2.rst, "Destroying"). */
function removeTree(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
  }
  // Programs may have made cgroups of their own in it.
  if (!lines(`${path}/cgroup.events`).includes("populated 0")) return false;
  for (const name of directoriesIn(path)) removeTree(`${path}/${name}`);
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** There in every cgroup, whatever controllers are enabled (cgroup-v2.rst, "cpu.stat"). */
function cpuMsIn(path: string): number | null {
  const line = lines(`${path}/cpu.stat`).find((one) => one.startsWith("usage_usec "));
  return line === undefined ? null : Math.round(Number(line.slice("usage_usec ".length)) / 1_000);
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

function lines(path: string): string[] {
  try {
    return readFileSync(path, "latin1")
      .split("\n")
      .filter((line) => line !== "");
  } catch {
    return [];
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
