/**
 * Faults of the kernel on order: strace makes system calls of a running process fail, for as long as a story needs.
 */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { TestContext } from "node:test";
import type { Box } from "./box.ts";

/** All the ways in which a C library asks for a new process. Those with a question mark not every architecture has. */
export const FORKS = "clone,clone3,?fork,?vfork";

/** Why there is none here, or false; for `skip`. */
export const noInterference: string | false =
  spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0
    ? false
    : "strace is not installed, or may not trace here";

/**
 * From now on these calls of this process (of its first thread, and of what it starts only with `-f` among the options) fail
 * so: all of them, or the n-th of each process alone. Resolves with how to end that, which tells how many calls failed.
 */
export async function interfere(
  t: TestContext,
  box: Box,
  pid: number,
  calls: string,
  error: string,
  nth: number | null = null,
  options: readonly string[] = [],
): Promise<() => Promise<number>> {
  const inject = `inject=${calls}:error=${error}${nth === null ? "" : `:when=${nth}`}`;
  const record = box.path("strace");
  const strace = spawn("strace", [...options, "-o", record, "-e", `trace=${calls}`, "-e", inject, "-p", String(pid)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  strace.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = new Promise<void>((done) => strace.once("exit", () => done()));
  t.after(() => strace.kill("SIGKILL"));
  await box.becomes(
    `strace is attached to ${pid}`,
    () => /attached/.test(said),
    () => said,
  );
  return async () => {
    strace.kill("SIGINT"); // It lets go of the process, as with Ctrl-C.
    await ended;
    return readFileSync(record, "latin1").split("(INJECTED)").length - 1;
  };
}
