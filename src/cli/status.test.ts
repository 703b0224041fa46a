import assert from "node:assert/strict";
import { test } from "node:test";
import { STATES } from "../control/daemon.ts";
import { FakeDaemon, service, svctl } from "./fake-daemon.ts";
import { exitCode } from "./status.ts";

test("status is a table: a line for each service, with everything in it when it is piped", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [
    service({ name: "db", state: "BACKOFF", pid: null, restarts: 3, why: "exit 1: no space", next: "again in 4 s" }),
    service({ name: "web" }),
  ];
  assert.deepEqual(await svctl(daemon, "status"), {
    exitCode: 3,
    stderr: "",
    stdout: [
      "NAME  STATE    PID   FOR    RESTARTS  WHY",
      "db    BACKOFF  -     1m 5s  3         exit 1: no space; again in 4 s",
      "web   RUNNING  4121  1m 5s  0         up",
      "",
    ].join("\n"),
  });
});

test("svctl alone is svctl status, and on a terminal it says where the rest is", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  assert.equal((await svctl(daemon, "")).stdout, (await svctl(daemon, "status")).stdout);
  assert.match((await svctl(daemon, "", { terminal: 80 })).stdout, /all commands: svctl help/);
});

test("on a terminal no line is wider than it, with colours and signs unless NO_COLOR says no", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ why: "a reason that is much too long for a terminal of forty columns" })];
  const plainly = await svctl(daemon, "status", { terminal: 60, env: { NO_COLOR: "1" } });
  assert.doesNotMatch(plainly.stdout, /\x1b/);
  assert.equal(plainly.stdout.split("\n")[1], "web   RUNNING  4121  1m 5s  0         a reason that is much…");
  assert.match((await svctl(daemon, "status", { terminal: 60 })).stdout, /\x1b\[32m● RUNNING/);
  assert.doesNotMatch((await svctl(daemon, "status --no-color", { terminal: 60 })).stdout, /\x1b/);
  assert.doesNotMatch((await svctl(daemon, "status")).stdout, /\x1b/);
});

test("nothing that a service says can steer the terminal", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "w\x1b[2J", why: "\x1b]0;title\x07" })];
  assert.doesNotMatch((await svctl(daemon, "status")).stdout, /[\x00-\x09\x0b-\x1f]/);
});

test("--json is exactly the list that svcd gave", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "w\x1b" }), service({ name: "web" })];
  const { stdout, exitCode: code } = await svctl(daemon, "status --json web");
  assert.deepEqual(JSON.parse(stdout), [service({ name: "web" })]);
  assert.equal(code, 0);
});

test("files that are not as what runs, and mistakes, are noted below the table", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ file: { path: "/x/web.yaml", line: 1, note: "changed, not applied" } })];
  daemon.health = { ...daemon.health, mistakes: 2 };
  const { stdout } = await svctl(daemon, "status");
  assert.match(stdout, /note: web: \/x\/web.yaml: changed, not applied/);
  assert.match(stdout, /note: 2 mistakes in the files; see: svctl plan/);
});

test("what svcd itself cannot do stands below the table, in red on a terminal", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  daemon.health = { ...daemon.health, troubles: ["output of web is lost\x1b[2J"] };
  const { stdout, exitCode: code } = await svctl(daemon, "status");
  assert.match(stdout, /^trouble: output of web is lost/m);
  assert.ok(!stdout.includes("\x1b"));
  assert.equal(code, 0, "services are as they should");
});

test("an empty svcd says where files go", async () => {
  await using daemon = await new FakeDaemon().open();
  const { stdout, exitCode: code } = await svctl(daemon, "status");
  assert.equal(stdout, `no services yet: put a file into ${daemon.root}/services.d\n`);
  assert.equal(code, 0);
});

test("an unknown name is 4, in svcd's words", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.refuses("GET", "/v1/services", {
    code: "unknown_service",
    what: "no service is called “wbe”",
    fix: "did you mean “web”?",
  });
  const { stderr, exitCode: code } = await svctl(daemon, "status wbe");
  assert.equal(code, 4);
  assert.equal(stderr, "svctl: no service is called “wbe”\n  fix:   did you mean “web”?\n");
});

test("what was named must be RUNNING", () => {
  for (const state of STATES) assert.equal(exitCode([service({ state })], ["web"]), state === "RUNNING" ? 0 : 3, state);
});

test("without names, what nobody wants here and what has done its work are fine", () => {
  for (const words of [[], ["all"]]) {
    const all = (changes: Parameters<typeof service>[0]) => exitCode([service(), service(changes)], words);
    assert.equal(all({ state: "SKIPPED" }), 0);
    assert.equal(all({ state: "EXITED", why: "exit 0" }), 0);
    assert.equal(all({ state: "EXITED", why: "exit 1" }), 3);
    assert.equal(all({ state: "STOPPED", wanted: "down", run: 0 }), 0);
    assert.equal(all({ state: "STOPPED", wanted: "down", run: 7 }), 3);
    assert.equal(all({ state: "STOPPED", wanted: "down", run: 7, enabled: false }), 0);
    for (const state of ["WAITING", "STARTING", "BACKOFF", "STOPPING", "FATAL"] as const)
      assert.equal(all({ state }), 3);
  }
});
