import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeDaemon, job, liveRun, record, service, svctl } from "./fake-daemon.ts";
import { width } from "./text.ts";

/** Times are shown on the reader's clock. */
process.env["TZ"] = "Europe/Berlin";

const failed = record({ job: "report", result: "failure", exit: { code: 3 }, why: "exit 3" });

function several() {
  return [
    job(),
    job({ name: "gpu-check", state: "RUNNING", runs: [liveRun()], why: "run 13 runs for 1m5s", next: null }),
    job({ name: "report", last: failed, streak: { result: "failure", count: 3 }, next: "2026-11-27T06:30:00.000Z" }),
    job({ name: "sync", state: "PAUSED", paused: true, next: null, last: null, streak: null, timezone: "UTC" }),
  ];
}

test("jobs is a table: when each is due, how its last run went, and all of it when it is piped", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.jobs = several();
  const { stdout, stderr, exitCode } = await svctl(daemon, "jobs");
  const [header, backup, running, report, paused] = stdout.split("\n");
  assert.deepEqual([exitCode, stderr], [0, ""]);
  assert.equal(header!.replace(/ {2,}/g, "|"), "NAME|STATE|NEXT|ZONE|LAST|ENDED|TOOK|STREAK|SCHEDULE|WHY");
  assert.equal(
    backup!.replace(/ {2,}/g, "|"),
    "backup|IDLE|2026-11-23 03:00:00 in 13h 58m|Europe/Berlin|success|9h 58m ago|2m 5s|4|every day at 03:00|run 12: exit 0",
  );
  assert.match(running!, /^gpu-check {2}RUNNING {2}never /);
  assert.match(report!, /failure .* 3 {7}every day/);
  assert.match(paused!, /^sync {7}PAUSED {3}paused .* UTC /);
});

test("on 80 columns each job is one line with what it does now or when it is due", async () => {
  await using daemon = await new FakeDaemon().open();
  const long = "a-job-with-a-name-that-is-much-too-long-for-a-table";
  daemon.jobs = [...several(), job({ name: long, schedules: [{ expression: "*", words: "w".repeat(100) }] })];
  const { stdout } = await svctl(daemon, "jobs", { terminal: 80, env: { NO_COLOR: "1" } });
  const lines = stdout.trimEnd().split("\n");
  assert.deepEqual(lines.slice(0, 5), [
    "NAME              NEXT              LAST          SCHEDULE",
    "backup            Mon 03:00 in 13h  ok 2m ×4      every day at 03:00",
    "gpu-check         RUNNING 1m        ok 2m ×4      every day at 03:00",
    "report            Fri 07:30 in 4d   failed 2m ×3  every day at 03:00",
    "sync              PAUSED            -             every day at 03:00 (UTC)",
  ]);
  assert.equal(lines.length, 6);
  for (const columns of [40, 80, 200]) {
    for (const env of [{}, { NO_COLOR: "1" }]) {
      const seen = await svctl(daemon, "jobs", { terminal: columns, env });
      for (const line of seen.stdout.trimEnd().split("\n"))
        assert.ok(width(line.replace(/\x1b\[\d+m/g, "")) <= columns);
    }
  }
});

test("colours say how a job is, on a terminal only", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.jobs = several();
  const { stdout } = await svctl(daemon, "jobs", { terminal: 80 });
  assert.match(stdout, /\x1b\[32m● RUNNING 1m\s*\x1b\[0m/);
  assert.match(stdout, /\x1b\[31m✗ failed 2m ×3\x1b\[0m/);
  assert.match(stdout, /\x1b\[33m‖ PAUSED/);
  assert.doesNotMatch((await svctl(daemon, "jobs")).stdout, /\x1b/);
});

test("nothing that a job says can steer the terminal", async () => {
  await using daemon = await new FakeDaemon().open();
  const evil = "\x1b[2J\x07\n";
  const last = record({ why: evil, retryAt: "2026-11-22T13:00:00.000Z", result: "failure" });
  const status = job({
    name: "backup",
    why: evil,
    timezone: evil,
    description: evil,
    schedules: [{ expression: evil, words: evil }],
    runs: [liveRun({ why: evil })],
    file: { path: evil, line: 1, note: evil },
    last,
  });
  daemon.jobs = [status];
  daemon.records = [last];
  daemon.on("GET", "/v1/jobs/backup/why", () => ({
    status,
    history: [last],
    lastLines: [evil],
    linesOf: 12,
    next: evil,
    advice: [evil],
  }));
  const refused = { name: "backup", outcome: "refused", what: evil, runBefore: 1, run: null, record: null };
  daemon.on("POST", "/v1/jobs/backup/run", () => refused);
  daemon.on("POST", "/v1/jobs/backup/pause", () => [refused]);
  for (const words of ["jobs", "history backup", "why backup", "run backup", "run backup --wait", "pause backup"]) {
    for (const terminal of [80, 200]) {
      const { stdout, stderr } = await svctl(daemon, words, { terminal, env: { NO_COLOR: "1" } });
      assert.ok(stdout + stderr !== "", words);
      assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f]/, words);
    }
  }
});

test("--json of jobs, history and why is exactly what svcd gave", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.jobs = several();
  daemon.records = [record()];
  const asked = async (words: string) => JSON.parse((await svctl(daemon, words)).stdout);
  assert.deepEqual(await asked("jobs --json"), daemon.jobs);
  assert.deepEqual(await asked("jobs --json sync"), [daemon.jobs[3]]);
  assert.deepEqual(await asked("history backup --json -n 5"), daemon.records);
  assert.deepEqual((await asked("why backup --json")).status, daemon.jobs[0]);
  assert.ok(daemon.heard.includes("GET /v1/jobs/backup/history?n=5"));
});

test("without jobs it says where they go, with an unknown one it is 4", async () => {
  await using daemon = await new FakeDaemon().open();
  const { stdout } = await svctl(daemon, "jobs");
  assert.equal(stdout, `no jobs yet: put a crontab or a YAML file into ${daemon.root}/cron.d\n`);
  daemon.refuses("GET", "/v1/jobs", { code: "unknown_job", what: "no job is called “bakcup”", fix: "?" });
  assert.equal((await svctl(daemon, "jobs bakcup")).exitCode, 4);
});

test("who asks for a job with a service's command is told which one is for jobs", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.jobs = [job()];
  assert.deepEqual(await svctl(daemon, "status backup"), {
    exitCode: 4,
    stdout: "",
    stderr: "svctl: “backup” is a job, not a service\n  fix:   see: svctl jobs backup\n",
  });
});

test("a job whose file is broken or newer is noted below the table", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.jobs = [job({ file: { path: "/x/backup.yaml", line: 1, note: "changed, not applied" } })];
  assert.match((await svctl(daemon, "jobs")).stdout, /note: backup: \/x\/backup.yaml: changed, not applied/);
});

