/**
 * What goes through the gateway, and what does not: streams, WebSockets, large bodies, slow and hostile clients.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { background, canConnect, freePorts, GatewayBox } from "./gateway-box.ts";

const OPEN = { expose: "auth: none" };

function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) * 1024;
}

test("events arrive as they are produced, and a client that leaves is felt by the program behind", async (t) => {
  let answer: ServerResponse | null = null;
  let left = false;
  const gateway = await GatewayBox.open(t, {
    ...OPEN,
    answer: (request, response) => {
      request.on("close", () => (left = true));
      response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
      answer = response;
    },
  });
  const heard: string[] = [];
  const head = await new Promise<IncomingMessage>((done) => httpRequest(gateway.url("/stream"), done).end());
  assert.equal(head.statusCode, 200); // Before the first event: the head does not wait for it.
  for (let i = 0; i < 20; i++) {
    const event = `data: token ${i}\n\n`;
    const arrived = new Promise<string>((done) => head.once("data", (chunk: Buffer) => done(chunk.toString())));
    answer!.write(event);
    heard.push(await arrived); // The next is written only after this one was heard.
    assert.equal(heard.at(-1), event);
  }
  head.destroy();
  await gateway.box.becomes("the program behind hears of it", () => left);
});

test("an upload arrives while it is being sent, byte for byte", async (t) => {
  const pieces: string[] = [];
  const gateway = await GatewayBox.open(t, {
    ...OPEN,
    answer: (request, response) => {
      request.setEncoding("utf8").on("data", (text: string) => pieces.push(text));
      request.on("end", () => response.end(JSON.stringify(request.headers)));
    },
  });
  for (const headers of [{ "Transfer-Encoding": "chunked" }, { "Content-Length": "40000" }]) {
    pieces.length = 0;
    const upload = httpRequest(gateway.url("/"), { method: "POST", headers });
    const answered = new Promise<IncomingMessage>((done) => upload.once("response", done));
    for (let i = 0; i < 4; i++) {
      upload.write(String(i).repeat(10_000));
      await gateway.box.becomes(`piece ${i} is there`, () => pieces.join("").length === (i + 1) * 10_000);
    }
    upload.end();
    (await answered).resume();
    assert.equal(pieces.join(""), [0, 1, 2, 3].map((i) => String(i).repeat(10_000)).join(""));
  }
});

test("four hundred megabytes up and down, also to a client that reads slowly, take memory for buffers and no more", async (t) => {
  const size = 400 * 1024 * 1024;
  const piece = Buffer.alloc(256 * 1024, "x");
  const gateway = await GatewayBox.open(t, {
    ...OPEN,
    answer: async (request, response) => {
      let bytes = 0;
      for await (const chunk of request) bytes += (chunk as Buffer).length;
      if (request.method === "POST") return void response.end(String(bytes));
      response.writeHead(200, { "Content-Length": size });
      for (let sent = 0; sent < size; sent += piece.length)
        if (!response.write(piece)) await new Promise((done) => response.once("drain", done));
      response.end();
    },
  });
  const worker = await gateway.worker();
  const file = gateway.box.path("large");
  writeFileSync(file, "");
  truncateSync(file, size);
  const before = memoryOf(worker);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, memoryOf(worker))), 20);
  t.after(() => clearInterval(watch));
  const up = await gateway.curl("-X", "POST", "-H", "Expect:", "-T", file, "/up");
  assert.equal(up.body, String(size));
  const down = await gateway.box.run("curl", [
    "-sS",
    "-o",
    "/dev/null",
    "-w",
    "%{size_download}",
    gateway.url("/down"),
  ]);
  assert.equal(down.stdout, String(size));
  const slow = background(t, "curl", ["-sS", "--limit-rate", "1M", "-o", "/dev/null", gateway.url("/down")]);
  await gateway.box.becomes("it downloads", async () => /under_way 1\n/.test(await gateway.metrics()));
  await new Promise((done) => setTimeout(done, 1_500)); // Time in which memory would grow, if it did.
  slow.child.kill();
  clearInterval(watch);
  const grown = Math.round((most - before) / 1024 / 1024);
  t.diagnostic(`memory grew by ${grown} MiB at most, from ${Math.round(before / 1024 / 1024)} MiB`);
  assert.ok(grown < 120, `${grown} MiB`); // What is read and not yet collected; it does not depend on the size.
});

test("headers: who asks and how is said anew, hop by hop ones stay, and nothing a client claims gets through", async (t) => {
  const gateway = await GatewayBox.open(t, {
    ...OPEN,
    answer: (request, response) => void response.end(JSON.stringify(request.rawHeaders)),
  });
  const claims = [
    "X-Forwarded-For: 6.6.6.6",
    "X_Forwarded_For: 6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "CF-Connecting-IP: 6.6.6.6",
  ];
  claims.push(
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Original-URL: /admin",
    "Connection: close, X-Real-IP, X-Gone",
    "X-Gone: 1",
  );
  claims.push("Proxy-Authorization: x", "TE: trailers", "X-Kept: yes");
  const { body } = await gateway.curl(...claims.flatMap((claim) => ["-H", claim]), "/");
  const raw = JSON.parse(body) as string[];
  const seen = Object.fromEntries(raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1]]] : [])));
  assert.deepEqual(
    { ...seen, connection: undefined, accept: undefined, "user-agent": undefined },
    {
      host: `127.0.0.1:${gateway.port}`,
      "x-kept": "yes",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": `127.0.0.1:${gateway.port}`,
      "x-forwarded-port": String(gateway.port),
      "x-real-ip": "127.0.0.1",
      connection: undefined,
      accept: undefined,
      "user-agent": undefined,
    },
  );
});

const HOST = "Host: 127.0.0.1\r\n";
const SMUGGLED: Record<string, string> = {
  "length and chunks": `POST / HTTP/1.1\r\n${HOST}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG`,
  "two lengths": `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`,
  "two equal lengths": `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`,
  "a length with a sign": `POST / HTTP/1.1\r\n${HOST}Content-Length: +1\r\n\r\na`,
  "a negative length": `POST / HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\na`,
  "an unknown encoding": `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  "chunks behind identity": `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
  "gzip and chunks": `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  "a blank before the colon": `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  "a folded header": `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`,
  "bare line feeds": "GET / HTTP/1.1\nHost: 127.0.0.1\n\n",
  "a lone carriage return": `GET / HTTP/1.1\r\n${HOST}X: a\rb\r\n\r\n`,
  "a NUL in a header": `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`,
  "no host": "GET / HTTP/1.1\r\n\r\n",
  "two hosts": `GET / HTTP/1.1\r\n${HOST}Host: 127.0.0.1\r\n\r\n`,
  "a host that is none": "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
  "another host in the target": `GET http://evil.example/ HTTP/1.1\r\n${HOST}\r\n`,
  "two slashes": `GET //evil.example/ HTTP/1.1\r\n${HOST}\r\n`,
  "dot segments": `GET /a/../admin HTTP/1.1\r\n${HOST}\r\n`,
  "encoded dot segments": `GET /a/%2e%2e/admin HTTP/1.1\r\n${HOST}\r\n`,
  "a backslash": `GET /a\\admin HTTP/1.1\r\n${HOST}\r\n`,
  "chunks in HTTP/1.0": `POST / HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  "a chunk that ends in a line feed": `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n`,
  CONNECT: `CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n`,
  TRACE: `TRACE / HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
  "an expectation": `GET / HTTP/1.1\r\n${HOST}Expect: miracles\r\nConnection: close\r\n\r\n`,
  "headers beyond measure": `GET / HTTP/1.1\r\n${HOST}X: ${"a".repeat(40_000)}\r\n\r\n`,
  "hundreds of headers": `GET / HTTP/1.1\r\n${HOST}${"X: a\r\n".repeat(300)}Connection: close\r\n\r\n`,
};

test("requests that two programs could read in two ways are refused, and none of them arrives", async (t) => {
  const arrived: string[] = [];
  const gateway = await GatewayBox.open(t, {
    ...OPEN,
    answer: (request, response) => {
      arrived.push(`${request.method} ${request.url}`);
      request.resume().on("end", () => response.end());
    },
  });
  for (const [what, bytes] of Object.entries(SMUGGLED)) {
    // A second request on the same connection: it must be seen as one, or not at all.
    const answer = await gateway.raw(`${bytes}GET /smuggled HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
    assert.ok([400, 405, 408, 413, 417, 421, 431].includes(status), `${what}: ${answer.slice(0, 200)}`);
    assert.deepEqual(
      arrived.filter((one) => one !== "GET /smuggled"),
      [],
      what,
    );
    arrived.length = 0;
  }
  const honest = await gateway.raw(
    `POST /a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1;ext=1\r\na\r\n0\r\n\r\n`,
  );
  assert.match(honest, /^HTTP\/1\.1 200/);
  assert.deepEqual(arrived, ["POST /a"]);
});

test("h2c is no way around: the request is answered like any other", async (t) => {
  const gateway = await GatewayBox.open(t);
  const answer = await gateway.raw(
    `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
  );
  assert.match(answer, /^HTTP\/1\.1 401/);
});

test("five hundred clients that send their heads letter by letter are sent away, and nobody else notices", async (t) => {
  const gateway = await GatewayBox.open(t, OPEN);
  const sockets: Socket[] = [];
  let closed = 0;
  for (let i = 0; i < 500; i++) {
    const socket = connect(gateway.port, "127.0.0.1");
    socket.on("error", () => {}).on("close", () => closed++);
    socket.resume();
    socket.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ");
    sockets.push(socket);
  }
  const drip = setInterval(() => sockets.forEach((socket) => void (socket.writable && socket.write("a"))), 500);
  t.after(() => {
    clearInterval(drip);
    sockets.forEach((socket) => void socket.destroy());
  });
  await gateway.box.becomes("all are connected", async () =>
    /gateway_connections 50\d\n/.test(await gateway.metrics()),
  );
  assert.equal(await gateway.status("/"), 200);
  await gateway.box.becomes("all are sent away", () => closed === 500);
  assert.equal(await gateway.status("/"), 200);
});

test("a body that is too long is refused: announced before it is read, else where it becomes too long", async (t) => {
  let bytes = 0;
  const gateway = await GatewayBox.open(t, {
    expose: "auth: none, max_body: 100k",
    answer: (request, response) => {
      bytes = 0;
      request.on("data", (chunk: Buffer) => (bytes += chunk.length)).on("end", () => response.end("ok"));
    },
  });
  const file = gateway.box.path("body");
  writeFileSync(file, "z".repeat(300_000));
  assert.equal(await gateway.status("-H", "Expect:", "--data-binary", `@${file}`, "/"), 413);
  assert.equal(bytes, 0);
  assert.equal(
    await gateway.status("-H", "Expect:", "-H", "Transfer-Encoding: chunked", "--data-binary", `@${file}`, "/"),
    413,
  );
  assert.ok(bytes < 250_000, String(bytes));
  writeFileSync(file, "z".repeat(50_000));
  assert.equal(await gateway.status("--data-binary", `@${file}`, "/"), 200);
});

test("a refused upload hears why, though it is still sending", async (t) => {
  const gateway = await GatewayBox.open(t);
  const file = gateway.box.path("body");
  writeFileSync(file, Buffer.alloc(20_000_000));
  const refused = await gateway.curl("-H", "Expect:", "--data-binary", `@${file}`, "/");
  assert.equal(refused.status, 401);
  const asked = await gateway.curl("-H", "Expect: 100-continue", "--data-binary", `@${file}`, "/");
  assert.equal(asked.status, 401);
});

test("a program behind that dies is told apart: before, while and after it answers", async (t) => {
  let deed = "";
  const gateway = await GatewayBox.open(t, {
    ...OPEN,
    answer: (request, response) => {
      if (deed === "before") return void request.socket.destroy();
      response.writeHead(200, { "Content-Length": 1000 });
      response.write("half");
      if (deed === "nonsense") return;
      setImmediate(() => request.socket.destroy());
    },
  });
  deed = "before";
  const before = await gateway.curl("-d", "x", "/");
  assert.equal(before.status, 502);
  assert.match(JSON.parse(before.body).error.message, /App ended before it answered: it closed the connection/);
  deed = "while";
  const during = await gateway.curl("/");
  assert.deepEqual([during.status, during.body], [200, "half"]);
  assert.notEqual(during.code, 0); // curl says that the transfer is not complete.
  gateway.behind.closeAllConnections();
  gateway.behind.close();
  await gateway.box.becomes("nobody listens", async () => !(await canConnect(gateway.behindPort)));
  const after = await gateway.curl("-d", "x", "/");
  assert.equal(after.status, 503);
  assert.ok(Number(after.headers["retry-after"]) > 0);
  assert.match(await gateway.metrics(), /errors_total\{route="App",kind="unreachable"\} 1\n/);
});

test("a request that was written is never written twice", async (t) => {
  let seen = 0;
  const gateway = await GatewayBox.open(t, {
    ...OPEN,
    answer: (request) => {
      seen++;
      request.socket.destroy();
    },
  });
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    seen = 0;
    assert.equal(await gateway.status("-X", method, "-d", "x", "/"), 502);
    assert.equal(seen, 1, method);
  }
});

// --- WebSockets -----------------------------------------------------------------------------------------------------

/** Answers the handshake as RFC 6455 wants it, then sends back every byte. */
function echoes(gateway: GatewayBox): { opened: number; ended: number; headers: string[] } {
  const seen = { opened: 0, ended: 0, headers: [] as string[] };
  gateway.behind.on("upgrade", (request, socket: Duplex, head) => {
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    if (head.length > 0) socket.write(head);
    seen.opened++;
    seen.headers = request.rawHeaders;
    socket.on("close", () => seen.ended++).on("error", () => {});
    socket.pipe(socket);
  });
  return seen;
}

