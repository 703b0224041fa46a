import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { NvidiaSmi } from "./nvidia-smi.ts";

const folder = mkdtempSync(join(tmpdir(), "nvidia-smi-"));
after(() => rmSync(folder, { recursive: true }));

function smi(script: string, timeoutMs = 60_000): NvidiaSmi {
  const file = join(folder, "nvidia-smi");
  writeFileSync(`${file}.tmp`, `#!/bin/sh\n${script}\n`);
  chmodSync(`${file}.tmp`, 0o755);
  rmSync(file, { force: true });
  writeFileSync(file, readFileSync(`${file}.tmp`), { mode: 0o755 });
  return new NvidiaSmi({ env: { PATH: `${folder}:/usr/bin:/bin` }, timeoutMs });
}

test("it answers with what nvidia-smi prints and its exit status, asked in English", async () => {
  assert.deepEqual(await smi('echo "$@" $LC_ALL; echo loud >&2; exit 9').ask(["-a", "b"]), {
    kind: "said",
    text: "-a b C\n",
    exit: 9,
  });
  assert.deepEqual(await smi("kill -9 $$").ask([]), { kind: "said", text: "", exit: null });
});

test("one that hangs is killed with all it started, and the next question is asked anew", async () => {
  const hanging = smi(`trap '' TERM; sleep 1000 & echo $! > ${folder}/pid; wait`, 500);
  assert.deepEqual(await hanging.ask([]), { kind: "silent" });
  const pid = Number(readFileSync(join(folder, "pid"), "utf8"));
  while (isRunning(pid)) await new Promise(setImmediate);
  smi("echo here");
  while ((await hanging.ask([])).kind === "silent") await new Promise(setImmediate);
  assert.deepEqual(await hanging.ask([]), { kind: "said", text: "here\n", exit: 0 });
});

test("beside one that not even KILL ends no other is started", async () => {
  let started = 0;
  // As one in state D: it has a pid that no signal reaches, and does not end.
  const stuck = Object.assign(new EventEmitter(), { exitCode: null, signalCode: null }) as unknown as ChildProcess;
  const hanging = new NvidiaSmi({
    env: {},
    timeoutMs: 10,
    start: () => (started++ === 0 ? stuck : spawn("echo", ["back"])),
  });
  for (let question = 0; question < 5; question++) assert.deepEqual(await hanging.ask([]), { kind: "silent" });
  assert.equal(started, 1);
  stuck.emit("close", null);
  const patient = new NvidiaSmi({ env: {}, start: () => spawn("echo", ["back"]) });
  assert.deepEqual(await patient.ask([]), { kind: "said", text: "back\n", exit: 0 });
  assert.equal((await hanging.ask([])).kind === "silent" && started === 1, false);
});

test("endless output is cut, and what cannot be started says so", async () => {
  const answer = await smi("head -c 5000000 /dev/zero; echo end").ask([]);
  assert.equal(answer.kind === "said" && answer.text.length, 1024 ** 2);
  const none = new NvidiaSmi({ env: {}, start: () => spawn("/nowhere/nvidia-smi") });
  assert.equal((await none.ask([])).kind, "refused");
  assert.equal(new NvidiaSmi({ env: { PATH: folder } }).isInstalled, true);
  assert.equal(
    new NvidiaSmi({ env: { PATH: "/nowhere" } }).isInstalled,
    existsSync("/usr/local/nvidia/bin/nvidia-smi"),
  );
});

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
