/**
 * Jobs of cron.d, run by the real svcd: started when they are due, with their own environment and log, and once, whatever dies.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { LinuxJobHistory } from "../../src/os/job-history.ts";
import { Box } from "./box.ts";

async function boxWith(t: TestContext, jobs: Record<string, string>): Promise<Box> {
  const box = new Box();
  t.after(() => box.destroy());
  mkdirSync(box.path("cron.d"), { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(jobs)) writeFileSync(box.path("cron.d", name), text, { mode: 0o600 });
  await box.fifo("gate");
  await box.start();
  return box;
}

/** As svcd would read it after a start of the machine. */
function records(box: Box, job: string) {
  const history = new LinuxJobHistory({
    stateDir: box.path("state"),
    logDir: box.path("log"),
    say: () => {},
    keepOf: () => null,
  });
  const found = history.of(job, 100);
  history.close();
  return found;
}

const log = (box: Box, job: string, run: number): string => {
  const path = box.path("log", "jobs", job, `${run}.log`);
  return existsSync(path) ? box.file("log", "jobs", job, `${run}.log`) : "";
};

test("a job runs when it is due, knows what for, and each run has a log of its own and a record", async (t) => {
  const box = await boxWith(t, {
    "tick.yaml":
      'schedule: "@every 1s"\nshell: true\ncommand: echo "$$CRON_RUN_ID $$CRON_TRIGGER $$CRON_ATTEMPT $$SVCD_SERVICE"; exit 3\n',
  });
  await box.becomes("it ran twice", () => log(box, "tick", 2) !== "");
  assert.equal(log(box, "tick", 1), "tick/1 schedule 1 tick\n");
  assert.equal(log(box, "tick", 2), "tick/2 schedule 1 tick\n");
  await box.becomes("its end is recorded", () => records(box, "tick").length >= 2);
  const first = records(box, "tick").at(-1)!;
  assert.deepEqual([first.run, first.result, first.why], [1, "failure", "exit 3"]);
  // The keeper keeps no pipe of a run that is over.
  await box.becomes("the pipe of the first run is gone", () => {
    return readdirSync(box.path("run"), { recursive: true }).every((name) => !String(name).includes("tick!1."));
  });
});

test("a run outlives the core and is counted once, with the exit status it had", async (t) => {
  const box = await boxWith(t, {
    "slow.yaml": 'schedule: "@reboot"\nshell: true\ncommand: echo begun; read x < gate; exit 4\n',
  });
  await box.becomes("it runs", () => log(box, "slow", 1) !== "");
  const { core } = await box.control.health();
  process.kill(core, "SIGKILL");
  await box.becomes("the next core answers", async () => {
    try {
      return (await box.control.health()).core !== core;
    } catch {
      return false;
    }
  });
  await box.put("gate", "go\n");
  await box.becomes("its end is recorded", () => records(box, "slow").length > 0);
  const runs = records(box, "slow");
  assert.deepEqual(
    runs.map(({ run, trigger, result, why }) => [run, trigger, result, why]),
    [[1, "boot", "failure", "exit 4"]],
  );
  assert.equal(log(box, "slow", 1), "begun\n");
});