function handshake(
  gateway: GatewayBox,
  headers: string[] = [],
  path = "/ws",
): Promise<{ status: number; socket: Socket; heard: () => string }> {
  return new Promise((done) => {
    const socket = connect(gateway.port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1").on("error", () => {});
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("\r\n\r\n"))
        done({ status: Number(text.slice(9, 12)), socket, heard: () => text.slice(text.indexOf("\r\n\r\n") + 4) });
    });
    const lines = [
      `GET ${path} HTTP/1.1`,
      `Host: 127.0.0.1:${gateway.port}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
    ];
    lines.push("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", ...headers);
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
}

test("a WebSocket carries bytes both ways, and each side feels the other's end", async (t) => {
  const gateway = await GatewayBox.open(t);
  const seen = echoes(gateway);
  const token = await gateway.token();
  const { status, socket, heard } = await handshake(gateway, [`Authorization: Bearer ${token}`]);
  assert.equal(status, 101);
  for (let i = 0; i < 50; i++) {
    socket.write(`frame ${i};`);
    await gateway.box.becomes(`frame ${i} is back`, () => heard().endsWith(`frame ${i};`));
  }
  assert.match(await gateway.metrics(), /gateway_websockets 1\n/);
  assert.ok(!seen.headers.includes(`Bearer ${token}`));
  socket.destroy();
  await gateway.box.becomes("the other side has ended", () => seen.ended === 1);
  const second = await handshake(gateway, [], `/ws?token=${token}`);
  assert.equal(second.status, 101);
  gateway.behind.closeAllConnections();
  await gateway.box.becomes("it is counted as closed", async () => {
    second.socket.destroy();
    return /gateway_websockets 0\n/.test(await gateway.metrics());
  });
});

test("a browser's own WebSocket client speaks through it", async (t) => {
  const gateway = await GatewayBox.open(t);
  const token = await gateway.token();
  gateway.behind.on("upgrade", (request, socket: Duplex) => {
    const accept = createHash("sha1")
      .update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.write(Buffer.from([0x81, 5, ...Buffer.from("hello")])); // One text frame.
  });
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws?token=${token}`);
  const message = await new Promise((done, failed) => {
    socket.onmessage = ({ data }) => done(data);
    socket.onerror = failed;
  });
  assert.equal(message, "hello");
  socket.close();
});