test("history shows what ran and what did not, newest first, each with its reason", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.jobs = [job()];
  const nothing = { startedAt: null, exit: null, cpuMs: null, peakMemoryBytes: null } as const;
  daemon.records = [
    record({ run: 14, trigger: "retry", attempt: 2, endedAt: "2026-11-22T02:00:01.600Z" }),
    record({ run: 13, result: "failure", why: "exit 3", retryAt: "2026-11-22T13:00:00.000Z" }),
    record({ run: null, result: "missed", why: "svcd was not there", coalesced: 3, ...nothing }),
    record({ run: 12, trigger: "catch-up", coalesced: 3 }),
  ];
  const { stdout, exitCode } = await svctl(daemon, "history backup");
  assert.equal(exitCode, 0);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "RUN  DUE                  RESULT   TOOK   BY        CPU   MEMORY   WHY",
    "14   2026-11-22 03:00:00  success  1.5s   retry     1.5s  7.0 MiB  exit 0; attempt 2",
    "13   2026-11-22 03:00:00  failure  2m 5s  schedule  1.5s  7.0 MiB  exit 3; next attempt 14:00",
    "-    2026-11-22 03:00:00  missed   -      schedule  -     -        svcd was not there",
    "12   2026-11-22 03:00:00  success  2m 5s  catch-up  1.5s  7.0 MiB  exit 0; for 3 due times",
  ]);
  assert.ok(daemon.heard.includes("GET /v1/jobs/backup/history?n=20"));
  daemon.records = [];
  assert.match((await svctl(daemon, "history backup")).stdout, /^nothing yet: backup was never due/);
});

test("pause, resume and kill reach svcd and tell what it said", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.jobs = several();
  const did = (name: string, what: string, outcome = "done") => ({ name, outcome, what, runBefore: 12 });
  daemon.on("POST", "/v1/jobs/backup,sync/pause", () => [
    did("backup", "paused"),
    did("sync", "already paused", "already"),
  ]);
  daemon.on("POST", "/v1/jobs/all/resume", () => [did("sync", "resumed")]);
  daemon.on("POST", "/v1/jobs/gpu-check/kill", ({ body }) =>
    body === undefined ? did("gpu-check", "run 13 told to end") : did("gpu-check", "run 99 is not running", "refused"),
  );
  assert.equal((await svctl(daemon, "pause backup sync")).stdout, "backup: paused\nsync: already paused\n");
  assert.equal((await svctl(daemon, "resume all")).stdout, "sync: resumed\n");
  assert.equal((await svctl(daemon, "kill gpu-check")).stdout, "gpu-check: run 13 told to end\n");
  const refused = await svctl(daemon, "kill gpu-check --run gpu-check/99");
  assert.deepEqual([refused.exitCode, refused.stdout], [1, "gpu-check: ERROR (run 99 is not running)\n"]);
  assert.ok(daemon.heard.includes('POST /v1/jobs/gpu-check/kill {"run":99}'));
  assert.deepEqual(JSON.parse((await svctl(daemon, "pause backup sync --json")).stdout)[0].what, "paused");
  for (const words of ["kill gpu-check --run last", "kill gpu-check --run backup/12", "pause"]) {
    assert.equal((await svctl(daemon, words)).exitCode, 2, words);
  }
});

