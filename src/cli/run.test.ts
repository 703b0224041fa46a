import assert from "node:assert/strict";
import { test } from "node:test";
import { type Asked, FakeDaemon, job, liveRun, record, running, service, svctl } from "./fake-daemon.ts";

process.env["TZ"] = "Europe/Berlin";

async function withBackup(): Promise<FakeDaemon> {
  const daemon = await new FakeDaemon().open();
  daemon.jobs = [job()];
  daemon.on("POST", "/v1/jobs/backup/run", () => daemon.begins("backup", liveRun()));
  return daemon;
}

/** Once it listens and has asked for the start. */
async function begun(daemon: FakeDaemon): Promise<void> {
  await seen(
    () => daemon.jobs[0]!.runs.length > 0 && daemon.heard.some((line) => line.startsWith("GET /v1/jobs/backup")),
  );
}

test("run returns with the number of the run", async () => {
  await using daemon = await withBackup();
  assert.deepEqual(await svctl(daemon, "run backup"), { exitCode: 0, stdout: "backup: run 13 started\n", stderr: "" });
  assert.equal(JSON.parse((await svctl(daemon, "run backup --no-wait --json")).stdout).run, 13);
  await svctl(daemon, "run backup --force");
  const sent = daemon.heard.filter((line) => line.startsWith("POST"));
  assert.deepEqual(
    [...new Set(sent)],
    ['POST /v1/jobs/backup/run {"force":false}', 'POST /v1/jobs/backup/run {"force":true}'],
  );
});

test("a start that overlap refuses is a failure with svcd's reason, waited for or not", async () => {
  await using daemon = await withBackup();
  const what = "run 13 is not over: svctl run --force backup";
  const refused = { name: "backup", outcome: "refused", what, runBefore: 13, run: null, record: null };
  daemon.on("POST", "/v1/jobs/backup/run", () => refused);
  for (const words of ["run backup", "run backup --wait", "run backup --follow"]) {
    assert.deepEqual(
      await svctl(daemon, words),
      { exitCode: 1, stdout: `backup: ERROR (${what})\n`, stderr: "" },
      words,
    );
  }
  const inJson = await svctl(daemon, "run backup --json");
  assert.deepEqual([inJson.exitCode, JSON.parse(inJson.stdout)], [1, refused]);
});

for (const [title, changes, exitCode, said] of [
  ["a success is 0", {}, 0, "run 13 success (exit 0) after 2m 5s"],
  ["an accepted status is 0", { exit: { code: 2 }, why: "exit 2" }, 0, "run 13 success (exit 2) after 2m 5s"],
  [
    "the exit code is the run's",
    { result: "failure", exit: { code: 42 }, why: "exit 42" },
    42,
    "run 13 failure (exit 42)",
  ],
  ["a signal is 1", { result: "killed", exit: { signal: "SIGTERM" }, why: "SIGTERM" }, 1, "run 13 killed (SIGTERM)"],
  ["a timeout is 1, also with exit 0", { result: "timeout", why: "too long" }, 1, "run 13 timeout (too long)"],
  ["never started is 1", { result: "skipped", exit: null, startedAt: null, why: "no" }, 1, "run 13 skipped (no)"],
] as const) {
  test(`run --wait: ${title}`, async () => {
    await using daemon = await withBackup();
    const call = running(daemon, "run backup --wait");
    await begun(daemon);
    daemon.ends({ job: "backup", run: 13, ...changes });
    const outcome = await call.done;
    assert.equal(outcome.exitCode, exitCode);
    const [first, second] = outcome.stdout.split("\n");
    assert.equal(first, "backup: run 13 started");
    assert.ok(second!.startsWith(`backup: ${said}`), second);
  });
}

test("a failure that was waited for shows the last lines of its output, and when it is tried again", async () => {
  await using daemon = await withBackup();
  daemon.on("GET", "/v1/jobs/backup/why", () => ({
    status: daemon.jobs[0],
    history: [],
    lastLines: ["no space left"],
    linesOf: 13,
    next: "",
    advice: [],
  }));
  const call = running(daemon, "run backup --wait");
  await begun(daemon);
  const retryAt = "2026-11-22T12:05:00.000Z";
  daemon.ends({ job: "backup", run: 13, result: "failure", exit: { code: 3 }, why: "exit 3", retryAt });
  const { stdout, stderr } = await call.done;
  assert.match(stdout, /run 13 failure \(exit 3\) after 2m 5s; the next attempt at 2026-11-22 13:05:00/);
  assert.equal(stderr, "  last lines of output:\n  | no space left\n  more:  svctl logs backup --run 13\n");
});