test("a page of another site cannot open a WebSocket with somebody's cookie", async (t) => {
  const gateway = await GatewayBox.open(t);
  const seen = echoes(gateway);
  const { cookies } = await gateway.curl(`/?token=${await gateway.token()}`);
  const cookie = `Cookie: ${cookies[0]!.split(";", 1)[0]}`;
  const own = `http://127.0.0.1:${gateway.port}`;
  for (const origin of [
    "https://evil.example",
    "null",
    `http://127.0.0.1:${gateway.port + 1}`,
    `${own}.evil.example`,
  ]) {
    const { status, socket } = await handshake(gateway, [cookie, `Origin: ${origin}`]);
    assert.equal(status, 403, origin);
    socket.destroy();
  }
  assert.equal((await handshake(gateway, [cookie])).status, 403);
  assert.equal((await handshake(gateway, [`Origin: ${own}`])).status, 401);
  assert.equal(seen.opened, 0);
  const good = await handshake(gateway, [cookie, `Origin: ${own}`]);
  assert.equal(good.status, 101);
  good.socket.destroy();
});

test("where nothing is asked, a name that points here from elsewhere reaches nothing", async (t) => {
  const gateway = await GatewayBox.open(t, OPEN);
  for (const host of ["evil.example", `evil.example:${gateway.port}`, "127.0.0.1.evil.example"])
    assert.equal(await gateway.status("-H", `Host: ${host}`, "/"), 421, host);
  for (const host of ["localhost", `127.0.0.1:${gateway.port}`, "[::1]", "x-y.trycloudflare.com"])
    assert.equal(await gateway.status("-H", `Host: ${host}`, "/"), 200, host);
  assert.equal(await gateway.status("-H", "Host: localhost.", "/"), 400);
  assert.equal(await gateway.status("-H", "Origin: https://evil.example", "-d", "x", "/"), 403);
});

