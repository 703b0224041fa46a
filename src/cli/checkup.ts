/**
 * What `svctl doctor` looks at: one function for each question, each answering with a fact and, where it is not good,
 * what to do. Looks only; changes nothing.
 */
import {
  accessSync,
  constants,
  readdirSync,
  readFileSync,
  realpathSync,
  type Stats,
  statfsSync,
  statSync,
} from "node:fs";
import { dirname } from "node:path";
import type { GpuReport, HealthReport } from "../control/daemon.ts";
import type { Call } from "./call.ts";
import { asFailure, ifAnswered } from "./daemon.ts";
import { Failure } from "./failure.ts";

export type Level = "ok" | "warn" | "fail";

export interface Check {
  readonly about: string;
  readonly level: Level;
  readonly found: string;
  /** null: nothing to do. */
  readonly fix: string | null;
}

type Finding = Omit<Check, "about">;

export async function checkEverything(call: Call): Promise<readonly Check[]> {
  const { places, world } = call;
  const health = await call.daemon.health().catch((error: unknown) => {
    const failure = asFailure(error, "doctor", call.root);
    if (failure !== null) return failure;
    throw error;
  });
  const report = health instanceof Failure ? null : health;
  const owner = report === null ? world.uid : (ownerOf(`/proc/${report.keeper}`) ?? world.uid);
  const path = world.env["PATH"] ?? "";
  const checks: Check[] = [];
  const ask = (about: string, finding: Finding) => checks.push({ about, ...finding });

  ask("svcd", reachable(health, places.socket));
  if (report !== null) {
    ask("versions", versions(world.version, report.version));
    ask("keeper and core", pids(report));
    for (const trouble of report.troubles ?? [])
      ask("trouble", fail(trouble, "make room there, or make it writable for svcd"));
    ask("files", mistakes(report.mistakes));
    ask("socket", secret(places.socket, owner, 0o117));
    ask("orphans", orphans(report.keeper));
    ask("open files", openFiles(report.keeper));
    ask("ending all processes of a service", containment(report.containment));
    const seen = await ifAnswered(call.daemon.gpus()); // Another version may not know the question.
    if (seen !== null) ask("GPUs", gpus(seen));
  }
  ask("services.d", directory(places.services, "put the files of services there"));
  ask("services.d is yours alone", writers(places.services, owner));
  ask("cron.d", directory(places.cron, "make it when you want jobs"));
  ask("cron.d is yours alone", writers(places.cron, owner));
  ask("run directory", report === null ? ifPresent(places.run, owner) : secret(places.run, owner, 0o027));
  ask("state directory", report === null ? ifPresent(places.state, owner) : secret(places.state, owner, 0o027));
  ask("log directory", report === null ? ifPresent(places.log, owner) : secret(places.log, owner, 0o027));
  ask("disk for logs", disk(places.log));
  ask("disk for state", disk(places.state));
  for (const helper of HELPERS) ask(helper.name, program(helper, path));
  ask("/proc", processTable(read("/proc/self/stat") !== null, statOf("/proc/1") !== null));
  ask("Node.js", node(process.execPath, process.versions.node));
  ask("watching files", inotify());
  return checks;
}

const ok = (found: string): Finding => ({ level: "ok", found, fix: null });
const warn = (found: string, fix: string): Finding => ({ level: "warn", found, fix });
const fail = (found: string, fix: string): Finding => ({ level: "fail", found, fix });

// svcd itself

function reachable(health: HealthReport | Failure, socket: string): Finding {
  if (health instanceof Failure) return fail(`${health.what} (${socket})`, health.fix ?? "start it: svcd");
  if (health.status === "stopping")
    return warn(`is shutting down (${socket})`, "wait for its end, then start it again: svcd");
  return ok(`version ${health.version} answers at ${socket}, with ${health.services} services`);
}

export function versions(svctl: string, svcd: string): Finding {
  if (svctl === svcd) return ok(`svctl and svcd are both ${svcd}`);
  return warn(`svctl is ${svctl}, the running svcd ${svcd}`, "let the installed one take over: svctl upgrade");
}

function pids({ keeper, core }: HealthReport): Finding {
  const missing = [keeper, core].filter((pid) => statOf(`/proc/${pid}`) === null);
  if (missing.length === 0) return ok(`pids ${keeper} and ${core}`);
  return warn(
    `pid ${missing.join(" and ")} not seen from here`,
    "if svcd runs in another container, run svctl there: this check reads /proc",
  );
}

function mistakes(count: number): Finding {
  if (count === 0) return ok("no mistakes");
  return warn(
    `${count} ${count === 1 ? "mistake" : "mistakes"}; their services go on as they were`,
    "svctl plan shows them",
  );
}

