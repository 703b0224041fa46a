import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import * as v from "valibot";
import { OperatorError } from "../ports.ts";
import { FakeDaemon, type Served, serve, temporaryDirectory } from "./fake-daemon.ts";
import { FakeLog } from "./fake-log.ts";
import { ROUTES } from "./routes.ts";
import { LIMITS } from "./server.ts";
import * as wire from "./wire.ts";

/** These four words, and no more. */
const ErrorOnly = v.strictObject({
  error: v.strictObject({ code: v.string(), what: v.string(), where: v.string(), fix: v.string() }),
});

interface Heard {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test reads of an answer is what it asserts.
  readonly body: any;
}

/** The server listens to events itself: it counts runs. */
const SERVERS_OWN = 1;

/** By node:http, so that the hand-written client is not tested against itself. */
function say(
  { socketPath }: Served,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Heard> {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ socketPath, method, path, headers: { ...type, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const isJson = response.headers["content-type"] === "application/json";
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text,
          body: isJson && text !== "" ? JSON.parse(text) : null,
        });
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Raw bytes in, everything until the end out. */
async function sayRaw({ socketPath }: Served, text: string): Promise<string> {
  const socket = connect(socketPath);
  socket.write(text);
  let heard = "";
  for await (const chunk of socket) heard += String(chunk);
  return heard;
}

test("questions are answered with the daemon's words", async (context) => {
  const daemon = new FakeDaemon("db", "web");
  const served = await serve(context, daemon);
  assert.deepEqual((await say(served, "GET", "/v1/health")).body, daemon.health());
  assert.deepEqual((await say(served, "GET", "/v1/gpus")).body, daemon.gpuReport);
  assert.deepEqual((await say(served, "GET", "/v1/services")).body, daemon.list);
  assert.deepEqual((await say(served, "GET", "/v1/services?names=web")).body, [daemon.list[1]]);
  assert.deepEqual((await say(served, "GET", "/v1/services/web")).body, daemon.service("web"));
  assert.deepEqual((await say(served, "GET", "/v1/services/web/why")).body, await daemon.why("web"));
  assert.deepEqual((await say(served, "GET", "/v1/plan")).body, await daemon.plan());
  assert.match((await say(served, "GET", "/metrics")).text, /svcd_up 1/);
  assert.deepEqual(daemon.asked, [], "asking changes nothing");
});

test("a text is checked as if it stood in a file, and only files that are read can be named", async (context) => {
  const served = await serve(context, new FakeDaemon());
  const checked = await say(served, "POST", "/v1/plan/check", JSON.stringify({ file: "web.yaml", text: "command: x" }));
  assert.equal(checked.status, 200);
  const refused = await say(served, "POST", "/v1/plan/check", JSON.stringify({ file: "/etc/passwd", text: "x" }));
  assert.deepEqual([refused.status, (refused.body as { error: { code: string } }).error.code], [400, "no_plan_file"]);
  assert.equal((await say(served, "GET", "/v1/services/nobody/runs")).status, 404);
});

test("actions reach the daemon with the names that the words mean", async (context) => {
  const daemon = new FakeDaemon("db", "web-1", "web-2");
  const served = await serve(context, daemon);
  const done = await say(served, "POST", "/v1/services/web-*,db/restart");
  assert.equal(done.status, 200);
  assert.deepEqual(
    done.body.map((result: { name: string }) => result.name),
    ["web-1", "web-2", "db"],
  );
  for (const path of ["all/stop", "db/start", "db/reload", "db/enable", "db/disable", "db/clear", "db/remove"]) {
    assert.equal((await say(served, "POST", `/v1/services/${path}`, "{}")).status, 200, path);
  }
  await say(served, "POST", "/v1/plan/apply");
  await say(served, "POST", "/v1/plan/apply", '{"names": ["db", "new"]}');
  assert.equal((await say(served, "POST", "/v1/shutdown")).status, 202);
  assert.equal((await say(served, "POST", "/v1/upgrade")).status, 202);
  assert.deepEqual(daemon.asked, [
    "restart web-1 web-2 db",
    "stop db web-1 web-2",
    "start db",
    "reload db",
    "enable db",
    "disable db",
    "clear db",
    "remove db",
    "apply",
    "apply db new",
    "shutdown",
    "restartCore",
  ]);
});

for (const [given, sent] of [
  ['"HUP"', "SIGHUP"],
  ['"SIGHUP"', "SIGHUP"],
  ['"usr1"', "SIGUSR1"],
  ["15", "SIGTERM"],
  ['"9"', "SIGKILL"],
] as const) {
  test(`the signal ${given} is ${sent}`, async (context) => {
    const daemon = new FakeDaemon("web");
    const served = await serve(context, daemon);
    assert.equal((await say(served, "POST", "/v1/services/web/signal", `{"signal": ${given}}`)).status, 200);
    assert.deepEqual(daemon.asked, [`${sent} web`]);
  });
}

test("what is no signal is refused, and none is sent", async (context) => {
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon);
  for (const given of ['"HUPP"', "0", "-1", "15.5", "64", '""', "null", '["HUP"]', '"__proto__"', '"constructor"']) {
    const { status, body } = await say(served, "POST", "/v1/services/web/signal", `{"signal": ${given}}`);
    assert.equal(status, 400, given);
    assert.ok(body.error.fix !== "");
  }
  assert.deepEqual(daemon.asked, []);
});

