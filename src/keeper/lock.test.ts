import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Locked, lock } from "./lock.ts";

function fresh(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "svcd-lock-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** With this shell script in the place of flock(1); null: with none. */
function lockWith(script: string | null, t: TestContext): Locked {
  const directory = fresh(t);
  if (script !== null) writeFileSync(join(directory, "flock"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const { PATH } = process.env;
  process.env["PATH"] = directory;
  try {
    return lock(join(directory, "svcd.lock"));
  } finally {
    process.env["PATH"] = PATH;
  }
}

const noFlock = spawnSync("flock", ["--version"]).error !== undefined && "flock (util-linux) is not here";

test("the first has the lock and leaves its pid there", { skip: noFlock }, (t) => {
  const path = join(fresh(t), "svcd.lock");
  assert.deepEqual(lock(path), { kind: "locked" });
  assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
});

test("who comes second learns who was first, and may have it once that one has ended", { skip: noFlock }, async (t) => {
  const path = join(fresh(t), "svcd.lock");
  writeFileSync(path, "4711\n");
  const first = spawn("flock", ["--no-fork", path, "sh", "-c", "echo; exec sleep 1000"]);
  await once(first.stdout, "data");
  assert.deepEqual(lock(path), { kind: "held", holder: "4711" });
  first.kill("SIGKILL");
  await once(first, "exit");
  assert.deepEqual(lock(path), { kind: "locked" });
});

test("a flock that is missing or fails does not mean that somebody has the lock", (t) => {
  assert.deepEqual(lockWith(null, t), { kind: "no flock" });
  assert.deepEqual(lockWith("echo 'flock: 3: No locks available' >&2; exit 71", t), {
    kind: "failed",
    why: "flock: 3: No locks available",
  });
  assert.deepEqual(lockWith("exit 64", t), { kind: "failed", why: "it ended with 64" });
  assert.deepEqual(lockWith("kill -KILL $$", t), { kind: "failed", why: "it ended with SIGKILL" });
});