test("an end that nobody told of is found in the history", async () => {
  await using daemon = await withBackup();
  const answer = { name: "backup", outcome: "done", what: "run 13 started", runBefore: 12, run: 13, record: null };
  daemon.on("POST", "/v1/jobs/backup/run", () => answer);
  daemon.records = [record({ run: 13 })];
  assert.equal((await svctl(daemon, "run backup --wait")).exitCode, 0);
  daemon.records = [];
  const lost = await svctl(daemon, "run backup --wait");
  assert.deepEqual([lost.exitCode, /no record of its end/.test(lost.stderr)], [1, true]);
});

test("a run that must wait its turn is waited for from its start to its end", async () => {
  await using daemon = await withBackup();
  const what = "waits until run 13 is over";
  daemon.on("POST", "/v1/jobs/backup/run", () => {
    daemon.jobs = [job({ runs: [liveRun()] })];
    return { name: "backup", outcome: "done", what, runBefore: 13, run: null, record: null };
  });
  const call = running(daemon, "run backup --wait");
  await begun(daemon);
  daemon.ends({ job: "backup", run: 13, result: "failure", exit: { code: 1 } });
  daemon.begins("backup", liveRun({ run: 14 }));
  const at = "2026-11-22T12:00:00.000Z";
  daemon.tell({ type: "run", at, what: "started", job: "backup", run: 14, pid: 4123, record: null });
  await seen(() => call.stdout().includes("run 14 started"));
  daemon.ends({ job: "backup", run: 14 });
  const { exitCode, stdout } = await call.done;
  assert.equal(exitCode, 0);
  assert.equal(stdout, `backup: ${what}\nbackup: run 14 started\nbackup: run 14 success (exit 0) after 2m 5s\n`);
});

test("Ctrl-C ends the waiting, not the run; so does the time that was given", async () => {
  await using daemon = await withBackup();
  const call = running(daemon, "run backup --wait");
  await begun(daemon);
  call.interrupt();
  const { exitCode, stderr } = await call.done;
  assert.deepEqual([exitCode, stderr], [130, "svctl: no longer waiting; svcd goes on with backup\n"]);
  const late = await svctl(daemon, "run backup --wait --timeout 50ms");
  assert.deepEqual([late.exitCode, late.stderr], [1, "backup: ERROR (not over in time; svcd goes on with it)\n"]);
});

test("waiting outlives a core that is replaced", async () => {
  await using daemon = await withBackup();
  const call = running(daemon, "run backup --wait");
  await begun(daemon);
  await daemon.dies();
  daemon.jobs = [job({ last: record({ run: 13 }) })];
  daemon.records = [record({ run: 13, result: "failure", exit: { code: 9 }, why: "exit 9" })];
  await daemon.returns();
  assert.equal((await call.done).exitCode, 9);
});

test("--json with --wait is the answer and the record, and nothing else", async () => {
  await using daemon = await withBackup();
  const call = running(daemon, "run backup --wait --json");
  await begun(daemon);
  daemon.ends({ job: "backup", run: 13 });
  const { run, record: found } = JSON.parse((await call.done).stdout);
  assert.deepEqual([run, found], [13, record({ run: 13 })]);
});

test("options that contradict each other are refused before anything is started", async () => {
  await using daemon = await withBackup();
  for (const words of ["--follow --json", "--follow --no-wait", "--wait --no-wait", "--timeout 5s", ""]) {
    const given = words === "" ? "run" : `run backup ${words}`;
    assert.equal((await svctl(daemon, given)).exitCode, 2, given);
  }
  assert.deepEqual(daemon.heard, []);
});

function logOf(daemon: FakeDaemon, run: number): { write(text: string): void; end(): void } {
  let response: Asked["response"] | null = null;
  const pending: string[] = [];
  daemon.on("GET", `/v1/jobs/backup/runs/${run}/log`, (asked) => {
    if (asked.query.get("follow") === null) return void asked.response.writeHead(200).end(); // There is no more.
    response = asked.response;
    response.writeHead(200, { "X-Log-Position": asked.query.get("from") ?? "0" });
    response.flushHeaders();
    for (const text of pending.splice(0)) response.write(text);
  });
  return {
    write: (text) => void (response === null ? pending.push(text) : response.write(text)),
    end: () => void response?.end(),
  };
}

