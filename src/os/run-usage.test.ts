import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { LinuxRunUsages, usageOf } from "./run-usage.ts";

/** A child that says a word on stdout once it has done what it should. */
async function child(
  t: TestContext,
  code: string,
): Promise<{ process: ChildProcess; pid: number; startTicks: number }> {
  const started = spawn(process.execPath, ["--expose-gc", "-e", code], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  const pid = started.pid as number;
  t.after(() => {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  });
  await once(started.stdout as NodeJS.EventEmitter, "data");
  return { process: started, pid, startTicks: startTicksOf(pid) };
}

function startTicksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[22 - 3]);
}

const busy = (ms: number): string =>
  `const until = process.cpuUsage().user + ${ms} * 1_000; while (process.cpuUsage().user < until);`;
const FORTY_MEGABYTES = "globalThis.held = Buffer.alloc(40e6, 1);";
const STAY = "console.log('there'); process.stdin.resume();";

test("processor time and memory of children count, of those that live and those that were waited for", async (t) => {
  const dead = `require("child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(busy(2_000))}]);`;
  const alive = `${FORTY_MEGABYTES}${busy(100)} console.log('there'); process.stdin.resume()`;
  const parent = `${dead} const one = require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(alive)}], { stdio: ["pipe", "pipe", "inherit"] }); one.stdout.on("data", () => { ${STAY} });`;
  const { pid, startTicks } = await child(t, parent);
  const used = usageOf(pid, startTicks);
  assert.ok(used !== null && used.cpuMs >= 2_100, `${used?.cpuMs} ms`);
  assert.ok(used.memoryBytes > 100e6, `${used.memoryBytes} bytes`); // Two Nodes and what one of them holds.
});

test("what was given back before anybody looked still counts as the peak", async (t) => {
  const code = `let held = Buffer.alloc(80e6, 1); held = null; setImmediate(() => { gc(); gc(); ${STAY} })`;
  const { pid, startTicks } = await child(t, code);
  const resident = Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]) * 1024;
  const used = usageOf(pid, startTicks);
  assert.ok(
    used !== null && used.memoryBytes > Math.max(80e6, resident + 40e6),
    `${used?.memoryBytes}, now ${resident}`,
  );
});

test("another process that has got the pid is nobody's", async (t) => {
  const { pid, startTicks } = await child(t, STAY);
  assert.equal(usageOf(pid, startTicks + 1), null);
  assert.equal(usageOf(2 ** 22 + 1, 1), null);
});

test("a run is sampled while it lives; at its end counts what the keeper says, and nothing is made up", async (t) => {
  const usages = new LinuxRunUsages();
  const { pid, startTicks } = await child(t, `${FORTY_MEGABYTES}${busy(500)}${STAY}`);
  usages.began({ service: "backup!3", pid, startTicks });
  usages.began({ service: "backup!4", pid, startTicks });
  usages.began({ service: "short!1", pid, startTicks });
  usages.began({ service: "web", pid, startTicks }); // A service.
  assert.deepEqual(usages.of("backup", 3), { cpuMs: null, peakMemoryBytes: null });
  usages.ended("short!1", null);
  while (usages.of("backup", 4).cpuMs === null) await new Promise((next) => setTimeout(next, 20));
  usages.ended("backup!3", 1_234);
  usages.ended("backup!4", null);
  assert.equal(usages.of("backup", 3).cpuMs, 1_234);
  assert.ok((usages.of("backup", 3).peakMemoryBytes ?? 0) > 40e6);
  assert.ok((usages.of("backup", 4).cpuMs ?? 0) >= 500);
  assert.deepEqual(usages.of("short", 1), { cpuMs: null, peakMemoryBytes: null });
  usages.ended("backup!3", 2_345); // What it left behind has ended, too.
  assert.equal(usages.of("backup", 3).cpuMs, 2_345);
  assert.ok((usages.of("backup", 3).peakMemoryBytes ?? 0) > 40e6);
  for (let run = 1; run <= 1_000; run++) usages.ended(`other!${run}`, 1);
  assert.deepEqual(usages.of("backup", 3), { cpuMs: null, peakMemoryBytes: null });
});
