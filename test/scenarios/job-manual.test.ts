/** Runs that somebody asks for: they obey what the job says of overlaps, and whoever waits gets the run's own exit code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isAlive } from "./box.ts";
import { cronBox, linesOf, recorded, records, runLog } from "./cron-box.ts";

const NEVER_DUE = 'schedule: "0 0 1 1 *"\nshell: true\n';
const holds = (overlap: string): string =>
  `${NEVER_DUE}overlap: ${overlap}\ncommand: echo $$$$ >> $$CRON_JOB; read x < $$CRON_JOB.gate\n`;

test("`svctl run` while the job runs: skip refuses, queue waits, replace ends what runs, allow starts one beside it, and --force always does", async (t) => {
  const overlaps = ["skip", "queue", "replace", "allow"];
  const box = cronBox(t, Object.fromEntries(overlaps.map((word) => [`${word}.yaml`, holds(word)])));
  for (const name of overlaps) await box.fifo(`${name}.gate`);
  await box.start();
  for (const name of overlaps) {
    assert.equal((await box.svctl("run", name)).code, 0);
    await box.becomes(`${name} runs`, () => linesOf(box, name).length === 1);
  }
  const pidsOf = (name: string): number[] => linesOf(box, name).map(Number);

  const refused = await box.svctl("run", "skip");
  assert.notEqual(refused.code, 0);
  assert.match(refused.stdout + refused.stderr, /run 1 is not over.*svctl run --force skip/s);
  assert.equal((await box.svctl("run", "--force", "skip")).code, 0);
  await box.becomes("two run", () => pidsOf("skip").length === 2);
  assert.ok(pidsOf("skip").every(isAlive));

  const queued = await box.svctl("run", "queue");
  assert.equal(queued.code, 0, queued.stderr);
  assert.match(queued.stdout, /waits until run 1 is over/);
  await box.put("queue.gate", "go\n");
  await box.becomes("the second runs", () => pidsOf("queue").length === 2);
  assert.equal((await recorded(box, "queue", 1))[0]?.result, "success");

  assert.equal((await box.svctl("run", "replace")).code, 0);
  await box.becomes("the second runs", () => pidsOf("replace").length === 2);
  assert.equal(isAlive(pidsOf("replace")[0]!), false);
  assert.equal((await recorded(box, "replace", 1))[0]?.result, "replaced");

  assert.equal((await box.svctl("run", "allow")).code, 0);
  await box.becomes("two run", () => pidsOf("allow").length === 2);
  assert.ok(pidsOf("allow").every(isAlive));
  assert.deepEqual(records(box, "allow"), []);
});

test("`svctl run --wait` ends with the run's exit code and tells its number; a paused job starts by hand only", async (t) => {
  const box = cronBox(t, {
    "seven.yaml": `${NEVER_DUE}command: echo "$$CRON_TRIGGER"; exit 7\n`,
    "tick.yaml": 'schedule: "* * * * * *"\nshell: true\ncommand: echo "$$CRON_TRIGGER" >> ticks\n',
  });
  await box.start();
  const waited = await box.svctl("run", "--wait", "seven");
  assert.equal(waited.code, 7, waited.stderr);
  assert.match(waited.stdout, /run 1/);
  assert.equal(runLog(box, "seven", 1), "manual\n");
  const followed = await box.svctl("run", "--follow", "seven");
  assert.equal(followed.code, 7, followed.stderr);
  assert.match(followed.stdout, /^manual$/m);

  await box.becomes("it ticks", () => linesOf(box, "ticks").length >= 1);
  assert.equal((await box.svctl("pause", "tick")).code, 0);
  const before = linesOf(box, "ticks").length;
  await recorded(box, "tick", 2, ({ result }) => result === "skipped");
  assert.equal(linesOf(box, "ticks").length, before);
  assert.equal((await box.svctl("run", "--wait", "tick")).code, 0);
  assert.deepEqual(linesOf(box, "ticks").slice(before), ["manual"]);
  assert.equal((await box.svctl("resume", "tick")).code, 0);
  await box.becomes("it ticks again", () =>
    linesOf(box, "ticks")
      .slice(before + 1)
      .includes("schedule"),
  );
});