test("why of a job is a page: what it does, how the last run ended, its last lines, its history, what to do", async () => {
  await using daemon = await new FakeDaemon().open();
  const status = job({
    description: "saves all",
    last: failed,
    streak: { result: "failure", count: 3 },
    why: "run 12: exit 3",
    timezone: "Asia/Tokyo",
  });
  daemon.jobs = [status];
  daemon.services = [service()];
  daemon.on("GET", "/v1/jobs/backup/why", () => ({
    status,
    history: [failed],
    lastLines: ["no space left"],
    linesOf: 12,
    next: "due again",
    advice: ["svctl logs backup --run 12"],
  }));
  const { stdout, exitCode } = await svctl(daemon, "why backup");
  assert.equal(exitCode, 0);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "backup: IDLE",
    "  saves all",
    "  why:   run 12: exit 3",
    "  when:  every day at 03:00  (0 3 * * *)",
    "  next:  2026-11-23 03:00:00, in 13h 58m (2026-11-23 11:00:00 in Asia/Tokyo)",
    "  file:  /etc/svcd/cron.d/backup.yaml:1",
    "",
    "The last run that is over (number 12): failure (exit 3) after 2m 5s, 3 in a row",
    "  ended 2026-11-22 03:02:05",
    "",
    "Last lines of output of run 12",
    "  | no space left",
    "",
    "History, newest first",
    "  RUN  DUE                  RESULT   TOOK   BY        CPU   MEMORY   WHY",
    "  12   2026-11-22 03:00:00  failure  2m 5s  schedule  1.5s  7.0 MiB  exit 3",
    "",
    "What you can do",
    "  svctl logs backup --run 12",
  ]);
});

test("next of a job's name are its due times, of all its schedules and in its own zone", async () => {
  await using daemon = await new FakeDaemon().open();
  const { parseExpression } = await import("../schedule/expression.ts");
  const schedules = ["0 3 * * *", "30 15 * * *"].map((expression) => {
    const reading = parseExpression(expression, "crontab");
    assert.ok(reading.ok);
    return { expression, schedule: reading.schedule };
  });
  const status = job({ paused: true, schedules: schedules.map(({ expression }) => ({ expression, words: "…" })) });
  daemon.jobs = [status];
  daemon.on("GET", "/v1/jobs/backup", () => ({ status, definition: { schedules, splayMs: 300_000 } }));
  const { stdout, exitCode } = await svctl(daemon, "next backup -n 3");
  assert.equal(exitCode, 0);
  assert.deepEqual(stdout.trimEnd().split("\n"), [
    "Sun 2026-11-22 15:30:00 +01:00  in 2h 28m",
    "Mon 2026-11-23 03:00:00 +01:00  in 13h 58m",
    "Mon 2026-11-23 15:30:00 +01:00  in 1d 2h",
    "note: each start is up to 5m later, by an amount of its own (splay)",
    "note: paused, nothing starts: svctl resume backup",
  ]);
  assert.deepEqual(JSON.parse((await svctl(daemon, "next backup -n 1 --json --from 2026-11-24")).stdout), {
    job: "backup",
    expr: "0 3 * * *, 30 15 * * *",
    timezone: "Europe/Berlin",
    next: ["2026-11-24T02:00:00Z"],
    warnings: [],
  });
  assert.equal((await svctl(daemon, "next backup --tz UTC")).exitCode, 2);
  assert.match(
    (await svctl(daemon, "next bakcup")).stderr,
    /`bakcup` is no schedule, and no job of a running svcd is called so/,
  );
});

test("an `@every` of a job is counted from its next start", async () => {
  await using daemon = await new FakeDaemon().open();
  const status = job({ schedules: [{ expression: "@every 10m", words: "…" }], next: "2026-11-22T12:07:30.000Z" });
  daemon.jobs = [status];
  const definition = { schedules: [{ schedule: { kind: "every", everyMs: 600_000 } }], splayMs: 0 };
  daemon.on("GET", "/v1/jobs/backup", () => ({ status, definition }));
  const { next } = JSON.parse((await svctl(daemon, "next backup -n 2 --json")).stdout);
  assert.deepEqual(next, ["2026-11-22T12:07:30Z", "2026-11-22T12:17:30Z"]);
});

test("completion offers jobs where jobs are meant, and both where both are", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  daemon.jobs = [job(), job({ name: "sync" })];
  const offered = async (...words: string[]) => (await svctl(daemon, ["__complete", "--", ...words])).stdout;
  assert.equal(await offered("run", ""), "backup\nsync\nall\n");
  assert.equal(await offered("pause", "backup", ""), "sync\nall\n");
  assert.equal(await offered("logs", ""), "web\nall\nbackup\nsync\n");
  assert.equal(await offered("restart", ""), "web\nall\n");
  assert.match(await offered("run", "--"), /--follow\n(.*\n)*--force/);
});