test("an unknown word is named with a suggestion, and nothing is done to the known ones", async (context) => {
  const daemon = new FakeDaemon("web", "db");
  const served = await serve(context, daemon);
  const { status, body } = await say(served, "POST", "/v1/services/db,wbe/stop");
  assert.equal(status, 404);
  assert.deepEqual(body, {
    error: {
      code: "unknown_service",
      what: "no service is called “wbe”",
      where: "POST /v1/services/db,wbe/stop",
      fix: "did you mean “web”?; `svctl status` lists all services, `svctl jobs` all jobs",
    },
  });
  assert.equal((await say(served, "GET", "/v1/services/wbe")).body.error.code, "unknown_service");
  assert.equal((await say(served, "GET", "/v1/services/wbe/why")).body.error.code, "unknown_service");
  assert.equal((await say(served, "GET", "/v1/services/wbe/logs")).body.error.code, "unknown_service");
  assert.equal((await say(served, "GET", "/v1/services?names=x,y")).body.error.what, "no service is called “x”, “y”");
  assert.equal((await say(served, "POST", "/v1/services/,/stop")).body.error.code, "no_names");
  assert.deepEqual(daemon.asked, []);
});

test("no name reaches anything but a service", async (context) => {
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon);
  for (const name of [
    "__proto__",
    "constructor",
    "toString",
    "..",
    "%2e%2e",
    "a.b",
    "%00",
    "%0a",
    "ünï",
    "..%2f..%2fetc",
  ]) {
    for (const path of [`/v1/services/${name}`, `/v1/services/${name}/why`, `/v1/services/${name}/logs`]) {
      assert.equal((await say(served, "GET", encodeURI(decodeURI(path)))).status, 404, path);
    }
  }
  for (const verb of ["__proto__", "constructor", "explode", "start.", "Start", "start%2f", "act", "setEnabled"]) {
    assert.equal((await say(served, "POST", `/v1/services/web/${verb}`)).status, 404, verb);
  }
  for (const path of [
    "/",
    "/v1",
    "/v1/",
    "/v2/services",
    "/v1/services/web/start/now",
    "//v1/services",
    "/v1/../v1/health",
  ]) {
    assert.equal((await say(served, "GET", path)).status, 404, path);
  }
  assert.equal((await say(served, "GET", "/v1/services/%zz")).status, 400);
  assert.deepEqual(daemon.asked, []);
});

test("a wrong path says what would have been right", async (context) => {
  const served = await serve(context, new FakeDaemon("web"));
  const verb = await say(served, "POST", "/v1/services/web/restrat");
  assert.equal(verb.body.error.fix, "did you mean `restart`?");
  const path = await say(served, "GET", "/v1/servics");
  assert.match(path.body.error.fix, /did you mean \/v1\/services\?/);
});

