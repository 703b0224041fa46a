import assert from "node:assert/strict";
import { test } from "node:test";
import type { ActionResult } from "../control/daemon.ts";
import { FakeDaemon, running, service, svctl, why } from "./fake-daemon.ts";

function result(changes: Partial<ActionResult> = {}): ActionResult {
  return { name: "web", outcome: "done", what: "started", runBefore: 1, ...changes };
}

test("start waits until the service is RUNNING and says so in supervisorctl's words", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "STOPPED", pid: null })];
  daemon.on("POST", "/v1/services/web/start", () => {
    daemon.becomes({ name: "web", state: "STARTING", run: 2 });
    setTimeout(() => daemon.becomes({ name: "web", state: "RUNNING", run: 2 }), 30);
    return [result()];
  });
  assert.deepEqual(await svctl(daemon, "start web"), { exitCode: 0, stdout: "web: started\n", stderr: "" });
});

test("the events are opened before the request, so nothing that follows from it is missed", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "STOPPED", pid: null })];
  daemon.on("POST", "/v1/services/web/start", () => {
    daemon.becomes({ name: "web", state: "RUNNING", run: 2 });
    return [result()];
  });
  await svctl(daemon, "start web");
  assert.ok(daemon.heard.indexOf("GET /v1/events") < daemon.heard.indexOf("POST /v1/services/web/start"));
});

test("--no-wait asks and returns", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.on("POST", "/v1/services/web,db/restart", () => [
    result({ what: "restarted" }),
    result({ name: "db", what: "restarted" }),
  ]);
  const { stdout, exitCode } = await svctl(daemon, "restart web db --no-wait");
  assert.deepEqual(
    { stdout, exitCode },
    { stdout: "web: restarted (not waited for)\ndb: restarted (not waited for)\n", exitCode: 0 },
  );
  assert.ok(!daemon.heard.includes("GET /v1/events"));
});

test("what fails is explained: cause, last lines, what to do", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "STOPPED", pid: null })];
  const failed = service({ state: "BACKOFF", run: 2, pid: null, why: "exit 1", next: "again in 200ms" });
  daemon.on("POST", "/v1/services/web/start", () => {
    setTimeout(() => daemon.becomes(failed), 10);
    return [result()];
  });
  daemon.on("GET", "/v1/services/web/why", () =>
    why(failed, {
      lastEnd: {
        run: 2,
        how: "exit 1",
        at: "2026-11-22T12:01:00Z",
        upMs: 3000,
        evidence: ["port 8000 is held by pid 7"],
      },
      lastLines: ["Traceback", "OSError\x1b[2J"],
      advice: ["stop pid 7"],
    }),
  );
  const { stdout, stderr, exitCode } = await svctl(daemon, "start web");
  assert.equal(exitCode, 1);
  assert.equal(stdout, "web: ERROR (exit 1; again in 200ms)\n");
  assert.equal(
    stderr,
    [
      "web is BACKOFF: exit 1",
      "  ended: exit 1, after 3s",
      "         port 8000 is held by pid 7",
      "  last lines of output:",
      "  | Traceback",
      "  | OSError\\x1b[2J",
      "  next:  again in 200ms",
      "  do:    stop pid 7",
      "  more:  svctl why web",
      "",
    ].join("\n"),
  );
});

test("what was so already is told in svcd's phrase, and is no failure", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  daemon.on("POST", "/v1/services/web/start", () => [result({ outcome: "already", what: "already started" })]);
  assert.deepEqual(await svctl(daemon, "start web"), { exitCode: 0, stdout: "web: already started\n", stderr: "" });
});

test("a skipped service is a failure only for who asked for it by name", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "SKIPPED", why: "MODEL_NAME is not set", pid: null })];
  for (const words of ["web", "all"]) daemon.on("POST", `/v1/services/${words}/start`, () => [result()]);
  assert.equal((await svctl(daemon, "start all")).exitCode, 0);
  const named = await svctl(daemon, "start web");
  assert.deepEqual([named.exitCode, named.stdout], [1, "web: skipped (MODEL_NAME is not set)\n"]);
});

test("waiting for a dependency that will never come ends with its name", async () => {
  await using daemon = await new FakeDaemon().open();
  const web = service({ state: "WAITING", pid: null, why: "waits for db" });
  daemon.services = [web, service({ name: "db", state: "FATAL", why: "gave up", pid: null })];
  daemon.on("POST", "/v1/services/web/start", () => [result()]);
  daemon.on("GET", "/v1/services/web", () => ({
    status: web,
    dependsOn: [{ name: "db", condition: "ready", met: false }],
  }));
  const { stdout, exitCode } = await svctl(daemon, "start web");
  assert.deepEqual([exitCode, stdout], [1, "web: ERROR (it waits for db, which is FATAL: gave up)\n"]);
});

test("what it waits for may itself wait in vain", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [
    service({ state: "WAITING", pid: null }),
    service({ name: "api", state: "WAITING", pid: null }),
    service({ name: "db", state: "STOPPED", wanted: "down", why: "stopped by a person", pid: null }),
  ];
  daemon.on("POST", "/v1/services/web/start", () => [result()]);
  daemon.on("GET", "/v1/services/web", () => ({ dependsOn: [{ name: "api", condition: "ready", met: false }] }));
  daemon.on("GET", "/v1/services/api", () => ({ dependsOn: [{ name: "db", condition: "ready", met: false }] }));
  const { stdout } = await svctl(daemon, "start web");
  assert.equal(stdout, "web: ERROR (it waits for api: it waits for db, which is STOPPED: stopped by a person)\n");
});

