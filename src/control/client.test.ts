import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { control, type HeardEvent, logPath, Refused, request, stream, Unreachable } from "./client.ts";
import { EventParser, type Fields } from "./client-events.ts";
import { FakeDaemon, serve, temporaryDirectory } from "./fake-daemon.ts";
import { FakeLog } from "./fake-log.ts";
import { createControlServer } from "./server.ts";

/** Something that listens and answers in its own way. */
function listener(context: TestContext, onConnection: (socket: Socket) => void): Promise<string> {
  const path = join(temporaryDirectory(context), "svcd.sock");
  const server = createServer(onConnection);
  context.after(() => server.close());
  return new Promise((resolve) => server.listen(path, () => resolve(path)));
}

async function unreachable(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
  } catch (error) {
    assert.ok(error instanceof Unreachable, String(error));
    return error.reason;
  }
  return "reached";
}

test("everything svcd can be asked is a call", async (context) => {
  const daemon = new FakeDaemon("db", "web");
  const { socketPath } = await serve(context, daemon);
  const svcd = control(socketPath);
  assert.deepEqual(await svcd.health(), daemon.health());
  assert.deepEqual(await svcd.services(), daemon.list);
  assert.deepEqual(await svcd.overview(["web"]), {
    services: [daemon.list[1]],
    mistakes: 4,
    troubles: 0,
    countdowns: 0,
  });
  assert.deepEqual(await svcd.services(["w*"]), [daemon.list[1]]);
  assert.deepEqual(await svcd.service("web"), daemon.service("web"));
  assert.deepEqual(await svcd.why("web"), await daemon.why("web"));
  assert.deepEqual(await svcd.plan(), await daemon.plan());
  assert.deepEqual(await svcd.planWith("web.yaml", "command: x"), await daemon.planWith("web.yaml"));
  assert.deepEqual(await svcd.runStarts("web"), daemon.runStarts("web"));
  assert.deepEqual(await svcd.usage(), daemon.usage());
  assert.deepEqual(await svcd.machine(), daemon.machine());
  assert.match(await svcd.metrics(), /^# HELP svcd_up /);
  await svcd.act("restart", ["db", "w*"]);
  await svcd.signal(["db"], "HUP");
  await svcd.setEnabled(["db"], false);
  await svcd.setEnabled(["db"], true);
  await svcd.clearLogs(["all"]);
  await svcd.remove(["db"]);
  await svcd.apply(null);
  await svcd.apply(["new"]);
  await svcd.shutdown();
  await svcd.restartCore();
  const expected = ["restart db web", "SIGHUP db", "disable db", "enable db", "clear db web", "remove db"];
  assert.deepEqual(daemon.asked, [...expected, "apply", "apply new", "shutdown", "restartCore"]);
});

test("names are escaped on their way", async (context) => {
  const daemon = new FakeDaemon("a b", "ü@1", "x?y#z%/");
  const { socketPath } = await serve(context, daemon);
  for (const { name } of daemon.list) assert.equal((await control(socketPath).service(name)).status.name, name);
  assert.equal(
    logPath("a b", { lines: 3, follow: true, stream: "stderr" }),
    "/v1/services/a%20b/logs?lines=3&follow=1&stream=stderr",
  );
});

test("a refusal carries svcd's words", async (context) => {
  const { socketPath } = await serve(context, new FakeDaemon("web"));
  await assert.rejects(control(socketPath).act("stop", ["wbe"]), (error) => {
    assert.ok(error instanceof Refused);
    assert.equal(error.status, 404);
    assert.equal(error.code, "unknown_service");
    assert.equal(error.what, "no service is called “wbe”");
    return true;
  });
  assert.equal((await request(socketPath, "GET", "/nowhere")).status, 404);
});

test("it is told apart why svcd cannot be reached", async (context) => {
  const directory = temporaryDirectory(context);
  const ask = (path: string): Promise<string> =>
    unreachable(request(path, "GET", "/v1/health", undefined, { timeoutMs: 50 }));

  assert.equal(await ask(join(directory, "none.sock")), "nobody listens");
  writeFileSync(join(directory, "file"), "");
  assert.equal(await ask(join(directory, "file")), "nobody listens");
  assert.equal(await ask(await listener(context, () => {})), "no answer in time");
  assert.equal(await ask(await listener(context, (socket) => socket.destroy())), "broken answer");
  assert.equal(await ask(await listener(context, (socket) => socket.end("220 mail ready\r\n\r\n"))), "broken answer");
  const short = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}";
  assert.equal(await ask(await listener(context, (socket) => socket.end(short))), "broken answer");
  assert.equal(await ask(await listener(context, (socket) => socket.write("x".repeat(50_000)))), "broken answer");
});

