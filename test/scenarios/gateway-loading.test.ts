/**
 * A service that is not ready: what people and programs are told meanwhile, requests that wait, and restarts of both sides.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import type { ServiceStatus } from "../../src/control/daemon.ts";
import { canConnect, curl, GatewayBox } from "./gateway-box.ts";

/** Is ready once there is a file `ready`; answers with its pid, after a moment if asked to; finishes what it has at TERM. */
const SERVER = `
const { existsSync } = require("node:fs");
const server = require("node:http").createServer((request, response) => {
  if (request.url === "/health") return response.writeHead(existsSync("ready") ? 200 : 503).end();
  let body = "";
  request.on("data", (text) => (body += text)).on("end", () => setTimeout(() => response.end(process.pid + " " + body), Number(request.headers["x-wait"] ?? 0)));
}).listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => server.close(() => process.exit(0)));
`;

async function withModel(
  t: TestContext,
  expose: string,
  more = "",
): Promise<GatewayBox & { ready(is: boolean): void }> {
  const gateway = await GatewayBox.open(t);
  gateway.behind.close();
  writeFileSync(gateway.box.path("server.cjs"), SERVER);
  writeFileSync(gateway.box.path("model.yaml"), "");
  gateway.box.write(
    "app.yaml",
    `command: [ ${JSON.stringify(process.execPath)}, server.cjs, "${gateway.behindPort}" ]
startsecs: 0s
backoff: { first: 1ms, longest: 10ms }
healthcheck: { http: "http://127.0.0.1:${gateway.behindPort}/health", interval: 100ms, timeout: 5s, retries: 50, start_period: 5m }
expose: { port: ${gateway.port}, to: ${gateway.behindPort}, name: Model, auth: none${expose} }
${more}`,
  );
  await gateway.box.until("app", ({ state }) => state === "STARTING" || state === "STOPPED" || state === "RUNNING");
  return Object.assign(gateway, {
    ready: (is: boolean) =>
      is ? writeFileSync(gateway.box.path("ready"), "") : void gateway.box.run("rm", ["-f", gateway.box.path("ready")]),
  });
}

test("while a model loads, programs are told so in JSON, and people see a page that asks again", async (t) => {
  const gateway = await withModel(t, "");
  await gateway.box.becomes("the gateway knows", async () => (await gateway.status("/")) === 503);
  await gateway.box.until("app", ({ phase }) => /503/.test(phase ?? ""));
  const program = await gateway.curl("-d", "{}", "/score");
  assert.equal(program.status, 503);
  assert.match(program.headers["content-type"]!, /^application\/json/);
  assert.equal(program.headers["cache-control"], "no-store");
  assert.ok(Number(program.headers["retry-after"]) >= 1);
  const { error } = JSON.parse(program.body);
  assert.equal(error.code, "not_ready");
  assert.equal(error.state, "STARTING");
  assert.match(error.phase, /503/);
  assert.match(error.message, /^Model is not ready: /);

  const browser = await gateway.curl("-H", "Accept: text/html", "/docs");
  assert.equal(browser.status, 503);
  assert.equal(browser.headers["x-portal-placeholder"], "true");
  assert.match(browser.body, /<strong id="state">STARTING<\/strong>/);
  assert.match(browser.headers["content-security-policy"]!, /^default-src 'none'/);
  const looked = await gateway.curl("-I", "-H", "Accept: text/html", "/docs");
  assert.deepEqual([looked.status, looked.headers["x-svcd-state"], looked.body], [503, "STARTING", ""]);

  // Cloudflare puts a page of its own in place of one with 5xx; programs keep the true status.
  assert.equal(await gateway.status("-H", "Cf-Ray: 1", "-H", "Accept: text/html", "/"), 200);
  assert.equal(await gateway.status("-H", "Cf-Ray: 1", "/"), 503);

  gateway.ready(true);
  await gateway.box.until("app", "RUNNING");
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const real = await gateway.curl("-I", "-H", "Accept: text/html", "/docs");
  assert.equal(real.headers["x-portal-placeholder"], undefined);
});

