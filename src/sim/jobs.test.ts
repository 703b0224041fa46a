import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes, seconds } from "../service/simulate.ts";
import { JobWorld } from "./job-world.ts";
import { job, plan, service } from "./services.ts";

function world(...entries: Parameters<typeof plan>): JobWorld {
  const made = new JobWorld(plan(...entries));
  made.start();
  return made;
}

const retries = (most: number) => ({ most, firstMs: seconds(10), factor: 2, longestMs: minutes(5), jitter: 0 });

test("a job starts when it is due, and what became of each run is in the history", () => {
  const w = world(job("backup"));
  w.behaves = (_job, { scheduledFor }) => ({
    lastsMs: 5_000,
    code: new Date(scheduledFor).getUTCMinutes() === 1 ? 3 : 0,
  });
  w.passes(minutes(2));
  assert.deepEqual(w.account("backup"), ["12:00 run 1 success", "12:01 run 2 failure"]);
  const status = w.supervisor!.job("backup")!;
  assert.equal(status.state, "IDLE");
  assert.equal(status.next, "2026-01-05T12:02:00.000Z");
  assert.equal(status.why, "run 2: exit 3");
  assert.deepEqual(status.streak, { result: "failure", count: 1 });
  assert.equal(status.last?.startedAt, "2026-01-05T12:01:00.000Z");
  assert.equal(status.last?.endedAt, "2026-01-05T12:01:05.000Z");
});

test("a failure and the recovery from it are told; a failure that is tried again is none yet", () => {
  const w = world(job("backup", { policy: { retries: retries(1) }, schedule: "0 12 * * *" }));
  w.behaves = (_job, { attempt }) => ({ lastsMs: 1_000, code: attempt });
  w.passes(minutes(2));
  assert.deepEqual(w.told, ["backup/1 start", "backup/2 start", "backup/2 failure"]);
  w.behaves = () => ({ lastsMs: 1_000 });
  w.passes(hours(24));
  assert.deepEqual(w.told.slice(3), ["backup/3 start", "backup/3 success", "backup/3 recovery"]);
});

test("a retry that the next due time forestalls leaves a failure, told once; a retry that does it is no recovery", () => {
  const w = world(job("often", { policy: { retries: { ...retries(1), firstMs: 90_000 } }, schedule: "* * * * *" }));
  w.behaves = () => ({ lastsMs: 1_000, code: 3 });
  w.passes(minutes(2));
  assert.deepEqual(w.told, ["often/1 start", "often/null failure", "often/2 start"]);

  const other = world(job("backup", { policy: { retries: retries(1) }, schedule: "0 12 * * *" }));
  other.behaves = (_job, { attempt }) => ({ lastsMs: 1_000, code: attempt === 1 ? 1 : 0 });
  other.passes(minutes(2));
  assert.deepEqual(other.told, ["backup/1 start", "backup/2 start", "backup/2 success"]);
});

test("jobs with one lock run one after the other, in the order in which they came due", () => {
  const w = world(...["a", "b", "c"].map((name) => job(name, { lock: "db", schedule: "0 12 * * *" })));
  w.passes(seconds(31));
  assert.equal(w.living.length, 1);
  assert.equal(w.supervisor!.job("c")!.why, "run 1 waits for the lock db (held by a/1)");
  w.passes(minutes(1));
  assert.equal(w.mostAlive, 1);
  assert.deepEqual(
    w.spawned.map(({ job: name }) => name),
    ["a", "b", "c"],
  );
});

test("a group of jobs runs as many at a time as it may", () => {
  const w = world(
    ...["a", "b", "c", "d", "e"].map((name) =>
      job(name, { concurrency: { group: "gpu", most: 2 }, schedule: "0 12 * * *" }),
    ),
  );
  w.passes(minutes(2));
  assert.equal(w.mostAlive, 2);
  assert.equal(w.spawned.length, 5);
});