test("--follow prints the output as it comes, byte for byte, and what svctl says goes to stderr", async () => {
  await using daemon = await withBackup();
  const log = logOf(daemon, 13);
  const call = running(daemon, "run backup --follow");
  log.write("one\n");
  await seen(() => call.stdout() === "one\n");
  log.write("two");
  await seen(() => call.stdout() === "one\ntwo");
  daemon.ends({ job: "backup", run: 13, result: "failure", exit: { code: 7 }, why: "exit 7" });
  log.end();
  const { exitCode, stdout, stderr } = await call.done;
  assert.deepEqual([exitCode, stdout], [7, "one\ntwo"]);
  assert.equal(stderr, "backup: run 13 started\nbackup: run 13 failure (exit 7) after 2m 5s\n");
  assert.ok(daemon.heard.includes("GET /v1/jobs/backup/runs/13/log?follow=1&stream=stdout"));
});

test("--follow of a run whose output is discarded waits all the same", async () => {
  await using daemon = await withBackup();
  daemon.refuses("GET", "/v1/jobs/backup/runs/13/log", { code: "no_log", what: "no log", fix: "-" });
  const call = running(daemon, "run backup --follow");
  await seen(() => call.stderr().includes("discarded"));
  daemon.ends({ job: "backup", run: 13 });
  assert.equal((await call.done).exitCode, 0);
});

test("following a run goes on at the very byte when the core is replaced, and ends with the run", async () => {
  await using daemon = await withBackup();
  daemon.jobs = [job({ runs: [liveRun()] })];
  const from: (string | null)[] = [];
  const end = new Set<() => void>();
  daemon.on("GET", "/v1/jobs/backup/runs/13/log", ({ response, query }) => {
    from.push(query.get("from"));
    response.writeHead(200, { "X-Log-Position": query.get("from") ?? "100" });
    if (query.get("follow") === null) return void response.end("last words\n");
    response.write(from.length === 1 ? "first\nsec" : "ond\n");
    end.add(() => response.end());
  });
  const call = running(daemon, "logs -f backup");
  await seen(() => call.stdout() === "first\nsec");
  for (const close of end) close(); // As a core that ends does: in good order.
  await seen(() => call.stdout() === "first\nsecond\n");
  daemon.jobs = [job()];
  for (const close of end) close();
  const { exitCode, stdout } = await call.done;
  assert.deepEqual([exitCode, stdout], [0, "first\nsecond\nlast words\n"], "also what came while nobody could send it");
  assert.deepEqual(from, [null, "109", "113"]);
});

test("logs of a job are those of the run that goes on, else of the last, else of the one that is named", async () => {
  await using daemon = await withBackup();
  daemon.services = [service()];
  daemon.on("GET", "/v1/services/web/logs", ({ response }) => void response.writeHead(200).end("from web\n"));
  for (const run of [7, 12, 13]) {
    daemon.on(
      "GET",
      `/v1/jobs/backup/runs/${run}/log`,
      ({ response }) => void response.writeHead(200).end(`run ${run}\n`),
    );
  }
  const printed = async (words: string) => (await svctl(daemon, words)).stdout;
  assert.equal(await printed("logs backup"), "run 12\n");
  assert.equal(await printed("logs backup --run 7"), "run 7\n");
  daemon.jobs = [job({ runs: [liveRun()] })];
  assert.equal(await printed("logs backup"), "run 13\n");
  assert.equal(await printed("logs backup -n 5"), "run 13\n");
  assert.equal(await printed("logs web backup"), "web    | from web\nbackup | run 13\n");
  assert.equal(await printed("logs"), "from web\n", "without names no job");
  const asked = daemon.heard.filter((line) => line.includes("/log?"));
  assert.ok(asked.includes("GET /v1/jobs/backup/runs/12/log?stream=stdout"), "all of it");
  assert.ok(asked.includes("GET /v1/jobs/backup/runs/13/log?lines=5&stream=stdout"));
});

test("a job that never ran has no output, and --run is about one job", async () => {
  await using daemon = await withBackup();
  daemon.jobs = [job({ last: null })];
  const { exitCode, stderr } = await svctl(daemon, "logs backup");
  assert.deepEqual(
    [exitCode, stderr],
    [1, "svctl: backup has no output: it never ran\n  fix:   start it: svctl run backup\n"],
  );
  assert.equal((await svctl(daemon, "logs --run 3")).exitCode, 2);
  assert.equal((await svctl(daemon, "logs a b --run 3")).exitCode, 2);
});

/** An event shows in what is written; the limit is only for a broken test. */
async function seen(isSo: () => boolean): Promise<void> {
  const until = performance.now() + 5000;
  while (!isSo()) {
    assert.ok(performance.now() < until, "it never came");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