test("with `hold` a program waits, and a person is shown what it is busy with", async (t) => {
  const gateway = await withModel(t, ", hold: 1m");
  await gateway.box.becomes(
    "the gateway knows",
    async () => (await gateway.status("-H", "Accept: text/html", "/")) === 503,
  );
  const waiting = ["a", "b", "c"].map((text) => gateway.curl("-d", text, "/score"));
  await gateway.box.becomes("three wait", async () => /requests_waiting 3\n/.test(await gateway.metrics()));
  gateway.ready(true);
  const bodies = (await Promise.all(waiting)).map(({ status, body }) => `${status} ${body.split(" ")[1]}`);
  assert.deepEqual(bodies, ["200 a", "200 b", "200 c"]);
  assert.match(await gateway.metrics(), /requests_waiting 0\n/);
});

test("whoever waits and leaves is gone, and one whose patience is over is told", async (t) => {
  const gateway = await withModel(t, ", hold: 1500ms");
  await gateway.box.becomes(
    "the gateway knows",
    async () => (await gateway.status("-H", "Accept: text/html", "/")) === 503,
  );
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  await gateway.box.becomes("it waits", async () => /requests_waiting 1\n/.test(await gateway.metrics()));
  socket.destroy();
  await gateway.box.becomes("it is gone", async () => /requests_waiting 0\n/.test(await gateway.metrics()));
  assert.equal(await gateway.status("-d", "x", "/"), 503);
});

test("a service that has given up is not waited for", async (t) => {
  const gateway = await withModel(t, ", hold: 5m");
  gateway.box.write(
    "app.yaml",
    `command: "false"\ngive_up: { failures: 1, within: 1m }\nexpose: { port: ${gateway.port}, to: ${gateway.behindPort}, auth: none, hold: 5m }\n`,
  );
  await gateway.box.until("app", "FATAL");
  await gateway.box.becomes(
    "the gateway knows",
    async () => (await gateway.status("-H", "Accept: text/html", "/")) === 503,
  );
  const told = await gateway.curl("-d", "x", "/");
  assert.equal(told.status, 503);
  assert.equal(JSON.parse(told.body).error.state, "FATAL");
});

/** A client that asks again and again over kept-alive connections, each answer before the next question. */
function load(port: number, clients: number): { stop(): Promise<{ good: number; bad: string[] }> } {
  const agent = new Agent({ keepAlive: true });
  const bad: string[] = [];
  let good = 0;
  let isOver = false;
  const one = (): Promise<void> =>
    new Promise((done) => {
      const asked = request(
        { port, host: "127.0.0.1", method: "POST", path: "/score", agent, headers: { "X-Wait": "5" } },
        (answer) => {
          let body = "";
          answer.setEncoding("utf8").on("data", (text: string) => (body += text));
          answer.on("end", () => {
            if (answer.statusCode === 200) good++;
            else bad.push(`${answer.statusCode} ${body.slice(0, 200)}`);
            done();
          });
          answer.on("error", (error) => done(void bad.push(`answer: ${error.message}`)));
        },
      );
      asked.on("error", (error: NodeJS.ErrnoException) => done(void bad.push(`${error.code} ${error.message}`)));
      asked.end("text");
    });
  const all = Array.from({ length: clients }, async () => {
    while (!isOver) await one();
  });
  return {
    stop: async () => {
      isOver = true;
      await Promise.all(all);
      agent.destroy();
      return { good, bad };
    },
  };
}

test("with `hold` no request fails while the service is restarted under load", async (t) => {
  const gateway = await withModel(t, ", hold: 1m, idempotent: /score");
  gateway.ready(true);
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const clients = load(gateway.port, 8);
  for (let round = 0; round < 3; round++) {
    const { code, stderr } = await gateway.box.svctl("restart", "app");
    assert.equal(code, 0, stderr);
  }
  const { good, bad } = await clients.stop();
  t.diagnostic(`${good} requests answered across three restarts, ${bad.length} failed`);
  assert.deepEqual(bad, []);
  assert.ok(good > 20, String(good));
});

test("`svctl reload gateway` starts the next one under load: no request fails, none is refused", async (t) => {
  const gateway = await withModel(t, "");
  gateway.ready(true);
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const clients = load(gateway.port, 8);
  let refused = 0;
  let isOver = false;
  const knocking = (async () => {
    for (; !isOver; ) if (!(await canConnect(gateway.port))) refused++;
  })();
  const first = await gateway.worker();
  for (let round = 0; round < 3; round++) {
    const before = await gateway.worker();
    assert.equal((await gateway.box.svctl("reload", "gateway")).code, 0);
    await gateway.box.becomes("another one works", async () => (await gateway.worker()) !== before);
    await gateway.box.becomes(
      "and is ready",
      () => gateway.box.log("gateway").split("gateway: ready").length === round + 3,
    );
  }
  isOver = true;
  await knocking;
  const { good, bad } = await clients.stop();
  t.diagnostic(`${good} requests answered across three reloads, ${bad.length} failed, ${refused} connections refused`);
  assert.deepEqual([bad, refused], [[], 0]);
  assert.notEqual(await gateway.worker(), first);
  assert.equal((await gateway.box.status("gateway")).run, 1);
});

