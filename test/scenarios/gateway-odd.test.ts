/**
 * Programs behind the gateway that answer in odd, old or hostile ways, and many clients at once.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { GatewayBox } from "./gateway-box.ts";

/** In place of the story's own server: bytes as they are, for each path. */
async function withBytes(t: TestContext, answers: Record<string, (socket: Socket) => void>): Promise<GatewayBox> {
  const gateway = await GatewayBox.open(t, { expose: "auth: none" });
  gateway.behind.closeAllConnections();
  await new Promise((done) => gateway.behind.close(done));
  const server = createServer((socket) => {
    let heard = "";
    socket.on("error", () => {});
    socket.setEncoding("latin1").on("data", (text: string) => {
      heard += text;
      if (!heard.includes("\r\n\r\n")) return;
      const path = heard.split(" ")[1] ?? "";
      heard = "";
      answers[path]?.(socket);
    });
  });
  await new Promise<void>((done) => server.listen(gateway.behindPort, "127.0.0.1", done));
  t.after(() => server.close());
  return gateway;
}

test("old and unusual answers come through as they are meant", async (t) => {
  const gateway = await withBytes(t, {
    "/until-close": (socket) => socket.end("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"),
    "/chunks": (socket) =>
      socket.write(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
      ),
    "/hints": (socket) =>
      socket.write(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\nok",
      ),
    "/nothing": (socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n"),
    "/same": (socket) => socket.write('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n'),
    "/cookies": (socket) =>
      socket.write("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\nContent-Length: 0\r\n\r\n"),
    "/latin": (socket) => socket.write("HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nContent-Length: 0\r\n\r\n", "latin1"),
  });
  const of = async (path: string) => {
    const { status, body, code } = await gateway.curl(path);
    return [status, body, code];
  };
  assert.deepEqual(await of("/until-close"), [200, "until the end", 0]);
  assert.deepEqual(await of("/chunks"), [200, "abcde", 0]);
  assert.deepEqual(await of("/hints"), [200, "ok", 0]);
  assert.deepEqual(await of("/nothing"), [204, "", 0]);
  assert.deepEqual(await of("/same"), [304, "", 0]);
  assert.deepEqual((await gateway.curl("/cookies")).cookies, ["a=1", "b=2; Path=/"]);
  assert.equal((await gateway.curl("/latin")).status, 200);
  const old = await gateway.raw("GET /chunks HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
  assert.match(old, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\nabcde$/);
  assert.ok(!/transfer-encoding/i.test(old));
});

test("hostile answers are cut off, and the next request is answered", async (t) => {
  const gateway = await withBytes(t, {
    "/split": (socket) =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstolen"),
    "/both": (socket) =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "/nonsense": (socket) => socket.write("\x00\x01\x02 nothing like HTTP\r\n\r\n"),
    "/head": (socket) => socket.write(`HTTP/1.1 200 OK\r\nX: ${"a".repeat(100_000)}\r\n\r\n`),
    "/hints": (socket) => {
      for (let i = 0; i < 5_000 && !socket.destroyed; i++)
        socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
      socket.end();
    },
    "/good": (socket) => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"),
  });
  for (const path of ["/split", "/both", "/nonsense", "/head", "/hints"]) {
    const { status, body } = await gateway.curl(path);
    assert.ok(status === 502 || (path === "/split" && body === "ok"), `${path}: ${status} ${body}`);
    const next = await Promise.all([1, 2, 3].map(() => gateway.curl("/good")));
    assert.deepEqual(
      next.map((one) => one.body),
      ["good", "good", "good"],
      path,
    );
  }
});

test("a connection that the program closes after each answer, or between two requests, costs no request", async (t) => {
  let count = 0;
  const gateway = await GatewayBox.open(t, {
    expose: "auth: none",
    answer: (_, response) => {
      if (count++ % 2 === 0) response.setHeader("Connection", "close");
      response.end("ok");
    },
  });
  gateway.behind.keepAliveTimeout = 50; // Shorter than the gateway would keep it.
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const ask = () =>
    new Promise<number | undefined>((done, failed) => {
      get(gateway.url("/"), { agent }, (answer) => {
        answer.resume().on("end", () => done(answer.statusCode));
      }).on("error", failed);
    });
  for (let i = 0; i < 30; i++) {
    assert.equal(await ask(), 200);
    if (i % 3 === 0) await new Promise((done) => setTimeout(done, 60));
  }
});

test("five hundred streams at once: each gets its own events, and memory stays in bounds", async (t) => {
  const open = new Set<import("node:http").ServerResponse>();
  const gateway = await GatewayBox.open(t, {
    expose: "auth: none",
    answer: (request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream", "X-Path": request.url }).flushHeaders();
      Object.assign(response, { path: request.url });
      open.add(response);
      response.on("close", () => open.delete(response));
    },
  });
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  const heard: string[] = [];
  let heads = 0;
  for (let i = 0; i < 500; i++) {
    get(gateway.url(`/${i}`), { agent }, (answer) => {
      heads++;
      heard[i] = "";
      answer.setEncoding("utf8").on("data", (text: string) => (heard[i] += text));
      answer.on("error", () => {});
    }).on("error", () => {});
  }
  t.after(() => agent.destroy());
  await gateway.box.becomes("all have begun", () => heads === 500);
  for (let round = 0; round < 5; round++)
    for (const response of open) response.write(`data: ${(response as { path?: string }).path}\n\n`);
  await gateway.box.becomes("all have heard five", () =>
    heard.every((text, i) => text === `data: /${i}\n\n`.repeat(5)),
  );
  const worker = await gateway.worker();
  const mib = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${worker}/status`, "utf8"))![1]) / 1024;
  t.diagnostic(`500 open streams: ${mib.toFixed(0)} MiB`);
  assert.ok(mib < 250, `${mib} MiB`);
  agent.destroy();
  await gateway.box.becomes("the program behind hears that all are gone", () => open.size === 0);
});

test("a target that takes no connection is given up after five seconds", async (t) => {
  const gateway = await GatewayBox.open(t);
  const port = gateway.port;
  // An address that nobody has: packets to it are lost.
  gateway.box.write("app.yaml", `command: sleep 3600\nexpose: { port: ${port}, to: "192.0.2.1:9", auth: none }\n`);
  const since = performance.now();
  await gateway.box.becomes("it is told", async () => (await gateway.status("/")) === 503);
  assert.ok(performance.now() - since < 20_000);
});
