/**
 * `svcd --check` with the root of this call: the files can be checked when no svcd runs.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { type Call, say } from "./call.ts";
import { EXIT, Failure } from "./failure.ts";

/** Its output and exit code are the answer. */
export async function checkWithoutDaemon(call: Call): Promise<number> {
  const program = daemonProgram(call.world.program);
  if (program === null) {
    throw new Failure(EXIT.unreachable, "no svcd runs, and none is installed beside svctl to check the files", {
      where: dirname(call.world.program),
      fix: "install svcd again, or start the one you mean",
    });
  }
  say(call.world.err, `(no svcd runs at ${call.places.socket}; its files are checked without it)`);
  const root = call.root === null ? [] : ["--root", call.root];
  const child = spawn(process.execPath, [program, "--check", ...root], {
    stdio: ["ignore", "pipe", "pipe"],
    env: call.world.env,
  });
  child.stdout.on("data", (bytes: Buffer) => call.world.out.write(bytes));
  child.stderr.on("data", (bytes: Buffer) => call.world.err.write(bytes));
  return await new Promise<number>((resolve, reject) => {
    child.on("error", (error) => {
      reject(new Failure(EXIT.failed, `cannot run ${program}: ${error.message}`, { fix: "install svcd again" }));
    });
    child.on("close", (code) => resolve(code ?? EXIT.failed));
  });
}

/** Beside svctl: `svcd.js` where it is built, `svcd.ts` in the source tree. */
function daemonProgram(program: string): string | null {
  const beside = dirname(program);
  return [`${beside}/svcd.js`, `${beside}/svcd.ts`].find((path) => existsSync(path)) ?? null;
}