test("a worker that is killed costs what it had under way, and no connection is refused", async (t) => {
  const gateway = await withModel(t, "");
  gateway.ready(true);
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const worker = await gateway.worker();
  process.kill(worker, "SIGKILL");
  // Waits in the queue of the port until the next worker is there.
  const answers = await Promise.all(Array.from({ length: 10 }, () => curl(gateway.box, gateway.url("/"))));
  assert.deepEqual(
    answers.map(({ status }) => status),
    Array.from({ length: 10 }, () => 200),
  );
  assert.notEqual(await gateway.worker(), worker);
  assert.equal((await gateway.box.status("gateway")).run, 1);
});

test("`svctl stop gateway` finishes what is under way", async (t) => {
  const gateway = await withModel(t, "");
  gateway.ready(true);
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const slow = gateway.curl("-H", "X-Wait: 1500", "-d", "long", "/");
  await gateway.box.becomes("it is under way", async () => /under_way 1\n/.test(await gateway.metrics()));
  const stopped = gateway.box.svctl("stop", "gateway");
  await gateway.box.becomes("nobody is let in any more", async () => !(await canConnect(gateway.port)));
  const { status, body } = await slow;
  assert.deepEqual([status, body.split(" ")[1]], [200, "long"]);
  assert.equal((await stopped).code, 0);
});

test("svcd's core may be killed: the gateway goes on with what it knew, and learns what is new", async (t) => {
  const gateway = await withModel(t, "");
  gateway.ready(true);
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const { core } = await gateway.box.control.health();
  process.kill(core, "SIGKILL");
  for (let i = 0; i < 10; i++) assert.equal(await gateway.status("/"), 200);
  await gateway.box.becomes("there is another core", async () => (await gateway.box.control.health()).core !== core);
  assert.equal((await gateway.box.svctl("stop", "app")).code, 0);
  await gateway.box.becomes("the gateway knows", async () => (await gateway.status("/")) === 503);
  await gateway.box.becomes(
    "and why",
    async () => JSON.parse((await gateway.curl("/")).body).error.state === "STOPPED",
  );
});

/** And the gateway has heard of the new file. */
async function stoppedOnDemand(gateway: GatewayBox): Promise<ServiceStatus> {
  await gateway.box.svctl("stop", "app");
  const status = await gateway.box.until("app", "STOPPED");
  await gateway.box.becomes("the gateway knows", async () => {
    const { routes } = (await gateway.routes()) as unknown as { routes: { start: string }[] };
    return routes[0]?.start === "on-demand";
  });
  return status;
}

test("on demand: the first request starts the service and waits for it", async (t) => {
  const gateway = await withModel(t, ", start: on-demand", "autostart: false\n");
  gateway.ready(true);
  const { run } = await stoppedOnDemand(gateway);
  const answers = await Promise.all([gateway.curl("-d", "one", "/"), gateway.curl("-d", "two", "/")]);
  assert.deepEqual(
    answers.map(({ status, body }) => `${status} ${body.split(" ")[1]}`),
    ["200 one", "200 two"],
  );
  assert.equal((await gateway.box.until("app", "RUNNING")).run, run + 1);
});

test("on demand: nobody waits for a service that has given up", async (t) => {
  const keys = "autostart: false\ngive_up: { failures: 1, within: 1h }\n";
  const gateway = await withModel(t, ", start: on-demand", keys);
  gateway.ready(true);
  await stoppedOnDemand(gateway);
  await gateway.box.svctl("start", "app");
  const { pid } = await gateway.box.until("app", "RUNNING");
  process.kill(pid!, "SIGKILL");
  await gateway.box.until("app", "FATAL");
  await gateway.box.becomes("the gateway knows, and says so at once", async () => {
    const { status, body } = await gateway.curl("-d", "one", "/");
    return status === 503 && body.includes("gave up");
  });
});