test("GET never acts: every action is 405 for it, and every question is 405 for POST", async (context) => {
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon);
  for (const { method, path } of ROUTES) {
    const concrete = path.replace("{name}", "web");
    for (const other of ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"]) {
      if (other === method) continue;
      const { status, headers } = await say(served, other, concrete);
      assert.equal(status, 405, `${other} ${concrete}`);
      assert.equal(headers["allow"], method);
    }
  }
  assert.deepEqual(daemon.asked, []);
});

test("a page in a browser reaches nothing", async (context) => {
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon);
  for (const origin of ["http://localhost", "null", "https://evil.example"]) {
    const { status, headers } = await say(served, "POST", "/v1/services/web/stop", undefined, { Origin: origin });
    assert.equal(status, 403);
    assert.equal(headers["access-control-allow-origin"], undefined);
  }
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "application/jsonx",
    "",
  ]) {
    const { status } = await say(served, "POST", "/v1/services/web/stop", "{}", { "Content-Type": type });
    assert.equal(status, 415, type);
  }
  assert.deepEqual(daemon.asked, []);
});

test("bodies that cannot be meant are refused in words", async (context) => {
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon);
  const refused = async (status: number, path: string, body: string): Promise<string> => {
    const heard = await say(served, "POST", path, body);
    assert.equal(heard.status, status, body.slice(0, 50));
    return heard.body.error.what;
  };
  assert.match(await refused(400, "/v1/plan/apply", "{names:"), /^the body is not JSON: /);
  assert.match(await refused(400, "/v1/plan/apply", "[]"), /^the body is a list, not an object$/);
  assert.equal(await refused(400, "/v1/plan/apply", '{"nams": []}'), "unknown field `nams`");
  assert.equal(await refused(400, "/v1/services/web/stop", '{"force": true}'), "unknown field `force`");
  assert.equal(await refused(400, "/v1/services/web/signal", ""), "the field `signal` is missing");
  assert.match(
    await refused(413, "/v1/plan/apply", JSON.stringify({ names: ["x".repeat(70_000)] })),
    /more than 65536 bytes/,
  );
  assert.equal(
    (await say(served, "GET", "/v1/health", "{}", { "Content-Length": "2" })).body.error.code,
    "body_not_wanted",
  );
  assert.deepEqual(daemon.asked, []);
});

test("a body without a length is bounded, too", async (context) => {
  const served = await serve(context, new FakeDaemon("web"));
  const chunk = `${(20_000).toString(16)}\r\n${"x".repeat(20_000)}\r\n`;
  const head =
    "POST /v1/plan/apply HTTP/1.1\r\nHost: svcd\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  assert.match(await sayRaw(served, head + chunk.repeat(4)), /^HTTP\/1.1 413 /);
});

test("unknown parameters are mistakes, not silence", async (context) => {
  const served = await serve(context, new FakeDaemon("web"));
  const unknown = await say(served, "GET", "/v1/services/web/logs?folow=1");
  assert.deepEqual(
    [unknown.status, unknown.body.error.what, unknown.body.error.fix],
    [400, "unknown parameter `folow`", "did you mean `follow`?"],
  );
  assert.equal((await say(served, "GET", "/v1/services?names=web&names=db")).body.error.what, "`names` is given twice");
  assert.equal((await say(served, "GET", "/v1/services/web/logs?lines=1&bytes=1")).status, 400);
});

