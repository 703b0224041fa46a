import assert from "node:assert/strict";
import { test } from "node:test";
import { type Asked, FakeDaemon, running, service, svctl } from "./fake-daemon.ts";

function answersLog(daemon: FakeDaemon, name: string, text: string, position = 0) {
  daemon.on("GET", `/v1/services/${name}/logs`, ({ response }) => {
    response.writeHead(200, { "X-Log-Position": String(position) });
    response.end(text);
  });
}

test("one log comes byte for byte into a pipe", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  answersLog(daemon, "web", "one\n\x1b[2Jtwo\r\nthree");
  assert.deepEqual(await svctl(daemon, "logs web"), { exitCode: 0, stdout: "one\n\x1b[2Jtwo\r\nthree", stderr: "" });
  assert.ok(daemon.heard.includes("GET /v1/services/web/logs?lines=100&stream=stdout"));
});

test("on a terminal only text and colours are left, and the prompt gets a line of its own", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  answersLog(daemon, "web", "\x1b[31mred\x1b[0m\x1b[2J\nlast");
  assert.equal((await svctl(daemon, "logs web", { terminal: 80 })).stdout, "\x1b[31mred\x1b[0m\nlast\n");
});

test("several logs carry the names of their services, line by line", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "db" }), service({ name: "silent" }), service({ name: "worker" })];
  answersLog(daemon, "db", "one\ntwo\n");
  answersLog(daemon, "worker", "last without end");
  daemon.refuses("GET", "/v1/services/silent/logs", { code: "no_log", what: "silent has no stdout log", fix: "-" });
  const { stdout, exitCode } = await svctl(daemon, "logs -n 5");
  assert.equal(stdout, "db     | one\ndb     | two\nworker | last without end\n");
  assert.equal(exitCode, 0);
  assert.ok(daemon.heard.includes("GET /v1/services/db/logs?lines=5&stream=stdout"));
});

test("following never mixes two services in one line", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "a" }), service({ name: "b" })];
  const open = new Map<string, Asked["response"]>();
  for (const name of ["a", "b"]) {
    daemon.on("GET", `/v1/services/${name}/logs`, ({ response }) => {
      response.writeHead(200, { "X-Log-Position": "0" });
      response.flushHeaders();
      open.set(name, response);
    });
  }
  const call = running(daemon, "logs -f");
  await seen(() => open.size === 2);
  open.get("a")!.write("half of a");
  open.get("b")!.write("b is quick\n");
  await seen(() => call.stdout() === "b | b is quick\n");
  open.get("a")!.write(", whole\n");
  await seen(() => call.stdout() === "b | b is quick\na | half of a, whole\n");
  call.interrupt();
  assert.equal((await call.done).exitCode, 0);
});

test("following goes on at the very byte when the core is replaced", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  const asked: (string | null)[] = [];
  daemon.on("GET", "/v1/services/web/logs", ({ response, query }) => {
    const from = query.get("from");
    asked.push(from);
    response.writeHead(200, { "X-Log-Position": from ?? "1000" });
    response.write(from === null ? "first\nsec" : "ond\n");
  });
  const call = running(daemon, "logs -f web");
  await seen(() => call.stdout() === "first\nsec");
  await daemon.dies();
  await daemon.returns();
  await seen(() => call.stdout() === "first\nsecond\n");
  assert.deepEqual(asked, [null, "1009"]);
  call.interrupt();
  assert.equal((await call.done).exitCode, 0);
});

test("following ends when the service is removed", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  answersLog(daemon, "web", "last words\n");
  const call = running(daemon, "logs -f web");
  await seen(() => call.stdout() !== "");
  daemon.refuses("GET", "/v1/services/web/logs", { code: "unknown_service", what: "no service", fix: "-" });
  assert.equal((await call.done).exitCode, 0);
});

test("tail speaks supervisorctl's words", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  answersLog(daemon, "web", "tail");
  assert.equal((await svctl(daemon, "tail web")).stdout, "tail");
  await svctl(daemon, "tail -100 web stderr");
  assert.deepEqual(
    daemon.heard.filter((line) => line.includes("logs")),
    ["GET /v1/services/web/logs?bytes=1600&stream=stdout", "GET /v1/services/web/logs?bytes=100&stream=stderr"],
  );
  assert.match((await svctl(daemon, "tail web stdlog")).stderr, /`stdlog` is not a stream/);
});

test("a log that svcd does not have is a failure with svcd's reason", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  daemon.refuses("GET", "/v1/services/web/logs", {
    code: "no_log",
    what: "web has no stdout log",
    fix: "its file says `logs: none`",
  });
  const { stderr, exitCode } = await svctl(daemon, "logs web");
  assert.deepEqual([exitCode, stderr], [1, "svctl: web has no stdout log\n  fix:   its file says `logs: none`\n"]);
});

/** An event shows in what is written; the limit is only for a broken test. */
async function seen(isSo: () => boolean): Promise<void> {
  const until = performance.now() + 5000;
  while (!isSo()) {
    assert.ok(performance.now() < until, "it never came");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