test("no permission is told apart", { skip: process.getuid!() !== 0 && "needs root" }, async (context) => {
  const { socketPath } = await serve(context, new FakeDaemon());
  chmodSync(join(socketPath, ".."), 0o755);
  const script = `
    const { request } = await import(${JSON.stringify(join(import.meta.dirname, "client.ts"))});
    process.setgid(65534); process.setuid(65534);
    await request(${JSON.stringify(socketPath)}, "GET", "/v1/health").catch((error) => console.log(error.reason));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  assert.equal(stdout, "no permission\n");
});

test("with patience, a core that is being started anew is waited for", async (context) => {
  const path = join(temporaryDirectory(context), "svcd.sock");
  const daemon = new FakeDaemon("web");
  const answer = control(path, { patienceMs: 5_000 }).health();
  await pause(80);
  const server = createControlServer(daemon, { openapi: null, onBug: () => {} });
  await server.listen(path, { group: null });
  context.after(() => server.close());
  assert.deepEqual(await answer, daemon.health());
});

test("an answer that arrives byte by byte is put together", async (context) => {
  const text = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"a": "ü"}'.replace(
    "10\r",
    "11\r",
  );
  const path = await listener(context, async (socket) => {
    for (const byte of Buffer.from(text)) {
      socket.write(Buffer.of(byte));
      await pause(0);
    }
    socket.end();
  });
  const { status, body } = await request(path, "GET", "/");
  assert.deepEqual({ status, body }, { status: 200, body: { a: "ü" } });
});

test("a log comes as raw bytes, with its position, and can be paused", async (context) => {
  const daemon = new FakeDaemon("web");
  const log = new FakeLog(join(temporaryDirectory(context), "web.log"));
  daemon.logs.set("web", log);
  const { socketPath } = await serve(context, daemon);
  for (let count = 0; count < 2_000; count++) log.write(`${count} ${"x".repeat(2_000)}\n`);
  let bytes = 0;
  let position = "";
  let isPaused = false;
  await new Promise<void>((resolve, reject) => {
    const exchange = control(socketPath).log(
      "web",
      { lines: 1_900 },
      {
        onHead: ({ headers }) => {
          position = headers.get("x-log-position")!;
        },
        onData: (chunk) => {
          assert.equal(isPaused, false);
          bytes += chunk.length;
          isPaused = true;
          exchange.pause();
          setImmediate(() => {
            isPaused = false;
            exchange.resume();
          });
        },
        onEnd: (error) => (error === null ? resolve() : reject(error)),
      },
    );
  });
  assert.equal(bytes + Number(position), log.all().length);
});

test("a refused stream says why", async (context) => {
  const { socketPath } = await serve(context, new FakeDaemon("web"));
  const error = await new Promise((resolve) => {
    stream(socketPath, logPath("wbe"), { onData: () => assert.fail("no data"), onEnd: resolve });
  });
  assert.ok(error instanceof Refused);
  assert.equal(error.code, "unknown_service");
});

// Events

function hear(context: TestContext, socketPath: string, since: string | null = null) {
  const heard: HeardEvent[] = [];
  const connections: boolean[] = [];
  const onConnection = (isThere: boolean): number => connections.push(isThere);
  const listening = control(socketPath).events({ since, onConnection }, (event) => heard.push(event));
  context.after(() => listening.stop());
  const words = (): string[] => heard.map(({ event }) => ("text" in event ? event.text : event.type));
  const until = async (condition: () => boolean): Promise<void> => {
    for (const end = Date.now() + 5_000; !condition(); await pause(2)) assert.ok(Date.now() < end, words().join());
  };
  return { heard, connections, words, until, listening };
}

test("events are resumed by id over restarts of the core: none is missed, none comes twice", async (context) => {
  const daemon = new FakeDaemon();
  const { socketPath, server } = await serve(context, daemon);
  const { words, connections, until } = hear(context, socketPath);
  await until(() => connections.length === 1);
  daemon.say("1");
  await until(() => words().length === 1);
  await server.close();
  daemon.say("2");
  daemon.say("3");
  await pause(120);
  const next = createControlServer(daemon, { openapi: null, onBug: () => {} });
  await next.listen(socketPath, { group: null });
  context.after(() => next.close());
  await until(() => words().length === 3);
  daemon.say("4");
  await until(() => words().length === 4);
  assert.deepEqual(words(), ["1", "2", "3", "4"]);
  assert.deepEqual(connections, [true, false, true]);
});

test("after a restart that forgot the events, the listener hears `reset` and goes on", async (context) => {
  const daemon = new FakeDaemon();
  const { socketPath, server } = await serve(context, daemon);
  const { words, connections, until } = hear(context, socketPath);
  await until(() => connections.length === 1);
  await server.close();
  const successor = new FakeDaemon();
  successor.epoch = "e2";
  const next = createControlServer(successor, { openapi: null, onBug: () => {} });
  await next.listen(socketPath, { group: null });
  context.after(() => next.close());
  await until(() => words().length === 1);
  successor.say("new");
  await until(() => words().length === 2);
  assert.deepEqual(words(), ["reset", "new"]);
});

test("a stopped listener hears nothing, and keeps nothing open", async (context) => {
  const daemon = new FakeDaemon();
  const { socketPath } = await serve(context, daemon);
  const { words, connections, until, listening } = hear(context, socketPath);
  await until(() => connections.length === 1);
  listening.stop();
  await until(() => daemon.listeners === 1); // The server itself, which counts runs.
  daemon.say("1");
  await pause(10);
  assert.deepEqual(words(), []);
});

test("patience for events can have an end", async (context) => {
  const socketPath = join(temporaryDirectory(context), "svcd.sock");
  const error = await new Promise<Error>((resolve) => {
    control(socketPath).events({ since: null, patienceMs: 120, onEnd: resolve }, () => {});
  });
  assert.ok(error instanceof Unreachable);
  assert.equal(error.reason, "nobody listens");
});

test("events are understood however their bytes are cut", () => {
  const text = ': hello\nid: e1-0\n\nid: e1-1\nevent: daemon\ndata: {"text":"ü"}\n\nevent: reset\ndata: {}\n\n';
  const bytes = Buffer.from(text);
  const whole: Fields[] = [];
  new EventParser((fields) => whole.push(fields)).read(bytes);
  assert.deepEqual(whole, [
    { id: "e1-0", type: null, data: null },
    { id: "e1-1", type: "daemon", data: '{"text":"ü"}' },
    { id: null, type: "reset", data: "{}" },
  ]);
  for (let size = 1; size < bytes.length; size++) {
    const parts: Fields[] = [];
    const parser = new EventParser((fields) => parts.push(fields));
    for (let from = 0; from < bytes.length; from += size) parser.read(bytes.subarray(from, from + size));
    assert.deepEqual(parts, whole);
  }
});

test("the client loads node:net and its own files, so that svctl starts quickly", () => {
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    if (!file.startsWith("./")) return;
    const text = readFileSync(join(import.meta.dirname, file), "utf8");
    for (const [, name] of text.matchAll(/^(?:import|export) (?!type )[^;"]*from "([^"]*)"/gm)) load(name!);
  };
  load("./client.ts");
  assert.deepEqual([...loaded].sort(), [
    "./client-events.ts",
    "./client-http.ts",
    "./client-jobs.ts",
    "./client-paths.ts",
    "./client-refused.ts",
    "./client.ts",
    "node:net",
  ]);
});