test("the status page is for this machine: another name gets nothing", async (t) => {
  const gateway = await GatewayBox.open(t);
  const url = `http://127.0.0.1:${gateway.statusPort}/metrics`;
  assert.equal(await gateway.status(url), 200);
  assert.equal(await gateway.status("-H", "Host: evil.example", url), 421);
  const { stdout } = await gateway.box.run("ss", ["-ltnH", `sport = :${gateway.statusPort}`]);
  assert.match(stdout, /127\.0\.0\.1:/);
});

test("routes follow the files: what is exposed opens, what is no longer closes, and a port that is taken opens later", async (t: TestContext) => {
  const gateway = await GatewayBox.open(t, OPEN);
  const [second = 0, third = 0] = await freePorts(2);
  const worker = await gateway.worker();
  gateway.box.write(
    "two.yaml",
    `command: sleep 3600\nenvironment: { P: "${second}" }\nexpose: { port: "\${P}", to: ${gateway.behindPort}, auth: none }\n`,
  );
  await gateway.isOpen(second);
  gateway.box.write("app.yaml", "command: sleep 3600\nstartsecs: 0s\n");
  await gateway.box.becomes("the first is closed", async () => !(await canConnect(gateway.port)));
  const blocker = (await import("node:net")).createServer().listen(third, "127.0.0.1");
  t.after(() => blocker.close());
  gateway.box.write(
    "three.yaml",
    `command: sleep 3600\nexpose: { port: ${third}, to: ${gateway.behindPort}, auth: none }\n`,
  );
  await gateway.tells(new RegExp(`port ${third} of three cannot be opened: EADDRINUSE`));
  assert.equal(await gateway.status(`http://127.0.0.1:${second}/`), 200);
  await gateway.box.becomes("svctl tells it", async () =>
    new RegExp(`^http ${third} \\(taken\\) +three +127\\.0\\.0\\.1:${gateway.behindPort} +none`, "m").test(
      (await gateway.box.svctl("routes")).stdout,
    ),
  );
  blocker.close();
  await gateway.box.becomes("it opens", async () => (await gateway.status(`http://127.0.0.1:${third}/`)) === 200);
  assert.equal(await gateway.worker(), worker);
});

