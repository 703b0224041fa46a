/**
 * Python packages, by uv or pip, into an environment that is made if it is not there.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Around } from "./around.ts";
import { onPath } from "./on-path.ts";
import { describeFailure, type Ended, runProgram } from "./program.ts";
import { type Failed, failure, type Result } from "./result.ts";
import type { Step, Work } from "./step.ts";

type Of = Extract<Work, { kind: "pip" }>;
type Env = Step["env"];

/** uv where it is on PATH: it is many times faster, and does the same. */
export async function pip(work: Of, env: Env, around: Around): Promise<Result> {
  const uv = onPath("uv", env);
  const run = (argv: readonly string[]): Promise<Ended> => runProgram({ argv, env, cwd: process.cwd() }, around);
  const { venv, words } = work;
  if (venv !== null && !existsSync(join(venv, "bin/python"))) {
    const made = await makeVenv(venv, uv, env, run, around);
    if (made !== null) return made;
  }
  const python = venv === null ? null : join(venv, "bin/python");
  const argv =
    uv !== null
      ? [uv, "pip", "install", ...(python === null ? uvTarget(env) : ["--python", python]), ...words]
      : [python ?? "python3", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", ...words];
  const ended = await run(argv);
  if (ended.code === 0) return { ok: true };
  const said = ended.lines.join("\n");
  const cause = describeFailure(uv === null ? "pip install" : "uv pip install", ended);
  if (/No module named pip\b/.test(said))
    return failure("this Python has no pip", "apt: python3-pip, or install uv", true);
  if (/externally-managed-environment|externally managed/.test(said)) {
    return failure(
      "this Python belongs to the system",
      "give the step a `venv:`, or set PIP_BREAK_SYSTEM_PACKAGES=1",
      true,
    );
  }
  const unknown = /No matching distribution found for (\S+)|Because (\S+) was not found in the package registry/.exec(
    said,
  );
  if (unknown !== null)
    return failure(cause, "correct its name and version, or name its index: `--index-url URL`", true);
  return failure(cause, null, ended.refused !== null);
}

/** null: it is there. Only what we have begun ourselves is cleared: a wrong path must not cost anybody's files. */
async function makeVenv(
  venv: string,
  uv: string | null,
  env: Env,
  run: (argv: readonly string[]) => Promise<Ended>,
  around: Around,
): Promise<Failed | null> {
  const begun = join(dirname(venv), `.svcd-${basename(venv)}.venv`);
  const isOurs = existsSync(begun) || existsSync(join(venv, "pyvenv.cfg"));
  if (!isOurs && existsSync(venv) && readdirSync(venv).length > 0) {
    return failure(`${venv} is there, and is no Python environment`, "move it away, or name another `venv:`", true);
  }
  around.say(`making the Python environment ${venv}`);
  mkdirSync(dirname(venv), { recursive: true });
  writeFileSync(begun, "");
  rmSync(venv, { recursive: true, force: true });
  const python = onPath("python3", env) === null ? "python" : "python3";
  const made = await run(uv === null ? [python, "-m", "venv", venv] : [uv, "venv", "--seed", venv]);
  if (made.code !== 0) {
    return failure(describeFailure("making the Python environment", made), VENV_FIX, made.refused !== null);
  }
  rmSync(begun, { force: true });
  return null;
}

const VENV_FIX = "apt: python3-venv, or install uv";

/** Without an environment uv refuses; pip takes the Python of the system, and so does uv if it is told. */
function uvTarget(env: Env): string[] {
  if (env["VIRTUAL_ENV"] || env["CONDA_PREFIX"]) return [];
  const breaks = /^(1|true|yes)$/i.test(env["PIP_BREAK_SYSTEM_PACKAGES"] ?? "") ? ["--break-system-packages"] : [];
  return ["--system", ...breaks];
}
