import assert from "node:assert/strict";
import { appendFileSync, linkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as v from "valibot";
import { control, type HeardEvent, request } from "./client.ts";
import type { RunAnswer } from "./daemon.ts";
import { FakeDaemon, jobStatus, runRecord, type Served, serve, temporaryDirectory } from "./fake-daemon.ts";
import { FakeLog } from "./fake-log.ts";
import { LOG_PATIENCE } from "./log-stream.ts";
import * as wire from "./wire.ts";

async function served(context: TestContext, ...names: string[]) {
  const daemon = new FakeDaemon("web");
  for (const name of names) daemon.jobList.push(jobStatus(name));
  // Nobody looks by himself: what is not told is not noticed.
  const { socketPath } = await serve(context, daemon, { limits: { log: { ...LOG_PATIENCE, lookEveryMs: 600_000 } } });
  const ask = (method: "GET" | "POST", path: string, body?: unknown) => request(socketPath, method, path, body);
  return { daemon, socketPath, ask };
}

type Refused = { readonly error: { readonly code: string; readonly what: string; readonly fix: string } };

test("questions about jobs are answered with the daemon's words, in the form that is described", async (context) => {
  const { daemon, ask } = await served(context, "backup", "train");
  daemon.records.set("backup", [runRecord("backup", 12), runRecord("backup", null, { result: "missed", exit: null })]);
  const answers: readonly (readonly [path: string, schema: v.GenericSchema, expected: unknown])[] = [
    ["/v1/jobs", wire.JobList, daemon.jobList],
    ["/v1/jobs?names=t*", wire.JobList, [daemon.jobList[1]]],
    ["/v1/jobs/backup", wire.JobDetail, { status: daemon.jobList[0], definition: daemon.jobDefinition("backup") }],
    ["/v1/jobs/backup/why", wire.JobWhyReport, await daemon.whyJob("backup")],
    ["/v1/jobs/backup/history", wire.RunRecords, daemon.records.get("backup")],
    ["/v1/jobs/backup/history?n=1", wire.RunRecords, [daemon.records.get("backup")![0]]],
  ];
  for (const [path, schema, expected] of answers) {
    const { status, body } = await ask("GET", path);
    assert.equal(status, 200, path);
    assert.deepEqual(body, expected, path);
    assert.deepEqual(v.parse(schema, body), body, path);
  }
  assert.deepEqual(daemon.asked, [], "asking changes nothing");
});

test("a start by hand is answered with the number of its run", async (context) => {
  const { daemon, ask } = await served(context, "backup");
  const begun = await ask("POST", "/v1/jobs/backup/run");
  const answer = { name: "backup", outcome: "done", what: "run 13 started", runBefore: 12, run: 13, record: null };
  assert.deepEqual(begun.body, answer);
  v.parse(wire.RunAnswer, begun.body);
  const second = (await ask("POST", "/v1/jobs/backup/run", { force: false })).body as RunAnswer;
  assert.deepEqual([second.outcome, second.what], ["refused", "run 13 is not over"]);
  assert.equal(((await ask("POST", "/v1/jobs/backup/run", { force: true })).body as RunAnswer).outcome, "done");
  assert.deepEqual(daemon.asked, ["run backup", "run backup", "run backup by force"]);
});

test("who asks to wait gets the end of that very run, also when the next has begun by then", async (context) => {
  const { daemon, ask } = await served(context, "backup");
  const answer = ask("POST", "/v1/jobs/backup/run", { wait: 50 });
  while (daemon.asked.length === 0) await new Promise((again) => setTimeout(again, 2));
  daemon.runJob("backup", true);
  const record = daemon.runIsOver("backup", 13, { result: "failure", exit: { code: 3 }, why: "exit 3" });
  const { run, record: heard } = (await answer).body as RunAnswer;
  assert.deepEqual([run, heard], [13, record]);
  assert.equal(daemon.listeners, 1, "nothing listens on");
});

test("who waits in vain gets the run, and no record", async (context) => {
  const { ask } = await served(context, "backup");
  const { run, record } = (await ask("POST", "/v1/jobs/backup/run", { wait: 0 })).body as RunAnswer;
  assert.deepEqual([run, record], [13, null]);
});

test("pause and resume take several names, kill one run or all of a job", async (context) => {
  const { daemon, ask } = await served(context, "backup", "train");
  for (const [path, body] of [
    ["all/pause", undefined],
    ["train,backup/resume", {}],
    ["backup/kill", undefined],
    ["backup/kill", { run: 12 }],
  ] as const) {
    assert.equal((await ask("POST", `/v1/jobs/${path}`, body)).status, 200, path);
  }
  assert.deepEqual(daemon.asked, ["pause backup train", "resume train backup", "kill backup", "kill run 12 of backup"]);
});

test("whoever mixes up a job and a service hears which it is, and nothing is done", async (context) => {
  const { daemon, ask } = await served(context, "backup");
  const heard = async (method: "GET" | "POST", path: string, body?: unknown) => {
    const { error } = (await ask(method, path, body)).body as Refused;
    return `${error.code}: ${error.what}; ${error.fix}`;
  };
  assert.equal(
    await heard("GET", "/v1/jobs/web"),
    "is_a_service: “web” is a service, not a job; see: svctl status web",
  );
  assert.match(await heard("POST", "/v1/jobs/web/run"), /^is_a_service/);
  assert.match(await heard("POST", "/v1/jobs/backup,web/pause"), /^is_a_service/);
  assert.equal(
    await heard("GET", "/v1/services?names=backup"),
    "is_a_job: “backup” is a job, not a service; see: svctl jobs backup",
  );
  assert.match(await heard("POST", "/v1/services/web,backup/stop"), /^is_a_job/);
  assert.match(await heard("GET", "/v1/services/backup/why"), /^is_a_job/);
  assert.equal(
    await heard("GET", "/v1/jobs/bakcup"),
    "unknown_job: no job is called “bakcup”; did you mean “backup”?; `svctl jobs` lists all jobs",
  );
  assert.match(await heard("GET", "/v1/services/bakcup/why"), /^unknown_service: .*did you mean “backup”\?/);
  assert.match(await heard("GET", "/v1/jobs/nope/why"), /^unknown_job/);
  assert.match(await heard("GET", "/v1/jobs/nope/history"), /^unknown_job/);
  assert.match(await heard("POST", "/v1/jobs/nope/kill"), /^unknown_job/);
  assert.match(await heard("POST", "/v1/jobs/,/pause"), /^no_names/);
  assert.match(await heard("POST", "/v1/jobs/backup/star"), /^no_such_action: jobs have no “star”/);
  assert.match(await heard("POST", "/v1/jobs/backup/run", { wait: 51 }), /`wait` is 51; write at most 50 seconds/);
  assert.match(await heard("POST", "/v1/jobs/backup/kill", { run: 1.5 }), /a number of a run/);
  assert.deepEqual(daemon.asked, []);
});

test("the log of a run is all that is kept of it: its head, what is said to be missing, its tail", async (context) => {
  const { daemon, ask } = await served(context, "backup");
  const path = join(temporaryDirectory(context), "12.log");
  const log = new FakeLog(path, { keep: 1 });
  daemon.runLogs.set("backup/12", log);
  log.write("the first line\n");
  assert.equal((await ask("GET", "/v1/jobs/backup/runs/12/log")).body, "the first line\n");
  writeFileSync(`${path}.head`, "the first line\nsvcd: 7 bytes of output are left out here\n");
  log.rotate();
  log.write("the one before\n");
  log.rotate(); // The first line is in the head only.
  log.write("the last line\n");
  assert.equal(
    (await ask("GET", "/v1/jobs/backup/runs/12/log")).body,
    "the first line\nsvcd: 7 bytes of output are left out here\nthe one before\nthe last line\n",
  );
  assert.equal((await ask("GET", "/v1/jobs/backup/runs/12/log?lines=1")).body, "the last line\n");
});

test("who reads a log while its beginning becomes the head gets that beginning once", async (context) => {
  const { daemon, socketPath } = await served(context, "backup");
  const path = join(temporaryDirectory(context), "13.log");
  const log = new FakeLog(path, { keep: 1 });
  daemon.runLogs.set("backup/13", log);
  daemon.jobBecomes("backup", { runs: [{ ...RUN, run: 13 }] });
  log.write("the first line\n");
  const reading = read({ socketPath }, 13, true);
  await reading.has("the first line\n");
  log.becomeHead();
  log.write("the second line\n");
  await reading.has("the first line\nthe second line\n");
  daemon.runIsOver("backup", 13);
  assert.equal(await reading.done, "the first line\nthe second line\n");
});

test("a file that gets the name of the head between two looks is sent once", async (context) => {
  const { daemon, ask } = await served(context, "backup");
  const log = new FakeLog(join(temporaryDirectory(context), "12.log"));
  daemon.runLogs.set("backup/12", log);
  log.write("once\n");
  linkSync(log.path, `${log.path}.head`);
  assert.equal((await ask("GET", "/v1/jobs/backup/runs/12/log")).body, "once\n");
});

test("following the log of a run ends with the run, and with its last byte", async (context) => {
  const { daemon, socketPath } = await served(context, "backup");
  const log = new FakeLog(join(temporaryDirectory(context), "13.log"));
  daemon.runLogs.set("backup/13", log);
  daemon.jobBecomes("backup", { runs: [{ ...RUN, run: 13 }] });
  log.write("one\n");
  const reading = read({ socketPath }, 13, true);
  await reading.has("one\n");
  log.write("two\n");
  await reading.has("one\ntwo\n");
  appendFileSync(log.path, "last, and nobody was told of it when the run was over");
  daemon.runIsOver("backup", 13);
  assert.equal(await reading.done, "one\ntwo\nlast, and nobody was told of it when the run was over");
  assert.equal(log.followers, 0);
});

test("a run whose positions are forgotten when it is over is not sent twice to who follows it", async (context) => {
  const { daemon, socketPath } = await served(context, "backup");
  const log = new FakeLog(join(temporaryDirectory(context), "13.log"), { keep: 1 });
  daemon.runLogs.set("backup/13", log);
  daemon.jobBecomes("backup", { runs: [{ ...RUN, run: 13 }] });
  log.write("one\n");
  log.rotate();
  log.write("two\n");
  const reading = read({ socketPath }, 13, true);
  await reading.has("one\ntwo\n");
  log.forgetPositions();
  daemon.runIsOver("backup", 13);
  assert.equal(await reading.done, "one\ntwo\n");
});

test("who comes back for the rest of a run that is over gets the rest, and nothing when there is none", async (context) => {
  const { daemon, ask } = await served(context, "backup");
  const log = new FakeLog(join(temporaryDirectory(context), "12.log"), { keep: 1 });
  daemon.runLogs.set("backup/12", log);
  log.write("one\n");
  log.rotate();
  log.write("two\n");
  const path = "/v1/jobs/backup/runs/12/log?from=";
  assert.equal((await ask("GET", `${path}4`)).body, "two\n");
  assert.equal((await ask("GET", `${path}8`)).body, "");
  log.forgetPositions();
  assert.equal((await ask("GET", `${path}8`)).body, "");
});

test("a run that nobody knows, and one that wrote nothing there, are told apart from a log", async (context) => {
  const { daemon, ask } = await served(context, "backup");
  daemon.runLogs.set("backup/12", new FakeLog(join(temporaryDirectory(context), "12.log")));
  for (const [path, status, code] of [
    ["99/log", 404, "no_log"],
    ["12/log?stream=stderr", 404, "no_log"],
    ["last/log", 400, "bad_request"],
    ["12/log?lines=1&from=0", 400, "bad_request"],
    ["-1/log", 400, "bad_request"],
  ] as const) {
    const { status: found, body } = await ask("GET", `/v1/jobs/backup/runs/${path}`);
    assert.deepEqual([found, (body as Refused).error.code], [status, code], path);
  }
});

test("runs are told as events, and a listener that comes back hears what it missed", async (context) => {
  const { daemon, socketPath } = await served(context, "backup");
  const heard: HeardEvent[] = [];
  const listening = control(socketPath).events({ since: "e1-0" }, (event) => heard.push(event));
  const at = "2026-11-02T10:00:00.000Z";
  daemon.announce({ type: "run", at, what: "started", job: "backup", run: 13, pid: 4712, record: null });
  while (heard.length < 1) await new Promise((again) => setTimeout(again, 2));
  listening.stop();
  daemon.jobBecomes("backup", { runs: [{ ...RUN, run: 13 }] });
  const record = daemon.runIsOver("backup", 13);
  daemon.announce({ type: "job", at, name: "backup", what: "paused" });
  const again = control(socketPath).events({ since: heard[0]!.id }, (event) => heard.push(event));
  while (heard.length < 3) await new Promise((once) => setTimeout(once, 2));
  again.stop();
  const [started, over, paused] = heard.map(({ event }) => event);
  assert.deepEqual(started, { type: "run", at, what: "started", job: "backup", run: 13, pid: 4712, record: null });
  assert.deepEqual(over, { type: "run", at: record.endedAt, what: "over", job: "backup", run: 13, pid: null, record });
  for (const event of [started, over, paused]) assert.deepEqual(v.parse(wire.DaemonEvent, event), event);
});

const RUN = {
  trigger: "schedule",
  scheduledFor: "2026-11-02T10:00:00.000Z",
  startedAt: "2026-11-02T10:00:00.000Z",
  attempt: 1,
  pid: 4712,
  why: "runs for 1 s",
} as const;

function read({ socketPath }: Pick<Served, "socketPath">, run: number, follow: boolean) {
  let text = "";
  let wake = (): void => {};
  const done = new Promise<string>((resolve, reject) => {
    control(socketPath).runLog(
      "backup",
      run,
      { follow },
      {
        onData: (bytes) => {
          text += bytes.toString();
          wake();
        },
        onEnd: (error) => (error === null ? resolve(text) : reject(error)),
      },
    );
  });
  const has = async (expected: string): Promise<void> => {
    while (text !== expected) {
      assert.ok(
        expected.startsWith(text),
        `${JSON.stringify(text)} is not the beginning of ${JSON.stringify(expected)}`,
      );
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { done, has };
}
