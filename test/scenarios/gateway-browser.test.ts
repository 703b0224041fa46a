/**
 * The gateway in front of a real browser (Debian's chromium, driven by playwright-core): the page of a model that loads, the
 * way in by an address with a token, and what a page of another site cannot do.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createServer } from "node:http";
import { type TestContext, test } from "node:test";
import { type Browser, chromium } from "playwright-core";
import { freePorts, GatewayBox } from "./gateway-box.ts";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((path) => existsSync(path));
const skip = CHROMIUM === undefined ? "NOTICE: chromium is not installed (apt-get install chromium)" : false;

async function browser(t: TestContext): Promise<Browser> {
  const started = await chromium.launch({ executablePath: CHROMIUM!, args: ["--no-sandbox", "--disable-gpu"] });
  t.after(() => started.close());
  return started;
}

test("a person sees what a loading model is busy with, and the page opens the program by itself", {
  skip,
}, async (t) => {
  const gateway = await GatewayBox.open(t, {
    answer: (_, response) => void response.end("<title>The program</title>"),
  });
  const ready = gateway.box.path("ready");
  gateway.box.write(
    "app.yaml",
    `command: sleep 3601
healthcheck: { exec: [sh, -c, "test -e ${ready}"], interval: 200ms, retries: 1000, start_period: 5m }
expose: { port: ${gateway.port}, to: ${gateway.behindPort}, name: Model }
`,
  );
  await gateway.box.until("app", "STARTING");
  const page = await (await browser(t)).newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => /Content Security Policy/.test(message.text()) && problems.push(message.text()));
  const token = await gateway.token();
  await gateway.box.becomes(
    "the gateway knows",
    async () => (await gateway.status("-H", `Authorization: Bearer ${token}`, "/")) === 503,
  );
  await page.goto(gateway.url(`/?token=${token}`), { waitUntil: "domcontentloaded" });
  assert.equal(page.url(), gateway.url("/"));
  assert.equal(await page.textContent("#state"), "STARTING");
  assert.match((await page.textContent("h1"))!, /Model/);
  const { code } = await gateway.box.run("touch", [ready]);
  assert.equal(code, 0);
  await gateway.box.becomes("the program is there", async () => (await page.title().catch(() => "")) === "The program");
  assert.deepEqual(problems, []);
});

test("a browser keeps its session in a cookie that no script reads, and asks for a password without one", {
  skip,
}, async (t) => {
  const gateway = await GatewayBox.open(t, { answer: (_, response) => void response.end("<title>in</title>") });
  const token = await gateway.token();
  const context = await (await browser(t)).newContext();
  const page = await context.newPage();
  // Nobody is there to fill in the box for user and password.
  await assert.rejects((await context.newPage()).goto(gateway.url("/")), /ERR_INVALID_AUTH_CREDENTIALS/);
  await page.goto(gateway.url(`/a?token=${token}`));
  assert.equal(page.url(), gateway.url("/a"));
  assert.equal(await page.evaluate("document.cookie"), "");
  const [cookie] = await context.cookies();
  assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, cookie?.value.includes(token)], [true, "Lax", false]);
  assert.equal((await page.goto(gateway.url("/b")))?.status(), 200);
  const known = await (await browser(t)).newContext({ httpCredentials: { username: "vastai", password: token } });
  assert.equal((await (await known.newPage()).goto(gateway.url("/")))?.status(), 200);
});

test("a page of another site can neither open a WebSocket nor change anything with somebody's session", {
  skip,
}, async (t) => {
  let reached = 0;
  const gateway = await GatewayBox.open(t, {
    answer: (request, response) => {
      if (request.method === "POST") reached++;
      response.end("<title>in</title>");
    },
  });
  gateway.behind.on("upgrade", (_, socket) => {
    reached++;
    socket.destroy();
  });
  const [port = 0] = await freePorts(1);
  const evil = createServer((_, response) => response.end("<title>evil</title>")).listen(port, "127.0.0.1");
  t.after(() => evil.close());
  const page = await (await browser(t)).newPage();
  await page.goto(gateway.url(`/?token=${await gateway.token()}`));
  await page.goto(`http://127.0.0.1:${port}/`); // The same host, so that the cookie is sent; another origin.
  const outcome = await page.evaluate(`new Promise((done) => {
    const socket = new WebSocket("ws://127.0.0.1:${gateway.port}/ws");
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
  })`);
  assert.equal(outcome, "refused");
  await page.evaluate(
    `fetch("${gateway.url("/change")}", { method: "POST", mode: "no-cors", credentials: "include", body: "x" }).catch(() => {})`,
  );
  assert.equal(reached, 0);
});