test("stop waits until nothing runs any more", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  daemon.on("POST", "/v1/services/web/stop", () => {
    daemon.becomes({ name: "web", state: "STOPPING", wanted: "down" });
    setTimeout(() => daemon.becomes({ name: "web", state: "STOPPED", wanted: "down", pid: null }), 30);
    return [result({ what: "stopped" })];
  });
  assert.deepEqual(await svctl(daemon, "stop web"), { exitCode: 0, stdout: "web: stopped\n", stderr: "" });
});

test("a core that is replaced meanwhile is waited for", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "STOPPED", pid: null })];
  daemon.on("POST", "/v1/services/web/start", () => {
    daemon.becomes({ name: "web", state: "STARTING", run: 2 });
    setTimeout(async () => {
      await daemon.dies();
      daemon.becomes({ name: "web", state: "RUNNING", run: 2 });
      setTimeout(() => daemon.returns(), 300);
    }, 50);
    return [result()];
  });
  assert.deepEqual(await svctl(daemon, "start web"), { exitCode: 0, stdout: "web: started\n", stderr: "" });
});

test("Ctrl-C ends the waiting, not the start, and says so", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "STARTING", run: 2 })];
  daemon.on("POST", "/v1/services/web/start", () => [result()]);
  const call = running(daemon, "start web");
  const pressing = setInterval(() => call.interrupt(), 20);
  const { exitCode, stderr } = await call.done;
  clearInterval(pressing);
  assert.deepEqual([exitCode, stderr], [130, "svctl: no longer waiting; svcd goes on with web\n"]);
});

test("--timeout ends the waiting with a failure", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "STARTING", run: 2 })];
  daemon.on("POST", "/v1/services/web/start", () => [result()]);
  const { exitCode, stdout } = await svctl(daemon, "start web --timeout 1s");
  assert.deepEqual([exitCode, stdout], [1, "web: ERROR (not there after 1s; svcd goes on with it)\n"]);
  assert.equal((await svctl(daemon, "start web --timeout soon")).exitCode, 2);
});

test("the live line appears on a terminal only, and is gone at the end", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "STARTING", run: 2, phase: "health check: connection refused" })];
  daemon.on("POST", "/v1/services/web/start", () => {
    setTimeout(() => daemon.becomes({ name: "web", state: "RUNNING", run: 2 }), 800);
    return [result()];
  });
  const { stderr } = await svctl(daemon, "start web", { terminal: 80, env: { NO_COLOR: "1" } });
  assert.match(stderr, /⠋ web: STARTING health check: connection refused \(0s\)/);
  assert.ok(stderr.endsWith("\r\x1b[K"));
});

test("several services are told as they come, and --json is one list", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "a", run: 2 }), service({ name: "b", run: 1, state: "STARTING" })];
  daemon.on("POST", "/v1/services/all/restart", () => {
    setTimeout(() => daemon.becomes({ name: "b", run: 2, state: "RUNNING" }), 30);
    return [result({ name: "b", what: "restarted" }), result({ name: "a", what: "restarted" })];
  });
  assert.equal((await svctl(daemon, "restart all")).stdout, "a: restarted\nb: restarted\n");
  const { stdout } = await svctl(daemon, "restart all --json");
  assert.deepEqual(
    JSON.parse(stdout)
      .map(({ name, outcome }: { name: string; outcome: string }) => [name, outcome])
      .sort(),
    [
      ["a", "done"],
      ["b", "done"],
    ],
  );
});

test("reload waits for a service that must restart, and not for one that got its signal", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "gentle" }), service({ name: "web", state: "STOPPING" })];
  daemon.on("POST", "/v1/services/gentle,web/reload", () => {
    setTimeout(() => daemon.becomes({ name: "web", state: "RUNNING", run: 2 }), 30);
    return [result({ name: "gentle", what: "sent SIGHUP" }), result({ what: "restarted" })];
  });
  assert.equal((await svctl(daemon, "reload gentle web")).stdout, "gentle: sent SIGHUP\nweb: restarted\n");
});

test("reload without names explains the words that people may have meant", async () => {
  await using daemon = await new FakeDaemon().open();
  const { exitCode, stderr } = await svctl(daemon, "reload");
  assert.equal(exitCode, 2);
  assert.match(stderr, /svctl reread; .*svctl update; .*svctl upgrade/);
});

test("signal, enable, disable, clear and remove say what svcd answered; refused is 1", async () => {
  await using daemon = await new FakeDaemon().open();
  for (const deed of ["signal", "enable", "disable", "clear", "remove"]) {
    daemon.on("POST", `/v1/services/web/${deed}`, () => [result({ what: "done it" })]);
    daemon.on("POST", `/v1/services/bad/${deed}`, () => [
      result({ name: "bad", outcome: "refused", what: "not running" }),
    ]);
    const words = deed === "signal" ? "signal HUP" : deed;
    assert.deepEqual(await svctl(daemon, `${words} web`), { exitCode: 0, stdout: "web: done it\n", stderr: "" });
    assert.deepEqual(await svctl(daemon, `${words} bad`), {
      exitCode: 1,
      stdout: "bad: ERROR (not running)\n",
      stderr: "",
    });
  }
  assert.ok(daemon.heard.includes('POST /v1/services/web/signal {"signal":"HUP"}'));
});
