import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { after, test } from "node:test";
import type { ProbeResult } from "../probe/health.ts";
import { probeHttp, probeTcp } from "./network-probe.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();
after(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

async function listening(server: Server): Promise<number> {
  servers.push(server);
  server.on("connection", (socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const web = (onRequest: RequestListener) => listening(createHttpServer(onRequest));

function http(url: string, timeoutMs = 60_000): Promise<ProbeResult> {
  return new Promise((resolve) => probeHttp(url, timeoutMs, resolve));
}

function tcp(port: number, host = "127.0.0.1", timeoutMs = 60_000): Promise<ProbeResult> {
  return new Promise((resolve) => probeTcp(host, port, timeoutMs, resolve));
}

/** A port that nobody listens on: one that was just given back. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

for (const [status, passed] of [
  [200, true],
  [204, true],
  [302, true],
  [404, false],
  [503, false],
] as const) {
  test(`HTTP ${status} is ${passed ? "well" : "not well"}`, async () => {
    const port = await web((_, response) => response.writeHead(status, { location: "/elsewhere" }).end());
    assert.deepEqual(await http(`http://127.0.0.1:${port}/health`), { passed, detail: `HTTP ${status}` });
  });
}

test("the question is a GET of the whole path, with the host that was written, on a connection of its own", async () => {
  const asked: (string | undefined)[] = [];
  const port = await web((request, response) => {
    asked.push(
      request.method,
      request.url,
      request.headers.host,
      request.headers.connection,
      request.headers.authorization,
    );
    response.end();
  });
  await http(`http://me:secret@localhost:${port}/health?deep=1`);
  assert.deepEqual(asked, ["GET", "/health?deep=1", `localhost:${port}`, "close", `Basic ${btoa("me:secret")}`]);
});

test("a refused connection says where", async () => {
  const port = await freePort();
  assert.deepEqual(await http(`http://127.0.0.1:${port}/`), {
    passed: false,
    detail: `connection refused (127.0.0.1:${port})`,
  });
  assert.deepEqual(await http(`http://localhost:${port}/`), {
    passed: false,
    detail: `connection refused (localhost:${port})`,
  });
  assert.deepEqual(await tcp(port), { passed: false, detail: `connection refused (127.0.0.1:${port})` });
});

test("a service that accepts and never answers is given up at the time limit", async () => {
  const port = await web(() => {});
  assert.deepEqual(await http(`http://127.0.0.1:${port}/`, 200), { passed: false, detail: "no answer within 200ms" });
});

test("a time limit longer than any timer is no limit at all", async () => {
  const port = await web((_, response) => void setTimeout(() => response.end(), 100));
  assert.deepEqual(await http(`http://127.0.0.1:${port}/`, 2 ** 31), { passed: true, detail: "HTTP 200" });
});

test("a service that hangs up, or speaks something else, says so", async () => {
  const rude = await listening(createServer((socket) => socket.on("data", () => socket.destroy())));
  assert.equal(
    (await http(`http://127.0.0.1:${rude}/`)).detail,
    `the connection was closed without an answer (127.0.0.1:${rude})`,
  );
  const redis = await listening(
    createServer((socket) => socket.on("data", () => socket.end("-ERR unknown command\r\n"))),
  );
  assert.equal((await http(`http://127.0.0.1:${redis}/`)).detail, `it answers, but not in HTTP (127.0.0.1:${redis})`);
  assert.equal((await http(`https://127.0.0.1:${redis}/`)).detail, `it answers, but not in TLS (127.0.0.1:${redis})`);
});

test("a body without end is cut off, and the status has been the answer", async () => {
  let sent = 0;
  const closed = Promise.withResolvers<void>();
  const port = await web((_, response) => {
    const send = (): void => {
      while (!response.destroyed && response.write("x".repeat(16_384))) sent += 16_384;
    };
    response.on("drain", send).on("close", closed.resolve);
    send();
  });
  assert.equal((await http(`http://127.0.0.1:${port}/`)).detail, "HTTP 200");
  await closed.promise;
  assert.ok(sent > 0);
});

test("a host that does not exist is named", async () => {
  const { passed, detail } = await http("http://no-such-host.invalid:8000/");
  assert.equal(passed, false);
  assert.match(detail, /^(no such host|the name of the host cannot be looked up now) \(no-such-host\.invalid:8000\)$/);
});

test("a TCP port that accepts is well", async () => {
  const port = await listening(createServer());
  assert.deepEqual(await tcp(port), { passed: true, detail: `127.0.0.1:${port} accepts connections` });
});

test("a question that is no longer wanted gets no answer and lets go of the connection", async () => {
  const closed = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const port = await web((request) => {
    request.on("close", closed.resolve);
    asked.resolve();
  });
  const cancel = probeHttp(`http://127.0.0.1:${port}/`, 60_000, () => assert.fail("it answered"));
  await asked.promise;
  cancel();
  await closed.promise;
});
