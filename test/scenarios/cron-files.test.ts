/**
 * The files of cron.d: what is in them, what is wrong with them, and what they would change, is told before anything runs.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { Box } from "./box.ts";

const BIN = resolve(import.meta.dirname, "../../bin");
const YEARLY = 'schedule: "@yearly"\ncommand: "true"\n';

function writeJob(box: Box, name: string, text: string): void {
  mkdirSync(box.path("cron.d"), { recursive: true, mode: 0o700 });
  const path = box.path("cron.d", name);
  writeFileSync(`${path}~`, text, { mode: 0o600 });
  renameSync(`${path}~`, path);
}

const check = (box: Box) => box.run(join(BIN, "svcd"), ["--check", "--root", box.root]);

test("`svcd --check` tells every mistake of crontabs and of jobs in YAML, and how many jobs are good", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  box.write("web.yaml", "command: sleep 1000\n");
  assert.match((await check(box)).stdout, /^\S+services\.d: 1 service, no mistakes\n$/);
  writeJob(box, "tidy.yaml", `${YEARLY}depends_on: web\n`);
  writeJob(box, "web", "MAILTO=root\n@yearly a\n@yearly b % c\n");
  writeJob(box, "README", "these are no jobs: 61 4 * * * x\n");
  const good = await check(box);
  assert.deepEqual([good.code, good.stderr], [0, ""]);
  assert.match(good.stdout, /services\.d: 1 service; \S+cron\.d: 3 jobs, no mistakes\n$/);

  writeJob(box, "tidy.yaml", `${YEARLY}depends_on: wbe\noverlaps: skip\n`);
  writeJob(box, "web", "@yearly a\n61 4 * * * b\n");
  writeJob(box, "loose", "@yearly c\n");
  chmodSync(box.path("cron.d", "loose"), 0o666);
  writeJob(box, "backup.sh", "@yearly d\n");
  const { code, stdout } = await check(box);
  assert.equal(code, 1);
  for (const told of [
    /cron\.d\/tidy\.yaml:4:1: unknown key `overlaps`\n.*overlaps: skip\n.*\^\n {2}fix: did you mean `overlap`\?/,
    /cron\.d\/web:2:1: /,
    /cron\.d\/loose:1:1: others may write it \(mode 0666\), so svcd does not use it\n {2}fix: chmod go-w \S+loose/,
    /cron\.d\/backup\.sh:1:1: `backup\.sh` is not read/,
    /services\.d: 1 service; \S+cron\.d: 1 job without mistakes, 4 mistakes\n$/,
  ])
    assert.match(stdout, told);
});

test("`svctl plan`, reread and apply tell which jobs are new, changed, gone, or hidden by a mistake", async (t) => {
  const box = await Box.open(t, {}, { settings: "auto_apply: false\n" });
  const said = async (command: string, ...words: string[]) => {
    const { stdout, stderr, code } = await box.svctl(command, ...words);
    return `${stdout}${stderr}${code === 0 ? "" : `= ${code}`}`;
  };
  assert.equal(await said("plan"), "nothing would change\n");
  writeJob(box, "tidy.yaml", YEARLY);
  writeJob(box, "web", "# svcd: name=dump\n@yearly a\n");
  await box.becomes("both are seen", async () => (await said("reread")) === "dump: available\ntidy: available\n");
  assert.equal(await said("apply", "tidy"), "tidy: job added\n");
  assert.equal(await said("plan"), "+ dump: new job\n");
  assert.equal(await said("apply"), "dump: job added\n");
  assert.equal(await said("plan"), "nothing would change\n");

  writeJob(box, "tidy.yaml", YEARLY.replace("yearly", "monthly"));
  writeJob(box, "web", "# nothing any more\n");
  await box.becomes("both are seen", async () => (await said("reread")) === "dump: disappeared\ntidy: changed\n");
  assert.equal(
    await said("plan"),
    "~ tidy: job changed, from its next run on\n    schedule: @yearly → @monthly\n- dump: job gone; what runs of it goes on\n",
  );
  assert.equal(await said("apply"), "dump: job removed\ntidy: job changed\n");

  writeJob(box, "tidy.yaml", "schedule: @monthly\n");
  await box.becomes("the mistake is seen", async () => (await said("plan")).includes("1 mistake"));
  const plan = await said("plan");
  assert.match(plan, /^= tidy: its file has mistakes or vanished, so it goes on as it is\n/);
  assert.match(plan, /cron\.d\/tidy\.yaml:1:11: a value cannot begin with @[\s\S]*fix: put the value in quotes/);
});

test("a job that is dropped into cron.d is taken up at once, also when there was no cron.d before", async (t) => {
  const box = await Box.open(t, {});
  writeJob(box, "tidy.yaml", YEARLY);
  await box.becomes("the job is taken up", async () => (await box.control.plan()).jobs.added.length === 0);
  writeJob(box, "tidy.yaml", YEARLY.replace("yearly", "monthly"));
  await box.becomes("so is its change", async () => (await box.control.plan()).jobs.changed.length === 0);
  assert.equal((await box.svctl("apply")).stdout, "nothing to do: everything is as the files say\n");
});

test("`svctl schema jobs` prints the JSON Schema of jobs, with every key", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  const { code, stdout } = await box.svctl("schema", "jobs");
  assert.equal(code, 0);
  const keys = Object.keys(JSON.parse(stdout).definitions.job.properties);
  for (const key of [
    "schedule command shell description working_dir user group umask environment env_file venv success_exit_codes",
    "stop_signal stop_grace_period stop_to limits enabled dialect days timezone overlap timeout start_deadline retries",
    "on_missed missed_window splay lock concurrency when depends_on when_blocked keep output notify env logs",
  ].flatMap((line) => line.split(" "))) {
    assert.ok(keys.includes(key), key);
  }
  assert.match(stdout, /"additionalProperties": ?false/);
});

test("the built svctl knows both dialects, without a daemon", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  const from = ["--dialect", "extended", "--tz", "UTC", "--from", "2026-02-10T00:00:00Z", "-n", "1", "--json"];
  for (const [expression, next] of [
    ["30 4 * * *", "2026-02-10T04:30:00Z"],
    ["0 0 L * *", "2026-02-28T00:00:00Z"],
  ] as const) {
    const { code, stdout, stderr } = await box.svctl("next", expression, ...from);
    assert.deepEqual([code, stderr, JSON.parse(stdout).next], [0, "", [next]]);
  }
});
