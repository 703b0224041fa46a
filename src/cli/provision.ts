/**
 * `svctl provision`: what the steps of provisioning are at, and doing them again. The steps are known by `svcd-provision`, the
 * program that does them: it is asked, so that both can never disagree, and svctl stays small.
 */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { Refused } from "../control/client.ts";
import { actAndWait } from "./act.ts";
import { type Call, say } from "./call.ts";
import { asFailure, ifAnswered, isUnreachable } from "./daemon.ts";
import { EXIT, Failure, usage } from "./failure.ts";
import { plainLines } from "./text.ts";

export const details = `
Steps stand in provisioning.d/*.yaml (docs/provisioning.md). What is done stays done; a run goes on where the last one failed.
  svctl provision --dry-run         what a run would do, step by step
  svctl provision --again           do what failed or changed (PROVISIONING_SCRIPT: its content, too)
  svctl provision --again STEP      from this step on, by its name or number; all: everything
  svctl logs -f provisioning        what it says meanwhile`;

const SERVICE = "provisioning";
/** A report of thousands of steps. */
const MOST_BYTES = 64 * 1024 * 1024;

export async function run(call: Call): Promise<number> {
  const { again, "dry-run": dry } = call.options;
  if (again !== undefined && dry !== undefined) {
    throw usage("`--again` and `--dry-run` exclude each other", "leave one of them out");
  }
  const [step] = call.words;
  if (step !== undefined && again === undefined) throw usage(`\`${step}\`: a step is named with --again`);
  const pid = (await ifAnswered(call.daemon.health()))?.keeper ?? null;
  if (again === undefined) {
    const { status, stdout, stderr } = ask(call, [dry === undefined ? "show" : "dry-run"], pid);
    call.world.out.write(call.json ? stdout : `${plainLines(stdout.trimEnd())}\n`);
    if (stderr !== "") call.world.err.write(plainLines(stderr));
    return status === 0 ? EXIT.done : EXIT.failed;
  }
  const { status, stderr } = ask(call, ["again", ...(step === undefined ? [] : [step])], pid);
  if (status !== 0) throw refused(status, stderr);
  try {
    // It is written down by now, so whoever starts provisioning next does it.
    return await actAndWait({ ...call, words: [SERVICE] }, () => call.daemon.act("restart", [SERVICE]), "again");
  } catch (error) {
    if (error instanceof Refused && error.code === "unknown_service") {
      throw new Failure(EXIT.failed, "there is no service `provisioning` that would do it", {
        fix: "put the shipped services.d/provisioning.yaml into services.d, or run svcd-provision yourself",
      });
    }
    if (!isUnreachable(error)) throw error;
    say(call.world.err, "svctl: it is written down, and will be done as soon as svcd starts provisioning");
    throw asFailure(error, call.verb, call.root) ?? error;
  }
}

function ask(call: Call, words: readonly string[], daemonPid: number | null) {
  const { world, root } = call;
  const beside = dirname(world.program);
  const places = [`${beside}/provision.js`, `${beside}/../dist/provision.js`];
  const program = places.find((path) => world.exists(path));
  if (program === undefined) {
    throw new Failure(EXIT.failed, "the program is missing from this installation", {
      where: places[0]!,
      fix: "build svcd again (npm run build), or install it again",
    });
  }
  const options = [
    ...(root === null ? [] : ["--root", root]),
    ...(daemonPid === null ? [] : ["--daemon", String(daemonPid)]),
    ...(call.json ? ["--json"] : []),
  ];
  return spawnSync(process.execPath, [program, ...options, ...words], {
    env: world.env as NodeJS.ProcessEnv,
    encoding: "utf8",
    maxBuffer: MOST_BYTES,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** It says what and fix as we do. */
function refused(status: number | null, stderr: string): Failure {
  const [what = "it did not work", ...rest] = stderr.trim().split("\n");
  const fix = rest.find((line) => /^\s+fix:/.test(line))?.replace(/^\s+fix:\s*/, "") ?? null;
  return new Failure(status === 2 ? EXIT.usage : EXIT.failed, what.replace(/^svcd-provision: /, ""), { fix });
}
