import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { holdersOf, leaseInEnvironment, type MainProcess } from "./gpu-holders.ts";

const RUN_DIR = "/run/gpu-holders-test";
const started: number[] = [];
after(() => {
  for (const pid of started) process.kill(pid, "SIGKILL");
});

/** Says its first line once it is there. */
async function run(script: string, env: Record<string, string> = {}): Promise<{ pid: number; line: string }> {
  return said(spawn("sh", ["-c", script], { env: { PATH: "/usr/bin:/bin", ...env }, detached: true }));
}

async function said(child: ChildProcessWithoutNullStreams): Promise<{ pid: number; line: string }> {
  started.push(child.pid!);
  const line = await new Promise<string>((heard) => child.stdout.once("data", (data) => heard(String(data).trim())));
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  child.unref();
  return { pid: child.pid!, line };
}

function who(pid: number, mains: MainProcess[] = []) {
  const [holder] = holdersOf([{ uuid: "GPU-1", pid, usedBytes: 1, name: "x" }], RUN_DIR, mains);
  return holder!;
}

test("a process is of the run whose mark it carries, also when that run is over", async () => {
  const worker = await run("echo here; exec sleep 1000", { SVCD_RUN: `${RUN_DIR}/vllm@2#7` });
  assert.deepEqual(who(worker.pid).run, { name: "vllm@2", run: 7 });
  const other = await run("echo here; exec sleep 1000", { SVCD_RUN: "/run/another/vllm#7" });
  assert.equal(who(other.pid).run, null);
});

test("one that has written over its environment is of the run whose main process is above it, or leads its session", async () => {
  const main = await run("env -i sh -c 'echo $$; exec env -i setsid sleep 1000' & wait");
  const below = Number(main.line);
  started.push(below);
  const mains = [{ name: "train!7", run: 7, pid: main.pid }];
  assert.deepEqual(who(below, mains).run, { name: "train!7", run: 7 });
  assert.equal(who(process.pid, mains).run, null);
});

test("a process is called by its program and its script, and by no other argument; one that is not here has no name", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gpu-holders-"));
  after(() => rmSync(folder, { recursive: true }));
  const script = join(folder, "train.js");
  writeFileSync(script, 'console.log("here"); setInterval(() => {}, 1e6);');
  const training = await said(spawn(process.execPath, [script, "--token", "secret"], { detached: true }));
  assert.equal(who(training.pid).command, "node train.js");
  const nobody = who(999_999_999);
  assert.deepEqual([nobody.command, nobody.run], [null, null]);
});

test("what a run was given is read from its environment", async () => {
  const main = await run("echo here; exec sleep 1000", { SVCD_GPUS: "1=GPU-11111111;1024;shared" });
  const devices = [{ uuid: "GPU-11111111", index: 1 }];
  assert.deepEqual(leaseInEnvironment(main.pid), { devices, memoryBytes: 1024, isShared: true });
  assert.equal(leaseInEnvironment(process.pid), null);
  assert.equal(leaseInEnvironment(999_999_999), null);
});