test("what the operator can put right is 409 with the daemon's words; a bug is 500 with a reference", async (context) => {
  const daemon = new FakeDaemon("web");
  daemon.setEnabled = () => {
    throw new OperatorError("the disk is full", "/var/lib/svcd", "free some space");
  };
  daemon.why = () => Promise.reject(new TypeError("secret detail"));
  daemon.services = () => {
    throw new Error("another");
  };
  const served = await serve(context, daemon);
  const full = await say(served, "POST", "/v1/services/web/enable");
  assert.equal(full.status, 409);
  assert.deepEqual(full.body.error, {
    code: "cannot_be_done",
    what: "the disk is full",
    where: "/var/lib/svcd",
    fix: "free some space",
  });
  const bug = await say(served, "GET", "/v1/services/web/why");
  assert.equal(bug.status, 500);
  const reference = /reference ([0-9a-f]{8})/.exec(bug.body.error.what)![1]!;
  assert.deepEqual(served.bugs, [`${reference} GET /v1/services/web/why secret detail`]);
  assert.ok(!bug.text.includes("secret"));
  assert.equal((await say(served, "GET", "/v1/services")).status, 500);
  assert.equal((await say(served, "GET", "/metrics")).status, 500);
  assert.equal((await say(served, "GET", "/v1/health")).status, 200, "and svcd goes on");
});

test("an answer that never comes is given up", async (context) => {
  const daemon = new FakeDaemon("web");
  daemon.plan = () => new Promise(() => {});
  const served = await serve(context, daemon, { limits: { answerMs: 30 } });
  const { status, body } = await say(served, "GET", "/v1/plan");
  assert.equal(status, 504);
  assert.equal(body.error.what, "svcd had no answer within 0.03 s");
});

test("the core ends for an upgrade only after it has answered", async (context) => {
  const daemon = new FakeDaemon();
  const served = await serve(context, daemon);
  daemon.restartCore = () => void served.server.close();
  assert.equal((await say(served, "POST", "/v1/upgrade")).status, 202);
});

test("every error has the same form", async (context) => {
  const served = await serve(context, new FakeDaemon("web"));
  for (const [method, path] of [
    ["GET", "/x"],
    ["DELETE", "/v1/services"],
    ["GET", "/v1/services/x"],
    ["GET", "/v1/health?x=1"],
    ["GET", "/openapi.json"],
  ] as const) {
    const { body } = await say(served, method, path);
    v.parse(ErrorOnly, body);
    v.parse(wire.Failure, body);
  }
  const nonsense = await sayRaw(served, "hello?\r\n\r\n");
  assert.match(nonsense, /^HTTP\/1.1 400 Bad Request\r\n/);
  v.parse(ErrorOnly, JSON.parse(nonsense.split("\r\n\r\n")[1]!));
});

test("OpenAPI is served as it was given", async (context) => {
  const served = await serve(context, new FakeDaemon(), { openapi: '{"openapi":"3.1.0"}' });
  const { headers, body } = await say(served, "GET", "/openapi.json");
  assert.equal(headers["content-type"], "application/json");
  assert.deepEqual(body, { openapi: "3.1.0" });
});

// Streams

function webWithLog(context: TestContext): { daemon: FakeDaemon; log: FakeLog } {
  const daemon = new FakeDaemon("web");
  const log = new FakeLog(join(temporaryDirectory(context), "web.log"));
  daemon.logs.set("web", log);
  return { daemon, log };
}

test("a log is plain text with its position, and ends", async (context) => {
  const { daemon, log } = webWithLog(context);
  log.write("one\ntwo\nthree\n");
  const served = await serve(context, daemon);
  const { status, headers, text } = await say(served, "GET", "/v1/services/web/logs?lines=2");
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(headers["x-log-position"], "4");
  assert.equal(text, "two\nthree\n");
  assert.equal((await say(served, "GET", "/v1/services/web/logs?bytes=4")).text, "ree\n");
  assert.equal((await say(served, "GET", "/v1/services/web/logs?from=8")).text, "three\n");
  const stderr = await say(served, "GET", "/v1/services/web/logs?stream=stderr");
  assert.equal(stderr.status, 404);
  assert.match(stderr.body.error.fix, /stderr: separate/);
});

test("answers in HTTP/1.0 are not chunked: streams are what comes until the end", async (context) => {
  const { daemon, log } = webWithLog(context);
  log.write("one\n");
  const served = await serve(context, daemon);
  const heard = await sayRaw(served, "GET /v1/services/web/logs HTTP/1.0\r\n\r\n");
  const [head, body] = heard.split("\r\n\r\n");
  assert.ok(!/transfer-encoding/i.test(head!));
  assert.equal(body, "one\n");
  const json = await sayRaw(served, "GET /v1/health HTTP/1.0\r\n\r\n");
  assert.deepEqual(JSON.parse(json.split("\r\n\r\n")[1]!), daemon.health());
});

