/**
 * Debian packages. What is installed already is left alone; a dpkg that was cut off is set right first.
 */
import type { Around } from "./around.ts";
import { onPath } from "./on-path.ts";
import { describeFailure, type Ended, runProgram } from "./program.ts";
import { failure, type Result } from "./result.ts";
import type { Step, Work } from "./step.ts";

type Of = Extract<Work, { kind: "apt" }>;
type Env = Step["env"];

/** As root; elsewhere by `sudo`, if that asks for no password. */
export async function apt(work: Of, env: Env, around: Around): Promise<Result> {
  const aptEnv = { ...env, DEBIAN_FRONTEND: "noninteractive", NEEDRESTART_MODE: "l" };
  const asRoot = process.getuid?.() === 0 ? [] : ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"];
  const run = (argv: readonly string[]): Promise<Ended> =>
    runProgram({ argv: [...asRoot, ...argv], env: aptEnv, cwd: "/" }, around);
  if (onPath("apt-get", env) === null) {
    return failure("apt-get is not on PATH", "`apt:` is for Debian and Ubuntu; use `run:` elsewhere", true);
  }
  if (asRoot.length > 0 && onPath("sudo", env) === null) {
    return failure("packages are installed by root", "run svcd as root, or install sudo", true);
  }
  if (!around.isAskedFor && (await areInstalled(work.packages, aptEnv, around))) {
    return { ok: true, note: "all of them are installed already" };
  }
  // Cut off in the middle, dpkg does nothing for anybody until this is done.
  if (around.wasCutOff) await setRight(run);
  const patient = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];
  if (work.update) {
    const updated = await run(["apt-get", ...patient, "update"]);
    // One list of many that cannot be fetched need not concern these packages.
    if (updated.code !== 0)
      around.say(`${describeFailure("apt-get update", updated)}; going on with the lists there are`);
  }
  const options = [...patient, "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"];
  const recommends = work.recommends ? [] : ["--no-install-recommends"];
  const ended = await run(["apt-get", ...options, "install", "--yes", ...recommends, "--", ...work.packages]);
  if (ended.code === 0) return { ok: true };
  const said = ended.lines.join("\n");
  const unknown = /Unable to locate package (\S+)/.exec(said)?.[1];
  if (unknown !== undefined) {
    return failure(
      `apt knows no package ${unknown}`,
      "correct its name, or add its source first (a `run:` before it)",
      true,
    );
  }
  const cause = describeFailure("apt-get install", ended);
  if (/dpkg was interrupted/.test(said)) {
    await setRight(run); // By somebody else, before us.
    return failure(cause, "dpkg --configure -a");
  }
  if (/No space left on device|not have enough free space/.test(said)) {
    return failure(cause, "free some space: df -h", true);
  }
  return failure(cause, /sudo:.*password/.test(said) ? "run svcd as root" : null, ended.refused !== null);
}

async function setRight(run: (argv: readonly string[]) => Promise<Ended>): Promise<void> {
  await run(["dpkg", "--force-confdef", "--force-confold", "--configure", "-a"]);
}

/** Every one of them, as named without version: dpkg answers without a network. */
async function areInstalled(packages: readonly string[], env: Env, around: Around): Promise<boolean> {
  if (packages.some((name) => !/^[a-z0-9][a-z0-9+.:-]*$/.test(name)) || onPath("dpkg-query", env) === null)
    return false;
  const argv = ["dpkg-query", "--show", "--showformat=${db:Status-Abbrev}\\n", ...packages];
  const { code, lines } = await runProgram({ argv, env, cwd: "/", onLine: () => {} }, around);
  return code === 0 && lines.length >= packages.length && lines.every((line) => line.startsWith("ii"));
}