test("the portal's list opens what the platform leads to, a wrong entry takes nothing down, and a file comes before it", async (t) => {
  const [first = 0, second = 0] = await freePorts(2);
  const real = await GatewayBox.open(t, OPEN);
  const list = `localhost:${first}:${real.behindPort}:/docs:API: v1|nonsense|localhost:${second}:${real.behindPort}:/:Not mapped`;
  const env = { PORTAL_CONFIG: list, AUTH_EXCLUDE: String(first), [`VAST_TCP_PORT_${first}`]: "40001" };
  real.box.write("gateway.yaml", real.service(env));
  await real.box.becomes("it opens", async () => (await real.status(`http://127.0.0.1:${first}/`)) === 200);
  await real.tells(/PORTAL_CONFIG, entry 2, character \d+: it has 1 of the 5 parts/);
  assert.equal(await canConnect(second), false);
  const routes = (await real.routes()) as unknown as { routes: { name: string }[]; links: { name: string }[] };
  assert.deepEqual(
    routes.links.map(({ name }) => name),
    ["API: v1", "Not mapped"],
  );
  const file = real.box.path("portal.yaml");
  writeFileSync(file, `applications:\n  Other: { external_port: ${first}, internal_port: 1 }\n`);
  real.box.write("gateway.yaml", real.service({ ...env, PORTAL_YAML: file }));
  await real.box.becomes("the file counts", async () => (await real.status(`http://127.0.0.1:${first}/`)) === 503);
});
