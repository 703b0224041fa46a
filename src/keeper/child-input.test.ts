import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Descriptors } from "./descriptors.ts";
import { ServiceOutput } from "./service-output.ts";

function outputIn(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "svcd-input-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const silent = { onWrote: () => {}, onMoved: () => {} };
  const output = new ServiceOutput("backup!1", directory, 0o600, new Descriptors(100, 0), silent);
  return {
    directory,
    run(stdin: string | undefined, program: string, options: { uid?: number; argv?: string[] } = {}): string {
      const files = output.openForChild({ uid: options.uid ?? null, ...(stdin !== undefined && { stdin }) });
      const { uid } = options;
      try {
        return spawnSync(program, options.argv ?? [], {
          stdio: [files.stdin, "pipe", "pipe"],
          encoding: "utf8",
          maxBuffer: 16e6,
          ...(uid !== undefined && { uid, gid: uid }),
        }).stdout;
      } finally {
        files.close();
      }
    },
  };
}

test("a run reads what it is given to its end, a megabyte as well as nothing", (t) => {
  const { run } = outputIn(t);
  const text = `${"ä".repeat(499_999)}x\n`;
  assert.equal(run(text, "cat"), text);
  assert.equal(run("", "cat"), "");
  assert.equal(run(undefined, "cat"), "");
});

test("a run that reads nothing of it ends all the same, and nothing is left behind", (t) => {
  const { directory, run } = outputIn(t);
  writeFileSync(join(directory, "stdin"), "of a keeper that died");
  const files = readdirSync("/proc/self/fd").length;
  run("x".repeat(1_000_000), "true");
  assert.deepEqual(readdirSync(directory), []);
  assert.equal(readdirSync("/proc/self/fd").length, files);
});

const isRoot = process.getuid?.() === 0;

test("another user's run may open it again as /dev/stdin", { skip: isRoot ? false : "needs root" }, (t) => {
  const { run } = outputIn(t);
  assert.equal(run("to nobody\n", "cat", { uid: 65_534, argv: ["/dev/stdin"] }), "to nobody\n");
});

test("the input cannot be written to by the run", (t) => {
  const { run } = outputIn(t);
  assert.match(run("given\n", "sh", { argv: ["-c", "echo more >&0 || cat"] }), /^given\n$/);
});