test("a followed log and the events end when the server closes, and the socket is gone", async (context) => {
  const { daemon, log } = webWithLog(context);
  log.write("one\n");
  const served = await serve(context, daemon);
  const following = say(served, "GET", "/v1/services/web/logs?follow=1");
  const listening = say(served, "GET", "/v1/events");
  while (log.followers === 0 || daemon.listeners <= SERVERS_OWN) await pause(2);
  await pause(20);
  daemon.say("hello");
  await pause(20);
  await served.server.close();
  assert.equal((await following).text, "one\n");
  const events = await listening;
  assert.equal(events.headers["content-type"], "text/event-stream; charset=utf-8");
  assert.match(events.text, /^: events of svcd\nid: e1-0\n\nid: e1-1\nevent: daemon\ndata: \{.*"hello"\}\n\n$/);
  await assert.rejects(say(served, "GET", "/v1/health"), { code: "ENOENT" });
});

test("Last-Event-ID and `since` resume, the header first", async (context) => {
  const daemon = new FakeDaemon();
  for (const text of ["1", "2", "3"]) daemon.say(text);
  const served = await serve(context, daemon);
  const ask = async (path: string, headers: Record<string, string>): Promise<string> => {
    const heard = say(served, "GET", path, undefined, headers);
    await pause(30);
    return heard.then(({ text }) => text.replaceAll("\n", " "));
  };
  const byQuery = ask("/v1/events?since=e1-1", {});
  const byHeader = ask("/v1/events?since=e1-0", { "Last-Event-ID": "e1-2" });
  await pause(60);
  await served.server.close();
  assert.match(await byQuery, /id: e1-1 .*id: e1-2 .*id: e1-3 /);
  assert.doesNotMatch(await byHeader, /id: e1-1 /);
  assert.match(await byHeader, /id: e1-3 /);
});

test("clients that leave take nothing down and leave nothing behind", async (context) => {
  const { daemon, log } = webWithLog(context);
  for (let count = 0; count < 50; count++) log.write(`${"x".repeat(100_000)}\n`);
  const served = await serve(context, daemon);
  for (const path of ["/v1/services/web/logs?follow=1&lines=1000", "/v1/events", "/v1/services", "/metrics"]) {
    for (const waitMs of [0, 1, 5]) {
      const socket = connect(served.socketPath);
      socket.on("error", () => {});
      socket.write(`GET ${path} HTTP/1.1\r\nHost: svcd\r\n\r\n`);
      await pause(waitMs);
      socket.destroy();
    }
  }
  while (log.followers > 0 || daemon.listeners > SERVERS_OWN) await pause(5);
  assert.deepEqual(served.bugs, []);
  assert.equal((await say(served, "GET", "/v1/health")).status, 200);
});

test("a client that does not read its log is disconnected, and is told", async (context) => {
  const { daemon, log } = webWithLog(context);
  for (let count = 0; count < 50; count++) log.write(`${"x".repeat(100_000)}\n`);
  const served = await serve(context, daemon, { limits: { log: { ...LIMITS.log, unreadMs: 50, noticeMs: 500 } } });
  const socket = connect(served.socketPath);
  socket.write("GET /v1/services/web/logs?follow=1&lines=1000 HTTP/1.0\r\n\r\n");
  while (log.followers === 0) await pause(2);
  while (log.followers > 0) await pause(5);
  let heard = "";
  for await (const chunk of socket) heard += String(chunk);
  assert.ok(heard.length < 1_000_000);
  assert.match(heard, /\nsvcd: disconnected: nothing was read for 0.05 s\n$/);
});

