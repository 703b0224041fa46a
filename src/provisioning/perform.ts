/** One step from its start to its result: whether it has anything to do, the tries that its kind may have, and its limit of time. */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { apt } from "./apt.ts";
import { type Around, delayMs, pause } from "./around.ts";
import { download } from "./download.ts";
import { git } from "./git.ts";
import { huggingface } from "./hub.ts";
import { pip } from "./pip.ts";
import { describeFailure, runProgram } from "./program.ts";
import { failure, Interrupted, type Result } from "./result.ts";
import { script } from "./script.ts";
import { inTime } from "./sizes.ts";
import type { Step, Work } from "./step.ts";

/** `doneBefore`: of a script, the content that need not run again. Throws `Interrupted` when `around.stop` says so. */
export async function perform(step: Step, work: Work, doneBefore: string | null, around: Around): Promise<Result> {
  if (step.creates !== null && existsSync(step.creates)) {
    return { ok: true, skipped: true, note: `${step.creates} is there` };
  }
  const limit = step.timeoutMs === null ? null : AbortSignal.timeout(step.timeoutMs);
  const stop = limit === null ? around.stop : AbortSignal.any([around.stop, limit]);
  const within = { ...around, stop };
  try {
    if (step.unless !== null) {
      const cwd = "cwd" in work ? work.cwd : process.cwd();
      const { code } = await runProgram({ argv: step.unless, env: step.env, cwd, onLine: () => {} }, within);
      if (code === 0) return { ok: true, skipped: true, note: "its `unless:` holds" };
    }
    return await withTries(step, work, doneBefore, within);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    if (around.stop.aborted || step.timeoutMs === null) throw error;
    return failure(`it took longer than ${inTime(step.timeoutMs)}`, "give it a longer `timeout:`", true);
  }
}

async function withTries(step: Step, work: Work, doneBefore: string | null, around: Around): Promise<Result> {
  for (let failures = 0; ; ) {
    const result = await once(step, work, doneBefore, around);
    // A download counts its own tries: it knows whether one has brought something.
    if (result.ok || result.permanent || work.kind === "download" || work.kind === "huggingface") return result;
    failures++;
    if (failures >= step.tries) {
      return step.tries === 1 ? result : { ...result, cause: `${result.cause} (after ${step.tries} tries)` };
    }
    const waitMs = delayMs(step.retryDelayMs, failures);
    around.say(`${result.cause}; try ${failures + 1} of ${step.tries} in ${inTime(waitMs)}`);
    await pause(waitMs, around);
  }
}

async function once(step: Step, work: Work, doneBefore: string | null, around: Around): Promise<Result> {
  switch (work.kind) {
    case "apt":
      return await apt(work, step.env, around);
    case "pip":
      return await pip(work, step.env, around);
    case "git":
      return await git(work, step.env, around);
    case "download":
      return await download({ ...work, tries: step.tries, retryDelayMs: step.retryDelayMs }, around);
    case "huggingface":
      return await huggingface(work, step, around);
    case "script":
      return await script(work, step, doneBefore, around);
    case "run": {
      const ended = await runProgram({ argv: work.argv, env: step.env, cwd: work.cwd }, around);
      if (ended.code === 0) return { ok: true };
      const name = work.argv[0] === "/bin/sh" ? "the script" : basename(work.argv[0] ?? "");
      return failure(describeFailure(name, ended), null, ended.refused !== null);
    }
  }
}
