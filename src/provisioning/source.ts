/**
 * The files of provisioning.d and the environment, as they are on this machine now.
 *
 * svcd starts the program with the environment of the service `provisioning`. Whoever only looks (`svctl provision`) sees the same by
 * reading that service's file, on top of svcd's own environment.
 */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { accountOf } from "../os/accounts.ts";
import { textOf as beginningOf, isRunning } from "../os/machine-facts.ts";
import { isListening } from "../os/port-holder.ts";
import type { Places } from "../places.ts";
import { cleanBase, type Environment, envFilePaths, environmentOf, type FoundEnvFile } from "../plan/environment.ts";
import { readPlan } from "../plan/read.ts";
import { onPath } from "./on-path.ts";
import { readSteps, type Steps } from "./read.ts";

export const SERVICE = "provisioning";

export function stepsHere(where: Places, env: Environment): Steps {
  const rootDir = dirname(where.services);
  const { files, refused } = filesIn(join(rootDir, "provisioning.d"));
  const read = readSteps({
    files,
    env,
    rootDir,
    readEnvFile,
    hasCommand: (name, path) =>
      name.includes("/")
        ? existsSync(resolve(rootDir, name))
        : onPath(name, path === undefined ? {} : { PATH: path }) !== null,
    fileExists: existsSync,
    machine: {
      textOf: beginningOf,
      isListening,
      isRunning,
      user: () => accountOf(String(process.getuid?.() ?? 0))?.name ?? String(process.getuid?.() ?? 0),
    },
  });
  return { ...read, mistakes: [...refused, ...read.mistakes] };
}

/** What svcd gave to this program, and what it needs to find again what belongs to its run. */
export function ownEnvironment(env: NodeJS.ProcessEnv): Environment {
  const marks = ["SVCD_RUN", "SVCD_SERVICE", "SVCD_ROOT"].flatMap((name) => (env[name] ? [[name, env[name]]] : []));
  return { ...cleanBase(env), ...Object.fromEntries(marks) };
}

/** What svcd would give to it: `daemonPid` is a process of svcd, whose environment only its user and root may read. */
export function environmentOfService(where: Places, daemonPid: number | null): Environment {
  const base = cleanBase((daemonPid === null ? null : environOf(daemonPid)) ?? process.env);
  const files = filesIn(where.services).files.filter(
    ({ text }) => text.includes("svcd-provision") || text.includes(SERVICE),
  );
  const settings = existsSync(where.settings) ? { path: where.settings, text: textOf(where.settings) } : null;
  const machine = { timezone: "UTC", account: { name: null, isRoot: process.getuid?.() === 0 } };
  const plan = readPlan({ files, settings, env: base, machine });
  const service = plan.services.get(SERVICE);
  if (service === undefined) return base;
  const layers = { base, daemon: plan.daemon.environment };
  const paths = envFilePaths(service, layers);
  if (!paths.ok) return base;
  const rootDir = dirname(where.services);
  const envFileTexts = paths.value.map(({ path }) => readEnvFile(resolve(rootDir, path)));
  const made = environmentOf(service, { ...layers, envFileTexts });
  return made.ok ? made.value.env : base;
}

function environOf(pid: number): Record<string, string> | null {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, "utf8")
      .split("\0")
      .filter((entry) => entry.includes("="));
    return Object.fromEntries(
      entries.map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]),
    );
  } catch {
    return null;
  }
}

function filesIn(folder: string): { files: { path: string; text: string }[]; refused: Steps["mistakes"] } {
  const files: { path: string; text: string }[] = [];
  const refused: Steps["mistakes"][number][] = [];
  const refuse = (path: string, what: string, fix: string): void =>
    void refused.push({ file: path, line: 1, column: 1, what, fix, text: "" });
  let names: string[] = [];
  try {
    names = readdirSync(folder)
      .filter((name) => /^[^.].*\.ya?ml$/.test(name))
      .sort();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT") refuse(folder, `it cannot be read: ${message}`, "let svcd read it");
  }
  for (const name of names) {
    const path = join(folder, name);
    try {
      const flaw = ownerFlaw(path);
      if (flaw !== null) refuse(path, flaw, `chown root ${path}; chmod go-w ${path}`);
      else files.push({ path, text: textOf(path) });
    } catch (error) {
      refuse(path, `it cannot be read: ${(error as Error).message}`, "let svcd read it, or remove it");
    }
  }
  return { files, refused };
}

/** What root runs is written by nobody but root. */
function ownerFlaw(path: string): string | null {
  const { uid, mode } = statSync(path);
  if (process.getuid?.() !== 0) return null;
  if (uid !== 0) return "it belongs to another user than root, and root would run what stands in it";
  return (mode & 0o022) === 0 ? null : "others than root may write it, and root would run what stands in it";
}

function readEnvFile(path: string): FoundEnvFile {
  try {
    return { path, text: textOf(path) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such file" : code === "EACCES" ? "permission denied" : message;
    return { path, text: null, missing: code === "ENOENT", why };
  }
}

function textOf(path: string): string {
  return readFileSync(path, "utf8");
}