test("so many may follow, and a plain question still finds an answer", async (context) => {
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon, { limits: { streams: 3, connections: 6 } });
  const sockets: Socket[] = [];
  context.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let count = 0; count < 3; count++) {
    const socket = connect(served.socketPath);
    sockets.push(socket);
    socket.write("GET /v1/events HTTP/1.1\r\nHost: svcd\r\n\r\n");
    await once(socket, "data");
  }
  const { status, body } = await say(served, "GET", "/v1/events");
  assert.equal(status, 503);
  assert.equal(body.error.what, "3 clients follow events or logs already");
  assert.equal((await say(served, "GET", "/v1/health")).status, 200);
});

test("clients that say nothing, or say it slowly, are sent away; others do not notice", async (context) => {
  const limits = { headersMs: 60, requestMs: 60 };
  const served = await serve(context, new FakeDaemon("web"), { limits });
  const silent = sayRaw(served, "");
  const slow = sayRaw(served, "GET /v1/health HTTP/1.1\r\nHost:");
  const half = sayRaw(
    served,
    "POST /v1/plan/apply HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
  );
  assert.equal((await say(served, "GET", "/v1/health")).status, 200);
  assert.match(await slow, /^HTTP\/1.1 408 /);
  assert.match(await half, /^HTTP\/1.1 408 /);
  assert.match(await silent, /^$|^HTTP\/1.1 408 /);
});

test("a client that follows is not sent away for being silent", async (context) => {
  const limits = { headersMs: 40, requestMs: 40 };
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon, { limits });
  const socket = connect(served.socketPath);
  let heard = "";
  socket.on("data", (bytes) => (heard += String(bytes)));
  socket.write("GET /v1/events HTTP/1.1\r\nHost: svcd\r\n\r\n");
  await sayRaw(served, ""); // Sent away; the follower, who came before it, would have been too.
  await sayRaw(served, "GET /v1/health HTTP/1.1\r\nHost:");
  daemon.say("still here");
  while (!heard.includes("still here")) await once(socket, "data");
  socket.destroy();
});

test("a head that never ends is refused", async (context) => {
  const served = await serve(context, new FakeDaemon());
  const heard = await sayRaw(served, `GET /${"x".repeat(70_000)} HTTP/1.1\r\nHost: svcd\r\n\r\n`);
  assert.match(heard, /^HTTP\/1.1 431 /);
  assert.match(heard, /"code":"too_large"/);
});

test("what clients send does not come back as terminal escapes", async (context) => {
  const served = await serve(context, new FakeDaemon("web"));
  for (const path of ["/v1/services/%1b%5d0;x%07", "/v1/services/web/%1b%5b2J", "/v1/services?%1b=1", "/%1b%9b"]) {
    const { text } = await say(served, path.endsWith("2J") ? "POST" : "GET", path);
    assert.ok(!/[\u001b\u009b\u0007]|\\u001b|\\u0007/.test(text), text);
  }
});

test("a thousand services are answered in some milliseconds", async (context) => {
  const daemon = new FakeDaemon(...Array.from({ length: 1_000 }, (_, number) => `service-${number}`));
  const served = await serve(context, daemon);
  for (let count = 0; count < 5; count++) await say(served, "GET", "/v1/services");
  const before = performance.now();
  for (let count = 0; count < 10; count++) await say(served, "GET", "/v1/services");
  const eachMs = (performance.now() - before) / 10;
  context.diagnostic(`${eachMs.toFixed(1)} ms each`);
  assert.ok(eachMs < 100, `${eachMs} ms`); // Generous: other tests run beside this one.
});

test("curl speaks to it", async (context) => {
  const daemon = new FakeDaemon("web");
  const served = await serve(context, daemon);
  const curl = (...args: string[]) => promisify(execFile)("curl", ["-s", "--unix-socket", served.socketPath, ...args]);
  assert.deepEqual(JSON.parse((await curl("http://svcd/v1/health")).stdout), daemon.health());
  await curl("-X", "POST", "http://svcd/v1/services/web/restart");
  await curl("--json", '{"signal":"HUP"}', "http://svcd/v1/services/web/signal");
  assert.deepEqual(daemon.asked, ["restart web", "SIGHUP web"]);
});