test("a service that is not wanted here, or disabled, has no door; one that is wanted again has", async (t) => {
  const gateway = await withModel(t, "");
  await gateway.box.svctl("disable", "app");
  await gateway.box.becomes("its port is closed", async () => !(await canConnect(gateway.port)));
  await gateway.box.svctl("enable", "app");
  await gateway.isOpen();
});

test("requests through the gateway keep a service with an idle rule up, and without them it is stopped", async (t) => {
  const gateway = await withModel(t, "", "idle: { after: 3s }\n");
  gateway.ready(true);
  await gateway.box.until("app", "RUNNING");
  for (const until = performance.now() + 5_000; performance.now() < until; ) {
    assert.notEqual((await gateway.box.status("app")).state, "STOPPED");
    await gateway.status("/");
    await new Promise((done) => setTimeout(done, 100));
  }
  await gateway.box.until("app", "STOPPED");
});

test("when a service was last asked for is written down, for whoever stops idle ones", async (t) => {
  const gateway = await withModel(t, "");
  gateway.ready(true);
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const since = Date.now();
  const slow = gateway.curl("-H", "X-Wait: 3000", "-d", "x", "/");
  const activity = () => JSON.parse(gateway.box.file("run/gateway.activity.json") || "{}").services?.app;
  await gateway.box.becomes("it is busy", () => activity()?.underWay === 1);
  await slow;
  await gateway.box.becomes("it is not", () => activity()?.underWay === 0);
  assert.ok(Date.parse(activity().lastRequestAt) >= since);
});

test("replicas share the requests: whoever has the least to do gets the next, and one that stops gets none", async (t) => {
  const gateway = await withReplicas(t, "");

  const pids = async (count: number): Promise<string[]> => {
    const answers = await Promise.all(
      Array.from({ length: count }, () => gateway.curl("-H", "X-Wait: 500", "-d", "x", "/")),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array.from({ length: count }, () => 200),
    );
    return answers.map(({ body }) => body.split(" ")[0]!);
  };
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  const seen = await pids(8);
  const [one, two] = [await gateway.box.pid("app@1"), await gateway.box.pid("app@2")];
  assert.deepEqual(
    [one, two].map((pid) => seen.filter((other) => other === String(pid)).length),
    [4, 4],
  );
  await gateway.box.svctl("stop", "app@1");
  assert.deepEqual([...new Set(await pids(4))], [String(two)]);
});

test("replicas that are restarted one after the other under load cost no request", async (t) => {
  const gateway = await withReplicas(t, ", idempotent: /score");
  const clients = load(gateway.port, 8);
  for (let round = 0; round < 2; round++)
    for (const name of ["app@1", "app@2"]) assert.equal((await gateway.box.svctl("restart", name)).code, 0);
  const { good, bad } = await clients.stop();
  t.diagnostic(`${good} requests answered across four restarts, ${bad.length} failed`);
  assert.deepEqual(bad, []);
});

async function withReplicas(t: TestContext, more: string): Promise<GatewayBox> {
  const gateway = await withModel(t, "");
  gateway.ready(true);
  const low = await freeTen();
  gateway.box.write(
    "app.yaml",
    `command: [ ${JSON.stringify(process.execPath)}, server.cjs, "${low}\${REPLICA}" ]
startsecs: 0s
replicas: 2
healthcheck: { http: "http://127.0.0.1:${low}\${REPLICA}/health", interval: 100ms }
expose: { port: ${gateway.port}, to: "127.0.0.1:${low}\${REPLICA}", auth: none${more} }
`,
  );
  await gateway.box.until("app@1", "RUNNING");
  await gateway.box.until("app@2", "RUNNING");
  await gateway.box.becomes("they are one route", async () => {
    const { routes } = (await gateway.routes()) as unknown as { routes: { targets: unknown[] }[] };
    return routes[0]?.targets.length === 2;
  });
  await gateway.box.becomes("it answers", async () => (await gateway.status("/")) === 200);
  return gateway;
}

/** Digits before which any last digit gives a free port. */
async function freeTen(): Promise<number> {
  for (;;) {
    const low = 2_000 + Math.floor(Math.random() * 1_000);
    if (!(await canConnect(low * 10 + 1)) && !(await canConnect(low * 10 + 2))) return low;
  }
}
