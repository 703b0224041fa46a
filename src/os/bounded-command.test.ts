import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import type { Launch } from "../ports.ts";
import { type CommandEnd, runBounded } from "./bounded-command.ts";

const dir = mkdtempSync(`${tmpdir()}/bounded-`);
after(() => rmSync(dir, { recursive: true }));

function shell(script: string, change: Partial<Launch> = {}): Launch {
  const env = { PATH: "/usr/bin:/bin" };
  return { file: "/bin/sh", argv: ["sh", "-c", script], cwd: dir, env, umask: null, uid: null, ...change };
}

function ends(launch: Launch, timeoutMs = 60_000, keepBytes = 4096): Promise<CommandEnd> {
  return new Promise((resolve) => runBounded(launch, { timeoutMs, keepBytes }, resolve));
}

/** Waits until no process has this pid, or it is a zombie that somebody else must reap. */
async function isGone(pid: number): Promise<void> {
  for (;;) {
    try {
      if (/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"))) return;
    } catch {
      return;
    }
    await new Promise(setImmediate);
  }
}

test("a command answers with its exit status and what it wrote to both streams", async () => {
  const { how, output } = await ends(shell("echo one; echo two >&2; umask; pwd; exit 3", { umask: 0o27 }));
  assert.deepEqual(how, { kind: "code", code: 3 });
  assert.deepEqual(output.toString().trim().split("\n").sort(), ["0027", dir, "one", "two"].sort());
});

test("a signal is told by its name", async () => {
  assert.deepEqual((await ends(shell("kill -SEGV $$"))).how, { kind: "signal", signal: "SIGSEGV" });
});

test("only the last of much output is kept", async () => {
  const { output } = await ends(shell("head -c 300000 /dev/zero; echo; echo end"), 60_000, 4096);
  assert.equal(output.length, 4096);
  assert.ok(output.toString().endsWith("\nend\n"));
});

test("at its time limit a command is killed with everything in its group", async () => {
  const { how, output } = await ends(shell("trap '' TERM; sleep 1000 & echo $! $$; wait"), 1_000);
  assert.deepEqual(how, { kind: "timeout" });
  const pids = output.toString().trim().split(" ").map(Number);
  assert.equal(pids.length, 2);
  await Promise.all(pids.map(isGone));
});

test("a time limit longer than any timer is no limit at all", async () => {
  assert.deepEqual((await ends(shell("sleep 0.2; exit 3"), 2 ** 31)).how, { kind: "code", code: 3 });
});

test("what a command leaves behind is ended, and its open pipe is not waited for", async () => {
  const { how, output } = await ends(shell("sleep 1000 & echo $!"));
  assert.deepEqual(how, { kind: "code", code: 0 });
  await isGone(Number(output.toString()));
});

test("what cannot be started says so, whichever way Node tells it", async () => {
  const missing = await ends(shell("", { file: "/nowhere/x" }));
  assert.equal(missing.how.kind === "refused" && missing.how.code, "ENOENT");
  const tooLong = await ends(shell("", { argv: ["sh", "x".repeat(200_000)] }));
  assert.equal(tooLong.how.kind === "refused" && tooLong.how.code, "E2BIG");
});

test("a command that is no longer wanted ends without an answer", async () => {
  const started = new Promise<number>((resolve) => {
    const watcher = watch(dir, (_, name) => {
      const pid = name === "pid" ? Number(readFileSync(`${dir}/pid`, "utf8")) : 0;
      if (pid === 0) return;
      watcher.close();
      resolve(pid);
    });
  });
  const cancel = runBounded(shell("echo $$ > pid; exec sleep 1000"), { timeoutMs: 60_000, keepBytes: 1 }, () => {
    assert.fail("it answered");
  });
  const pid = await started;
  cancel();
  await isGone(pid);
});