/** Zombies that nobody reaps fill the process table in the end. */
function orphans(keeper: number): Finding {
  const zombies = readdir("/proc").filter(
    (pid) => /^\d+$/.test(pid) && (isZombieOf(pid, keeper) || isZombieOf(pid, 1)),
  );
  const who = keeper === 1 ? "svcd is PID 1" : `PID 1 is ${nameOf(1)}`;
  // A child that ended a moment ago is a zombie for a moment; a crowd of them is not.
  if (zombies.length < 5) return ok(`${who}; ended processes are reaped`);
  return warn(
    `${who}; ${zombies.length} ended processes are not reaped`,
    "install tini (svcd begins behind it by itself), or run svcd behind an init: docker run --init",
  );
}

function isZombieOf(pid: string, parent: number): boolean {
  const text = read(`/proc/${pid}/stat`);
  if (text === null) return false;
  const [state, ppid] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return state === "Z" && Number(ppid) === parent;
}

function openFiles(keeper: number): Finding {
  const limit = /^Max open files\s+(\S+)\s+(\S+)/m.exec(read(`/proc/${keeper}/limits`) ?? "");
  if (limit === null) return warn("the limit is not readable", "run svctl doctor as the user of svcd, or as root");
  return openFilesLimit(limit[2]!);
}

/** Each service takes some four descriptors, each client one. */
export function openFilesLimit(hard: string): Finding {
  if (hard === "unlimited" || Number(hard) >= 4096) return ok(`at most ${hard}`);
  return warn(
    `at most ${hard}: enough for some ${Math.floor(Number(hard) / 8)} services`,
    "raise it: ulimit -n, LimitNOFILE=, --ulimit nofile=",
  );
}

export function gpus({ state, why, devices }: GpuReport): Finding {
  if (state === "none") return ok(`none: ${why}; what asks for one is SKIPPED`);
  if (state === "trouble")
    return warn(why ?? "", "try nvidia-smi by hand; one that hangs or fails needs its driver mended, or a reboot");
  const gone = devices.filter(({ isGone }) => isGone);
  if (gone.length > 0) {
    return warn(
      `GPU ${gone.map(({ index }) => index).join(", ")} fell off the bus`,
      "reboot the machine, or rent another",
    );
  }
  const names = new Map<string, number>();
  for (const { name } of devices) names.set(name, (names.get(name) ?? 0) + 1);
  const all = [...names].map(([name, count]) => `${count} × ${name}`).join(", ");
  const barred = devices.filter(({ notForUse }) => notForUse !== null);
  if (barred.length === 0) return ok(all);
  return ok(`${all}; not for use: GPU ${barred.map(({ index }) => index).join(", ")} (${barred[0]?.notForUse})`);
}

// Places

function directory(path: string, otherwise: string): Finding {
  const found = statOf(path);
  if (found === null) return warn(`${path} is not there`, otherwise);
  return found.isDirectory() ? ok(path) : fail(`${path} is not a directory`, "move it away and make a directory");
}

/** What only svcd and its owner should reach. `forbidden`: mode bits that give it to others. */
function secret(path: string, owner: number, forbidden: number): Finding {
  const found = statOf(path);
  if (found === null)
    return fail(`${path} is not there`, "svcd makes it when it starts: restart svcd, and keep cleaners away from it");
  const mode = (found.mode & 0o777).toString(8).padStart(4, "0");
  if (found.uid !== owner) {
    return fail(`${path} belongs to uid ${found.uid}, svcd runs as uid ${owner}`, `chown -R ${owner} ${path}`);
  }
  if ((found.mode & forbidden) !== 0)
    return warn(`${path} has mode ${mode}: others reach it`, `chmod o-rwx,g-w ${path}`);
  return ok(`${path}, mode ${mode}`);
}

function ifPresent(path: string, owner: number): Finding {
  return statOf(path) === null ? ok(`${path} is made when svcd starts`) : secret(path, owner, 0o027);
}

/** Whoever can write there can run commands as svcd's user. */
export function writers(path: string, owner: number): Finding {
  if (statOf(path) === null) return ok("nothing is there yet");
  const all = [path, ...readdir(path).map((name) => `${path}/${name}`)];
  for (const each of all) {
    const found = statOf(each);
    if (found === null) continue;
    if ((found.mode & 0o002) !== 0)
      return fail(`everybody can write ${each}, and so run commands as uid ${owner}`, `chmod o-w ${each}`);
    if ((found.mode & 0o020) !== 0 && found.gid !== 0) {
      return warn(
        `group ${found.gid} can write ${each}, and so run commands as uid ${owner}`,
        `chmod g-w ${each}, if that group should not`,
      );
    }
    if (found.uid !== owner && found.uid !== 0) {
      return warn(
        `${each} belongs to uid ${found.uid}, who can run commands as uid ${owner}`,
        `chown ${owner} ${each}`,
      );
    }
  }
  return ok("nobody else can write there");
}

const MIB = 1024 * 1024;

