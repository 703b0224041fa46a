/**
 * When memory, processor or file descriptors run short: svcd goes last, its services get what they were meant to have, and
 * who was killed for it is told.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { type TestContext, test } from "node:test";
import { Box } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";

const oomScoreAdj = (pid: number): number => Number(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"));

test("svcd is the last to be killed when memory is short, its services, checks and hooks are as ever", async (t) => {
  // What only CAP_SYS_RESOURCE may take below 0, anybody may take back to 0.
  const box = await Box.open(
    t,
    {
      "web.yaml": `${SLEEPS}healthcheck: { exec: "sh -c 'cat /proc/self/oom_score_adj > checked'" }\non: { healthy: "sh -c 'cat /proc/self/oom_score_adj > hooked'" }\n`,
      "own.yaml": `${SLEEPS}limits: { oom_score_adj: 700 }\n`,
      "again.yaml": `command: sh -c 'cat /proc/self/oom_score_adj; sleep 1000'\nstartsecs: 0s\n`,
    },
    { inside: ["choom", "-n", "500", "--"] },
  );
  const { keeper, core } = await box.control.health();
  // Not in the moment of a start, when its children inherit.
  const isLast = () => oomScoreAdj(keeper) <= 0 && oomScoreAdj(core) <= 0;
  await box.becomes("svcd is the last", isLast);
  assert.equal(oomScoreAdj(await box.pid("web")), 500);
  assert.equal(await box.numberIn("checked"), 500);
  assert.equal(await box.numberIn("hooked"), 500);
  await box.until("own", "RUNNING");
  assert.equal(oomScoreAdj(await box.pid("own")), 700);
  await box.says("again", "500\n");
  assert.equal((await box.svctl("restart", "again")).code, 0);
  await box.says("again", "500\n500\n");
  await box.becomes("svcd is the last again", isLast);
});

test("where processors are short svcd comes first, its services, checks and hooks are as ever", {
  skip: !mayRaise() && "only CAP_SYS_NICE goes below 0",
}, async (t) => {
  const box = await Box.open(
    t,
    {
      "web.yaml": `command: sh -c 'nice; exec sleep 1000'\nstartsecs: 0s\nhealthcheck: { exec: "sh -c 'nice > checked'" }\non: { healthy: "sh -c 'nice > hooked'" }\n`,
      "nice.yaml": "command: sh -c 'nice; exec sleep 1000'\nlimits: { nice: 7 }\n",
    },
    { inside: ["nice", "-n", "3"] },
  );
  const { keeper, core } = await box.control.health();
  // Not in the moment of a start, when its children inherit.
  const isFirst = () => getPriority(keeper) === -5 && getPriority(core) === -5;
  await box.becomes("svcd is the first", isFirst);
  await box.says("web", "3\n");
  await box.says("nice", "7\n");
  assert.equal(await box.numberIn("checked"), 3);
  assert.equal(await box.numberIn("hooked"), 3);
  assert.equal((await box.svctl("restart", "web")).code, 0);
  await box.says("web", "3\n3\n");
  await box.becomes("svcd is the first again", isFirst);
});

function mayRaise(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0";
  return ((BigInt(`0x${effective}`) >> 23n) & 1n) === 1n;
}

const MEMORY_GROUPS = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];

test("a service that the kernel killed for want of memory is told so; svcd and the others go on", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": SLEEPS,
    "hog.yaml": "command: tail /dev/zero\nrestart: no\nautostart: false\nstartsecs: 0s\n",
    "innocent.yaml": `${SLEEPS}restart: no\n`,
  });
  const group = memoryGroup(t, 300 * 1024 * 1024);
  if (group === null) return t.skip("no memory cgroup can be made here");
  box.inside = ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$@"`, "sh"];
  await box.start();
  const web = await box.pid("web");
  process.kill(await box.pid("innocent"), "SIGKILL");
  await box.until("innocent", "EXITED");
  const { keeper, core } = await box.control.health();
  await box.control.act("start", ["hog"]);
  assert.match((await box.until("hog", "EXITED")).why, /^killed by SIGKILL /);
  const why = (await box.svctl("why", "hog")).stdout;
  assert.match(why, /the kernel's OOM killer ended it/);
  const other = (await box.svctl("why", "innocent")).stdout;
  assert.match(other, /killed by SIGKILL/);
  assert.doesNotMatch(other, /OOM killer ended it/);
  const after = await box.control.health();
  assert.deepEqual([after.keeper, after.core, (await box.status("web")).pid], [keeper, core, web]);
});

/** A group of processes with so much memory; null where none can be made. It is gone after the test's box. */
function memoryGroup(t: TestContext, bytes: number): string | null {
  for (const [above, limit] of [
    [MEMORY_GROUPS[0], "memory.limit_in_bytes"],
    [MEMORY_GROUPS[1], "memory.max"],
  ]) {
    const group = `${above}/svcd-test-${process.pid}`;
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    t.after(async () => {
      for (let tries = 0; tries < 200; tries++) {
        try {
          return rmdirSync(group);
        } catch {
          await new Promise((again) => setTimeout(again, 10)); // Its last processes are still ending.
        }
      }
    });
    try {
      writeFileSync(`${group}/${limit}`, String(bytes));
      return group;
    } catch {
      // This hierarchy has no memory controller.
    }
  }
  return null;
}