test("a run waits for the service that it needs, or is skipped, as asked", () => {
  const needs = { service: { dependsOn: { db: "started" } as const } };
  const w = world(
    service("db", { autostart: false }),
    job("patient", { schedule: "0 12 * * *", ...needs }),
    job("hurried", { schedule: "0 12 * * *", whenBlocked: "skip", ...needs }),
  );
  w.passes(minutes(1));
  assert.equal(w.spawned.length, 0);
  assert.match(w.supervisor!.job("patient")!.why, /^run 1 waits for db to be started \(it is STOPPED/);
  assert.deepEqual(w.account("hurried"), ["12:00 skipped"]);
  assert.match(w.records[0]!.why, /^it needs db to be started/);
  w.ask((supervisor) => supervisor.act("start", ["db"]));
  w.passes(seconds(10));
  assert.deepEqual(w.account("patient"), ["12:00 run 1 success"]);
});

test("a pause is kept across a restart of the machine, and what is due meanwhile is recorded as skipped", () => {
  const w = world(job("backup"));
  assert.deepEqual(w.ask((supervisor) => supervisor.pauseJobs(["backup"]))?.[0]?.what, "paused");
  w.dies("machine");
  w.passes(minutes(2));
  assert.equal(w.supervisor!.job("backup")!.state, "PAUSED");
  assert.deepEqual(new Set(w.records.map(({ why }) => why)), new Set(["paused"]));
  w.ask((supervisor) => supervisor.resumeJobs(["backup"]));
  w.passes(minutes(1));
  assert.equal(w.spawned.length, 1);
});

test("a run by hand obeys overlap and says what became of it; forced it runs beside", () => {
  const w = world(job("backup", { schedule: "0 3 * * *" }));
  const run = (force: boolean) => w.ask((supervisor) => supervisor.runJob("backup", force));
  assert.deepEqual(run(false), { name: "backup", outcome: "done", what: "run 1 started", runBefore: 0 });
  assert.deepEqual(run(false), {
    name: "backup",
    outcome: "refused",
    what: "run 1 is not over: svctl run --force backup",
    runBefore: 1,
  });
  assert.equal(run(true)?.what, "run 2 started");
  assert.equal(w.living.length, 2);
  assert.equal(w.ask((supervisor) => supervisor.killRuns("backup", 2))?.what, "run 2 told to end");
  w.passes(seconds(1));
  assert.equal(w.living.length, 1);
  assert.equal(w.ask((supervisor) => supervisor.killRuns("backup", 7))?.what, "run 7 is not running");
  assert.equal(
    w.ask((supervisor) => supervisor.runJob("other", false)),
    null,
  );
});

test("a job that was removed lets its run end and takes no more due times; if it comes back it is new", () => {
  const w = world(job("backup"));
  w.behaves = () => ({ lastsMs: minutes(3) });
  w.passes(seconds(31));
  w.apply(plan());
  assert.match(w.supervisor!.job("backup")!.why, /removed from the files$/);
  w.passes(minutes(2));
  assert.equal(w.living.length, 1);
  w.passes(minutes(2));
  assert.deepEqual(w.account("backup"), ["12:00 run 1 success"]);
  assert.equal(w.supervisor!.job("backup"), null);
  w.passes(hours(1));
  w.apply(plan(job("backup")));
  w.passes(minutes(1));
  assert.deepEqual(
    w.spawned.map(({ run, cause }) => [run, new Date(cause.scheduledFor).toISOString().slice(11, 16)]),
    [
      [1, "12:00"],
      [2, "13:05"],
    ],
  );
});

test("a changed job keeps its runs and history; a new schedule counts from now and catches up with nothing", () => {
  const w = world(job("backup", { schedule: "0 12 * * *" }));
  w.behaves = () => ({ lastsMs: minutes(2) });
  w.passes(minutes(31));
  w.apply(plan(job("backup", { schedule: "10 12 * * *", description: "every day" })));
  assert.deepEqual(w.account("backup"), ["12:00 run 1 success"]);
  assert.equal(w.supervisor!.job("backup")!.next, "2026-01-06T12:10:00.000Z");
  w.dies("core");
  w.passes(minutes(5));
  assert.equal(w.spawned.length, 1);
  w.apply(plan(job("backup", { schedule: "10 12 * * *", policy: { timeoutMs: seconds(30) } })));
  w.passes(hours(24));
  assert.deepEqual(w.account("backup").at(-1), "12:10 run 2 timeout");
});

test("@reboot runs once for each start of the machine, however often svcd starts", () => {
  const w = world(job("warm", { schedule: "@reboot" }));
  w.passes(minutes(1));
  w.dies("core");
  w.passes(minutes(1));
  w.dies("keeper");
  w.passes(minutes(1));
  w.isDownFor(minutes(1));
  w.apply(plan(job("warm", { schedule: "@reboot" }), job("late", { schedule: "@reboot" })));
  w.passes(minutes(1));
  assert.deepEqual(
    w.spawned.map(({ cause }) => cause.trigger),
    ["boot"],
  );
  w.dies("machine");
  w.passes(minutes(2));
  assert.deepEqual(
    w.spawned.map(({ job: name, run }) => `${name} ${run}`),
    ["warm 1", "warm 2", "late 1"],
  );
});

test("@every counts from the last start, also across a restart", () => {
  const w = world(job("sync", { schedule: "@every 10m" }));
  w.passes(minutes(25));
  w.dies("core");
  w.passes(minutes(1));
  w.isDownFor(minutes(1));
  w.passes(minutes(10));
  const at = w.spawned.map((one) => Math.round((one.at - w.spawned[0]!.at) / 1000));
  assert.deepEqual(at, [0, 600, 1200]);
});

test("what was missed while svcd was down is decided by on_missed at the next start", () => {
  const w = world(
    ...(["once", "all", "skip", "cron"] as const).map((onMissed) =>
      job(onMissed, { onMissed, schedule: "*/10 * * * *" }),
    ),
  );
  w.passes(minutes(5));
  w.isDownFor(minutes(30)); // 12:10, 12:20 and 12:30.
  w.passes(minutes(1));
  assert.deepEqual(w.account("once"), ["12:00 run 1 success", "12:30 run 2 success"]);
  assert.equal(w.records.find(({ job: name, run }) => name === "once" && run === 2)?.coalesced, 3);
  assert.deepEqual(w.account("skip"), ["12:00 run 1 success", "12:30 missed"]);
  assert.deepEqual(w.account("cron"), ["12:00 run 1 success", "12:30 missed"]);
  assert.deepEqual(w.account("all").slice(0, 2), ["12:00 run 1 success", "12:10 run 2 success"]);
  for (const one of w.plan.jobs.values()) w.mustBeSettled(one);
});

test("a shutdown gives running jobs their signal and their grace, and records what waits as skipped", () => {
  const w = world(
    job("long", { schedule: "0 12 * * *" }),
    job("deaf", { schedule: "0 12 * * *", policy: { stopGraceMs: seconds(5) } }),
    job("next", { schedule: "* * * * *", policy: { overlap: "queue" } }),
  );
  w.behaves = (name) => ({ lastsMs: hours(1), ignoresTerm: name === "deaf" });
  w.passes(seconds(91));
  w.shutdown();
  assert.equal(w.ask((supervisor) => supervisor.runJob("long", false))?.what, "svcd is shutting down");
  w.passes(seconds(4));
  assert.equal(w.hasLeft, false);
  w.passes(seconds(2));
  assert.equal(w.hasLeft, true);
  assert.deepEqual(w.account("next").sort(), ["12:00 run 1 killed", "12:01 skipped"]);
  assert.deepEqual(
    w.records.find(({ job: name }) => name === "long")?.why,
    "svcd is shutting down (killed by SIGTERM)",
  );
  assert.deepEqual(w.account("deaf"), ["12:00 run 1 killed"]);
});

test("a machine that stops leaves no due time without a word: what ran is recorded as unknown", () => {
  const w = world(job("long"), job("next", { policy: { overlap: "queue" } }));
  w.behaves = () => ({ lastsMs: hours(1) });
  w.passes(seconds(91));
  w.dies("machine");
  w.passes(seconds(50));
  assert.deepEqual(w.account("long").sort(), ["12:00 run 1 unknown", "12:01 skipped"]);
  assert.deepEqual(w.account("next").sort(), ["12:00 run 1 unknown", "12:01 missed"]);
});

test("a core that was killed goes on with what runs, and counts each run once", () => {
  const w = world(job("backup"));
  w.behaves = () => ({ lastsMs: seconds(20), code: 4 });
  w.passes(seconds(40));
  w.dies("core");
  w.passes(seconds(15));
  w.dies("core");
  w.passes(seconds(5));
  assert.deepEqual(w.account("backup"), ["12:00 run 1 failure"]);
  assert.deepEqual(w.records[0]!.exit, { code: 4 });
});

test("a program that cannot be started is a failure with its reason, and no other job waits for it", () => {
  const w = world(job("broken"), job("fine"));
  w.refuses = (name) => (name === "broken" ? "nosuch: not found on PATH" : null);
  w.passes(seconds(40));
  assert.deepEqual(w.account("broken"), ["12:00 run 1 failure"]);
  assert.equal(w.records.find(({ job: name }) => name === "broken")?.why, "nosuch: not found on PATH");
  assert.deepEqual(w.account("fine"), ["12:00 run 1 success"]);
});

test("a disabled job runs only when somebody asks", () => {
  const w = world(job("backup", { service: { enabled: false } }));
  w.passes(minutes(5));
  assert.equal(w.spawned.length, 0);
  assert.equal(w.ask((supervisor) => supervisor.runJob("backup", false))?.what, "run 1 started");
});

test("10,000 jobs that are due in one minute all run; no turn starts more than a few, and the disk is flushed a few times", () => {
  const jobs = Array.from({ length: 10_000 }, (_, n) => job(`job-${n}`, { schedule: "0 12 * * *" }));
  const w = world(service("web"), ...jobs);
  w.behaves = () => ({ lastsMs: 10 });
  w.passes(minutes(5));
  assert.equal(w.spawned.length, 10_000);
  assert.equal(w.records.length, 10_000);
  assert.ok(w.mostInOneCall <= 64, `${w.mostInOneCall} in one turn`);
  assert.ok(w.flushes <= 500, `${w.flushes} flushes`);
  for (const one of jobs.slice(0, 50)) w.mustBeSettled(one);
});

test("10,000 jobs with one lock take their turns, and none is lost", () => {
  const jobs = Array.from({ length: 10_000 }, (_, n) => job(`job-${n}`, { schedule: "0 12 * * *", lock: "db" }));
  const w = world(...jobs);
  w.behaves = () => ({ lastsMs: 1 });
  w.passes(minutes(5));
  assert.equal(w.spawned.length, 10_000);
  assert.equal(w.mostAlive, 1);
});

test("10,000 jobs whose program is missing hold up no turn", () => {
  const w = world(...Array.from({ length: 10_000 }, (_, n) => job(`job-${n}`, { schedule: "0 12 * * *" })));
  w.refuses = () => "no such program";
  w.passes(minutes(5));
  assert.equal(w.records.length, 10_000);
  assert.ok(w.mostInOneCall <= 64, `${w.mostInOneCall} in one turn`);
});

test("a clock that was wrong for a while starts nothing twice when it is right again", () => {
  const w = world(job("daily", { schedule: "0 12 * * *" }));
  w.passes(minutes(5));
  w.setsClock(-20 * 365 * hours(24)); // A machine whose clock has no battery,
  w.dies("machine");
  w.passes(minutes(5));
  w.setsClock(20 * 365 * hours(24)); // until it asks the time servers.
  w.passes(minutes(5));
  assert.deepEqual(w.account("daily"), ["12:00 run 1 success"]);
});
