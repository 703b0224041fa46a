/**
 * Jobs as a person at a terminal sees them: the real svctl asks the real svcd.
 */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { Box } from "./box.ts";

async function boxWith(t: TestContext, jobs: Record<string, string>): Promise<Box> {
  const box = new Box();
  t.after(() => box.destroy());
  mkdirSync(box.path("cron.d"), { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(jobs)) writeFileSync(box.path("cron.d", name), text, { mode: 0o600 });
  await box.start();
  return box;
}

/** Due once in a while that no test lives to see. */
const RARELY = 'schedule: "0 3 29 2 *"\nshell: true\n';
const GATED = `${RARELY}command: echo begun; read x < gate; echo "heard $$x"; exit 5\n`;

test("a job that is started by hand is followed to its end, and svctl ends as the run did", async (t) => {
  const box = await boxWith(t, { "backup.yaml": GATED });
  await box.fifo("gate");
  const call = box.svctl("run", "backup", "--follow");
  await box.becomes("it runs", async () => (await box.control.job("backup")).status.runs[0]?.pid != null);
  const second = await box.svctl("run", "backup");
  assert.deepEqual([second.code, second.stderr], [1, ""]);
  assert.match(second.stdout, /^backup: ERROR \(run 1 .*svctl run --force backup\)\n$/);
  const jobs = (await box.svctl("jobs")).stdout.split("\n");
  assert.match(jobs[1]!, /^backup {2}RUNNING {2}\d{4}-02-29 .* run 1 runs for /);
  await box.put("gate", "you\n");
  const { code, stdout, stderr } = await call;
  assert.deepEqual([code, stdout], [5, "begun\nheard you\n"]);
  assert.match(stderr, /^backup: run 1 started\nbackup: run 1 failure \(exit 5\) after /);
  assert.equal((await box.svctl("logs", "backup")).stdout, "begun\nheard you\n");
  const history = JSON.parse((await box.svctl("history", "backup", "--json")).stdout);
  assert.deepEqual(
    history.map(({ run, result, trigger }: Record<string, unknown>) => [run, result, trigger]),
    [
      [1, "failure", "manual"],
      [null, "skipped", "manual"],
    ],
  );
  assert.match(
    (await box.svctl("why", "backup")).stdout,
    /\nLast lines of output of run 1\n {2}\| begun\n {2}\| heard you\n/,
  );
  assert.match(await box.control.metrics(), /svcd_job_runs_total\{job="backup",result="failure"\} 1\n/);
});

test("who follows a run misses nothing of it and hears nothing twice when the core is killed, and gets its exit code", async (t) => {
  const box = await boxWith(t, { "backup.yaml": GATED });
  await box.fifo("gate");
  const call = box.svctl("run", "backup", "--follow");
  await box.becomes("it runs", async () => (await box.control.job("backup")).status.runs[0]?.pid != null);
  const { core } = await box.control.health();
  process.kill(core, "SIGKILL");
  await box.becomes("another core is in charge", async () => {
    const health = await box.control.health().catch(() => null);
    return health !== null && health.core !== core;
  });
  await box.put("gate", "you\n");
  const { code, stdout } = await call;
  assert.deepEqual([code, stdout], [5, "begun\nheard you\n"]);
});

test("of a run that prints too much the beginning and the end are shown, and the bytes between are counted", async (t) => {
  const box = await boxWith(t, {
    "chatty.yaml": `${RARELY}command: seq 1 200000\noutput: { head: 4k, tail: 8k }\n`,
  });
  assert.equal((await box.svctl("run", "chatty", "--wait")).code, 0);
  const { stdout } = await box.svctl("logs", "chatty");
  const [, before, number, after] =
    /^(1\n[\s\S]*)svcd: (\d+) bytes of output are left out here\n([\s\S]*\n200000\n)$/.exec(stdout)!;
  const all = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`).join("");
  assert.ok(all.startsWith(before!) && all.endsWith(after!));
  assert.equal(before!.length + Number(number) + after!.length, all.length);
});

test("a paused job is told so, starts by hand, and starts again when it is resumed", async (t) => {
  const box = await boxWith(t, { "tick.yaml": 'schedule: "@every 1s"\ncommand: "true"\n' });
  assert.equal((await box.svctl("pause", "tick")).stdout, "tick: paused\n");
  const [tick] = await box.control.jobs();
  assert.deepEqual([tick!.paused, tick!.next], [true, null]);
  assert.match((await box.svctl("jobs", "tick")).stdout, /\ntick {2}PAUSED /);
  assert.equal((await box.svctl("run", "tick", "--wait")).code, 0);
  const before = (await box.control.job("tick")).status.last!.run!;
  assert.equal((await box.svctl("resume", "tick")).stdout, "tick: resumed\n");
  await box.becomes("it is due again", async () => (await box.control.job("tick")).status.last!.run! > before);
});

test("`svctl run` of a job that this machine does not want says why, not only that it was not started", async (t) => {
  const box = Box.prepare(t);
  mkdirSync(box.path("cron.d"), { mode: 0o700 });
  writeFileSync(
    box.path("cron.d/check.yaml"),
    "schedule: '@daily'\ncommand: 'true'\nwhen: { env: API_URL_OF_NOBODY }\n",
  );
  await box.start();
  const { code, stdout, stderr } = await box.svctl("run", "check", "--wait");
  assert.equal(code, 1);
  assert.match(`${stdout}${stderr}`, /API_URL_OF_NOBODY is not set/);
});
