/**
 * Whatever of svcd is killed, and whenever: no due time is run twice, what runs goes on and is counted once, and the history has
 * all of it.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import type { RunRecord } from "../../src/schedule/run-record.ts";
import { type Box, isAlive } from "./box.ts";
import { cronBox, killCore, killSvcd, linesOf, recorded, records, runLog } from "./cron-box.ts";

const HOLDS = 'schedule: "@reboot"\nshell: true\ncommand: echo $$$$ >> pids; read x < gate; echo done; exit 4\n';
/** Each full second: where one is left out, that can be seen. */
const pulse = 'schedule: "* * * * * *"\nshell: true\noverlap: allow\ncommand: echo "$$CRON_SCHEDULED_FOR" >> pulse\n';

/** Code at which a core kills itself, once: what it takes away first, the next core does not find. */
function dieOnce(box: Box): string {
  writeFileSync(box.path("die"), "");
  const path = JSON.stringify(box.path("die"));
  return `try { require("node:fs").rmSync(${path}); process.kill(process.pid, "SIGKILL"); for (;;); } catch {}`;
}

/** No due time has two runs, no run has two records, and whatever was started is in the history. */
function assertWhole(box: Box, job: string, started: readonly string[]): void {
  assert.equal(new Set(started).size, started.length, `run twice: ${started}`);
  const runs = records(box, job).flatMap(({ run }) => (run === null ? [] : [run]));
  assert.equal(new Set(runs).size, runs.length, `recorded twice: ${runs}`);
}

/** Who is no child of svcd any more leaves its exit status to nobody, unless svcd finds it while it is a zombie. */
function assertEnd(record: RunRecord | undefined, why: string): void {
  assert.ok(record?.result === "unknown" || record?.why === why, JSON.stringify(record));
}

test("the core is killed while runs go on, again and again: every due time is run once or told, none twice", async (t) => {
  const box = cronBox(t, { "pulse.yaml": pulse });
  await box.start();
  for (let round = 0; round < 5; round++) {
    const before = linesOf(box, "pulse").length;
    await box.becomes("it ran again", () => linesOf(box, "pulse").length > before);
    await killCore(box);
  }
  const last = linesOf(box, "pulse").at(-1)!;
  const first = linesOf(box, "pulse")[0]!;
  const seconds = (Date.parse(last) - Date.parse(first)) / 1000;
  const due = Array.from({ length: seconds + 1 }, (_, at) => new Date(Date.parse(first) + at * 1000).toISOString());
  const untold = (): string[] => {
    const told = new Set(records(box, "pulse").map(({ scheduledFor }) => scheduledFor));
    return due.filter((at) => !told.has(at));
  };
  await box.becomes(
    "the history tells of each second",
    () => untold().length === 0,
    () => untold().join(),
  );
  assertWhole(box, "pulse", linesOf(box, "pulse"));
});

/** Where a core can die between two of its moves: what stands there, and where in it. */
const MOMENTS = {
  "decided, and not yet marked on the disk": ["if(this.#mustNote)this.noteMarks();", 0],
  "marked, and not yet started": ["this.#tellAll();if(!this.#startOne()", 0],
  "written down as started, and not yet ordered": ["return this.#spawn(name,member,effect.run,effect.cause)", 0],
  "started, and the keeper's answer not yet written down": ["member.processes = [", 0],
  "ended, and not yet in the history": ["for(const member of this.#untold){", 1],
  "in the history, and not yet known to be": ["member.untold=NONE", 0],
} as const;

test("the core is killed between any two of its moves for a run: nothing runs twice, nothing is lost", async (t) => {
  const stories = Object.entries(MOMENTS).map(async ([moment, [code, isAfter]]) => {
    const box = cronBox(t, {
      "once.yaml": 'schedule: "@reboot"\nshell: true\ncommand: echo "$$CRON_RUN_ID" >> once; exit 3\n',
    });
    const die = dieOnce(box);
    box.patch("dist/core.js", code, isAfter ? `${code}${die}` : `${die}${code}`);
    await box.start();
    await recorded(box, "once", 1);
    await box.becomes("the core died once", () => box.terminal.includes("the core ended (killed by SIGKILL)"));
    await killCore(box);
    assert.equal(linesOf(box, "once").length, 1, `${moment}: ${linesOf(box, "once")}`);
    const told = records(box, "once").map(({ result, why, trigger }) => [result, why, trigger]);
    assert.deepEqual(told, [["failure", "exit 3", "boot"]], moment);
  });
  await Promise.all(stories);
});

/** The same in the keeper, and what can be known of the run then. */
const MOMENTS_OF_THE_KEEPER = [
  ["this.#spawn(order)", 0],
  ['this.#core.tell({is:"spawned"', 1],
] as const;

test("the keeper is killed just before or after it starts a run: it is not started a second time, and the history tells of it once", async (t) => {
  const stories = MOMENTS_OF_THE_KEEPER.map(async ([code, mostRuns]) => {
    const box = cronBox(t, {
      "once.yaml": 'schedule: "@reboot"\nshell: true\ncommand: echo "$$CRON_RUN_ID" >> once\n',
    });
    box.patch("dist/svcd.js", code, `(() => { ${dieOnce(box)} })(), ${code}`);
    box.launch();
    assert.equal(await box.ended(), "SIGKILL");
    await box.start();
    await recorded(box, "once", 1);
    await killCore(box);
    const [record, ...others] = records(box, "once");
    assert.deepEqual([record?.run, record?.trigger, others], [1, "boot", []], code);
    assertEnd(record, "exit 0");
    assert.ok(linesOf(box, "once").length <= mostRuns, `${code}: ${linesOf(box, "once")}`);
  });
  await Promise.all(stories);
});

test("the keeper is killed while a job runs: the run goes on, is not started again, and its end is told as far as anybody can know it", async (t) => {
  const box = cronBox(t, { "slow.yaml": HOLDS, "pulse.yaml": pulse });
  await box.fifo("gate");
  await box.start();
  const pid = await box.numberIn("pids");
  await killSvcd(box);
  assert.ok(isAlive(pid));
  await box.start();
  const before = linesOf(box, "pulse").length;
  await box.becomes("it is in charge again", () => linesOf(box, "pulse").length > before);
  assert.ok(isAlive(pid));
  assert.deepEqual(records(box, "slow"), []);
  await box.put("gate", "go\n");
  const [record] = await recorded(box, "slow", 1);
  assert.equal(record?.run, 1);
  assertEnd(record, "exit 4");
  assert.equal(runLog(box, "slow", 1), "done\n");
  assert.equal(linesOf(box, "pids").length, 1);
  assertWhole(box, "pulse", linesOf(box, "pulse"));
});

test("a run that ends while no svcd is there is told once, as ended, and not started again", async (t) => {
  const box = cronBox(t, { "slow.yaml": HOLDS });
  await box.fifo("gate");
  await box.start();
  const pid = await box.numberIn("pids");
  await killSvcd(box);
  await box.put("gate", "go\n");
  await box.becomes("it is over", () => !isAlive(pid));
  await box.start();
  const [record] = await recorded(box, "slow", 1);
  assert.equal(record?.run, 1);
  assertEnd(record, "exit 4");
  await killCore(box);
  await box.becomes("it answers", async () => (await box.control.health()).status === "ok");
  assert.equal(records(box, "slow").length, 1);
  assert.equal(linesOf(box, "pids").length, 1);
});