function disk(path: string): Finding {
  try {
    const { bavail, bsize, ffree, files } = statfsSync(nearestPresent(path));
    return freeDisk(path, bavail * bsize, files === 0 ? 1 : ffree / files);
  } catch (error) {
    return warn(
      `${path}: ${(error as Error).message}`,
      "make the directory readable for you, or run svctl doctor as root",
    );
  }
}

export function freeDisk(path: string, bytes: number, inodes: number): Finding {
  const free = `${Math.floor(bytes / MIB)} MiB free at ${path}`;
  const fix = "make room; `logs: { max_size, keep }` bounds what each service may write";
  if (bytes < 50 * MIB) return fail(free, fix);
  if (bytes < 1024 * MIB) return warn(free, fix);
  return inodes < 0.02 ? warn(`${free}, but hardly any inodes`, "remove small files nobody needs") : ok(free);
}

function nearestPresent(path: string): string {
  return statOf(path) !== null || path === "/" ? path : nearestPresent(dirname(path));
}

// The machine

interface Helper {
  readonly name: string;
  readonly package: string;
  readonly without: Level;
  readonly why: string;
}

const HELPERS: readonly Helper[] = [
  { name: "mkfifo", package: "coreutils", without: "fail", why: "makes the pipes that hold the output of services" },
  { name: "setpriv", package: "util-linux", without: "warn", why: "needed for `user:`, `group:` and capabilities" },
  {
    name: "prlimit",
    package: "util-linux",
    without: "warn",
    why: "needed for `limits:`, and without a cgroup to know every process of a run",
  },
  { name: "flock", package: "util-linux", without: "warn", why: "keeps two set-ups or commands from running at once" },
  { name: "gzip", package: "gzip", without: "warn", why: "compresses rotated logs" },
];

function program({ name, package: from, without, why }: Helper, path: string): Finding {
  const found = onPath(name, path);
  if (found !== null) return ok(found);
  return { level: without, found: `not on PATH; it ${why}`, fix: `install ${from}` };
}

function onPath(name: string, path: string): string | null {
  for (const directory of path.split(":")) {
    if (directory === "") continue;
    try {
      accessSync(`${directory}/${name}`, constants.X_OK);
      return `${directory}/${name}`;
    } catch {
      // Not in this one.
    }
  }
  return null;
}

/** svcd knows processes by it. Its own it sees always; what is hidden are those of others, who may hold its ports. */
export function processTable(isThere: boolean, seesOthers: boolean): Finding {
  if (!isThere) return fail("not mounted: svcd cannot start here", "mount it: mount -t proc proc /proc");
  if (seesOthers) return ok("shows all processes");
  return warn(
    "hides the processes of other users (hidepid): who holds a port may stay unnamed",
    "if svcd shall name them, put its user into the group of the mount option gid=, or run it as root",
  );
}

/** How svcd knows what belongs to a run. */
export function containment({ way, detail }: HealthReport["containment"]): Finding {
  switch (way) {
    case "cgroup":
      return ok(`each run has a cgroup of its own below ${detail}; the kernel ends whatever is in it`);
    case "subreaper":
      return ok(`${detail} takes and reaps what loses its parent; svcd looks there and ends what was of a run`);
    case "scan":
      return ok(
        "by looking through /proc: descendants, session, mark and tag of a run (a writable cgroup v2, or tini, would be surer)",
      );
  }
}

export function node(path: string, version: string): Finding {
  const real = realOf(path);
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (/\/node-linux-(x64|arm64)\//.test(real)) return ok(`${version}, the one svcd was tested with`);
  const isNewEnough = major > 22 || (major === 22 && minor >= 22);
  if (isNewEnough) return ok(`${version}, the system's (${real})`);
  return fail(
    `${version} (${real}) is too old`,
    "install Node.js 22.22 or newer, or npm ci --include=optional, which brings one",
  );
}

function inotify(): Finding {
  const limit = (name: string) => Number(read(`/proc/sys/fs/inotify/${name}`) ?? Number.NaN);
  return inotifyLimits(limit("max_user_watches"), limit("max_user_instances"));
}

/** Without inotify svcd still looks by itself now and then, so changes are only noticed later. */
export function inotifyLimits(watches: number, instances: number): Finding {
  if (Number.isNaN(watches))
    return warn("inotify is not available here", "changes of files are noticed by looking now and then");
  const found = `inotify: ${watches} watches, ${instances} instances for each user`;
  if (watches >= 8192 && instances >= 128) return ok(found);
  return warn(found, "raise them: sysctl fs.inotify.max_user_watches=65536 fs.inotify.max_user_instances=512");
}

// Reading without complaint: what is missing is a finding, not an error.

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

function ownerOf(path: string): number | null {
  return statOf(path)?.uid ?? null;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

function readdir(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function nameOf(pid: number): string {
  return read(`/proc/${pid}/comm`)?.trim() ?? "unknown";
}
