/**
 * Who gets in through the gateway, asked with the real curl.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { freePorts, GatewayBox } from "./gateway-box.ts";

const OPEN = "button-0123456789abcdef0123456789";
const PASSWORD = "correct horse";
const SECRETS = { OPEN_BUTTON_TOKEN: OPEN, WEB_PASSWORD: PASSWORD, VAST_CONTAINERLABEL: "C.4711" };

test("the matrix: nothing without a key, everything with one, by header, address, cookie and password", async (t) => {
  const gateway = await GatewayBox.open(t, { env: SECRETS });
  const is = async (status: number, ...args: string[]) =>
    assert.equal(await gateway.status(...args), status, args.join(" "));
  await t.test("no key: 401, whatever is asked", async () => {
    for (const path of [
      "/",
      "/score",
      "/v1/score",
      "/rerank",
      "/invocations",
      "/tokenize",
      "/metrics",
      "/health",
      "/v1/models",
    ]) {
      await is(401, path);
      await is(401, "-X", "POST", "-d", "{}", path);
    }
    await is(401, "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "/ws");
    await is(401, "-X", "OPTIONS", "/score");
  });
  await t.test("Bearer: either secret; a wrong one 401", async () => {
    await is(200, "-H", `Authorization: Bearer ${OPEN}`, "/");
    await is(401, "-H", `Authorization: Bearer ${PASSWORD}`, "/"); // It has a blank: no header can carry it so.
    await is(401, "-H", "Authorization: Bearer wrong", "/");
  });
  await t.test("Basic: the user and the password; a wrong one of both 401", async () => {
    await is(200, "-u", `vastai:${PASSWORD}`, "/");
    await is(401, "-u", `vastai:${OPEN}`, "/");
    await is(401, "-u", `other:${PASSWORD}`, "/");
  });
  await t.test("?token=: programs go straight through, browsers are sent to the address without it", async () => {
    const program = await gateway.curl(`/a?token=${OPEN}&b=1`);
    assert.deepEqual([program.status, program.body], [200, "GET /a?b=1"]);
    const browser = await gateway.curl("-H", "Accept: text/html", `/a?token=${OPEN}&b=1`);
    assert.deepEqual([browser.status, browser.headers["location"]], [302, "/a?b=1"]);
    await is(302, "-H", "Sec-Fetch-Dest: document", `/?token=${OPEN}`);
    await is(401, "/?token=wrong");
    const [cookie = ""] = browser.cookies;
    assert.match(cookie, /^C\.4711_auth_token=[\w.-]+; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax$/);
    assert.ok(!cookie.includes(OPEN));
  });
  await t.test("the cookie that ?token= gives opens; one that is forged, or has another name, does not", async () => {
    const { cookies } = await gateway.curl(`/?token=${OPEN}`);
    const [value = ""] = cookies[0]!.split("; ", 1);
    await is(200, "-H", `Cookie: ${value}`, "/");
    await is(401, "-H", `Cookie: ${value.slice(0, -1)}`, "/");
    await is(401, "-H", `Cookie: x${value}`, "/");
    await is(401, "-H", `Cookie: C.4711_auth_token=${OPEN}`, "/");
  });
  await t.test("a browser is asked for user and password, a program for a token", async () => {
    const browser = await gateway.curl("-H", "Accept: text/html", "/");
    assert.match(browser.headers["www-authenticate"]!, /^Basic realm="App"/);
    const program = await gateway.curl("/");
    assert.match(program.headers["www-authenticate"]!, /^Bearer/);
    assert.match(JSON.parse(program.body).error.fix, /svctl token/);
  });
  await t.test("open paths are open, and a browser elsewhere can ask whether the machine is there", async () => {
    await is(200, "/manifest.json");
    await is(200, "/.well-known/acme-challenge/x");
    const resolver = await gateway.curl("/portal-resolver");
    assert.deepEqual([resolver.status, resolver.headers["access-control-allow-origin"]], [200, "*"]);
  });
  await t.test("no secret is in the log, in the arguments of a process, or in an answer of svcd", async () => {
    await is(401, `/?token=${OPEN}x&api_key=canary`);
    await gateway.box.becomes("the log has it", () =>
      gateway.box.log("gateway").includes('"path":"/?token=***&api_key=***"'),
    );
    const definition = JSON.stringify(await gateway.box.control.service("gateway"));
    const argv = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, "latin1");
        } catch {
          return "";
        }
      });
    const ours = argv.filter((line) => line.includes("gateway") && !line.includes("curl"));
    assert.ok(ours.length >= 2);
    for (const text of [gateway.box.log("gateway"), gateway.box.log("svcd"), definition, ...ours]) {
      assert.ok(!text.includes(OPEN) && !text.includes(PASSWORD) && !text.includes("canary"));
      assert.ok(!/auth_token=[\w-]/.test(text));
    }
  });
});

test("WEB_USERNAME names the user, and then the usual one is nobody", async (t) => {
  const gateway = await GatewayBox.open(t, { env: { ...SECRETS, WEB_USERNAME: "ada" } });
  assert.equal(await gateway.status("-u", `ada:${PASSWORD}`, "/"), 200);
  assert.equal(await gateway.status("-u", `vastai:${PASSWORD}`, "/"), 401);
});

test("without secrets a token is made once, for its owner's eyes only, and svctl prints it", async (t) => {
  const gateway = await GatewayBox.open(t);
  const token = await gateway.token();
  assert.match(token, /^sv_[\w-]{43}$/);
  assert.equal(statSync(gateway.box.path("state/gateway/token")).mode & 0o777, 0o600);
  assert.equal(statSync(gateway.box.path("state/gateway")).mode & 0o777, 0o700);
  assert.equal(await gateway.status("-H", `Authorization: Bearer ${token}`, "/"), 200);
  assert.equal(await gateway.status("-u", `vastai:${token}`, "/"), 200);
  assert.ok(!gateway.box.log("gateway").includes(token));
  await gateway.box.svctl("restart", "gateway");
  await gateway.isOpen();
  assert.equal(await gateway.token(), token);
  assert.equal(await gateway.status("-H", `Authorization: Bearer ${token}`, "/"), 200);
});

test("a session goes on across a restart of the gateway, and ends with a changed secret", async (t) => {
  const gateway = await GatewayBox.open(t, { env: SECRETS });
  const { cookies } = await gateway.curl(`/?token=${OPEN}`);
  const cookie = `Cookie: ${cookies[0]!.split("; ", 1)[0]}`;
  await gateway.box.svctl("restart", "gateway");
  await gateway.isOpen();
  assert.equal(await gateway.status("-H", cookie, "/"), 200);
  gateway.box.write(
    "gateway.yaml",
    gateway.service({ ...SECRETS, OPEN_BUTTON_TOKEN: "another-0123456789abcdef01234567" }),
  );
  await gateway.box.becomes("the session is over", async () => (await gateway.status("-H", cookie, "/")) === 401);
});

test("AUTH_EXCLUDE opens its ports and no other; ENABLE_AUTH=false opens all, and both are told", async (t) => {
  const gateway = await GatewayBox.open(t, { env: { ...SECRETS } });
  const [other = 0] = await freePorts(1);
  gateway.box.write("other.yaml", `command: sleep 3600\nexpose: { port: ${other}, to: ${gateway.behindPort} }\n`);
  await gateway.isOpen(other);
  const statuses = async () => [await gateway.status("/"), await gateway.status(`http://127.0.0.1:${other}/`)];
  assert.deepEqual(await statuses(), [401, 401]);
  gateway.box.write("gateway.yaml", gateway.service({ ...SECRETS, AUTH_EXCLUDE: `nonsense,${other}` }));
  await gateway.box.becomes("the excluded port is open", async () => (await statuses()).join() === "401,200");
  await gateway.tells(/AUTH_EXCLUDE, entry 1, character 1: `nonsense` is not a port/);
  gateway.box.write("gateway.yaml", gateway.service({ ...SECRETS, ENABLE_AUTH: "false" }));
  await gateway.box.becomes("all is open", async () => (await statuses()).join() === "200,200");
  await gateway.tells(/ENABLE_AUTH: nothing asks for a token/);
});

test("AUTH_EXCLUDE from /etc/environment counts after a restart of the gateway, as on the platform's images", async (t) => {
  const gateway = await GatewayBox.open(t, { env: SECRETS });
  const file = gateway.box.path("environment");
  const text = `${gateway.service(SECRETS)}env_file: ["?${file}"]\n`;
  gateway.box.write("gateway.yaml", text);
  await gateway.box.becomes("it asks", async () => (await gateway.status("/")) === 401);
  writeFileSync(file, `AUTH_EXCLUDE="${gateway.port}"\n`);
  await gateway.box.svctl("restart", "gateway");
  await gateway.box.becomes("it is open", async () => (await gateway.status("/")) === 200);
});

test("named tokens: what they open, how long and how often; a revoked one ends what it has open", async (t) => {
  const gateway = await GatewayBox.open(t, {
    answer: (request, response) => {
      response.write("first\n");
      if (request.url !== "/stream") response.end();
    },
  });
  const { box } = gateway;
  const add = async (...args: string[]) => {
    const { stdout, code, stderr } = await box.svctl("token", "add", ...args);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  };
  const bearer = (token: string) => ["-H", `Authorization: Bearer ${token}`];
  const [all, scoped, reader, slow, brief] = [
    await add("all"),
    await add("scoped", "--scope", "app"),
    await add("reader", "--read-only"),
    await add("slow", "--rate", "2/m"),
    await add("brief", "--expires", "1ms"),
  ];
  const elsewhere = await add("elsewhere", "--scope", "jupyter,vllm");
  assert.equal(await gateway.status(...bearer(all), "/"), 200);
  assert.equal(await gateway.status(...bearer(scoped), "/"), 200);
  assert.equal(await gateway.status(...bearer(elsewhere), "/"), 403);
  assert.equal(await gateway.status(...bearer(reader), "/"), 200);
  assert.equal(await gateway.status(...bearer(reader), "-d", "x", "/"), 403);
  assert.equal(await gateway.status(...bearer(brief), "/"), 401);
  assert.equal(await gateway.status(...bearer(slow), "/"), 200);
  assert.equal(await gateway.status(...bearer(slow), "/"), 200);
  const limited = await gateway.curl(...bearer(slow), "/");
  assert.equal(limited.status, 429);
  assert.ok(Number(limited.headers["retry-after"]) > 10);

  const book = readFileSync(box.path("state/gateway/tokens.json"), "utf8");
  assert.equal(statSync(box.path("state/gateway/tokens.json")).mode & 0o777, 0o600);
  for (const token of [all, scoped, reader, slow, brief, elsewhere]) assert.ok(!book.includes(token));
  const listed = (await box.svctl("token", "list")).stdout;
  assert.match(listed, /^reader +\S+ +everything; only reading$/m);
  assert.match(listed, /^brief +\S+ +expired$/m);
  assert.ok(!listed.includes("sv_"));
  assert.equal((await box.svctl("token", "add", "all")).code, 1);
  assert.equal((await box.svctl("token", "revoke", "nobody")).code, 4);

  const streaming = gateway.curl("-N", ...bearer(all), "/stream");
  await box.becomes("it streams", async () => /requests_under_way 1\n/.test(await gateway.metrics()));
  assert.equal((await box.svctl("token", "revoke", "all")).code, 0);
  assert.notEqual((await streaming).code, 0);
  assert.equal(await gateway.status(...bearer(all), "/"), 401);
  const metrics = await gateway.metrics();
  assert.match(metrics, /svcd_gateway_requests_total\{route="App",token="slow",code="2xx"\} 2/);
});

test("wrong guesses are counted and slowed down for their address", async (t) => {
  const gateway = await GatewayBox.open(t, { env: SECRETS });
  const seen: number[] = [];
  for (let i = 0; i < 14; i++) seen.push(await gateway.status("-u", `vastai:guess${i}`, "/"));
  assert.deepEqual(
    seen.slice(0, 10),
    Array.from({ length: 10 }, () => 401),
  );
  const slowed = seen.indexOf(429);
  assert.ok(slowed >= 10, seen.join());
  assert.equal(await gateway.status("-H", `Authorization: Bearer ${OPEN}`, "/"), 200);
  assert.match(await gateway.metrics(), /svcd_gateway_wrong_guesses_total 1\d\n/);
});

test("CORS: a preflight needs no token, the request itself does, and other origins get nothing", async (t) => {
  const gateway = await GatewayBox.open(t, { env: SECRETS, expose: "cors: https://app.example" });
  const preflight = [
    "-X",
    "OPTIONS",
    "-H",
    "Access-Control-Request-Method: POST",
    "-H",
    "Access-Control-Request-Headers: authorization, content-type",
  ];
  const allowed = await gateway.curl(...preflight, "-H", "Origin: https://app.example", "/score");
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers["access-control-allow-origin"], "https://app.example");
  assert.match(allowed.headers["access-control-allow-methods"]!, /POST/);
  assert.equal(allowed.headers["access-control-allow-headers"], "authorization, content-type");
  const other = await gateway.curl(...preflight, "-H", "Origin: https://evil.example", "/score");
  assert.deepEqual([other.status, other.headers["access-control-allow-origin"]], [401, undefined]);
  const asked = await gateway.curl(
    "-H",
    "Origin: https://app.example",
    "-H",
    `Authorization: Bearer ${OPEN}`,
    "-d",
    "x",
    "/score",
  );
  assert.deepEqual([asked.status, asked.headers["access-control-allow-origin"]], [200, "https://app.example"]);
  assert.equal(asked.headers["access-control-allow-credentials"], undefined);
  const refused = await gateway.curl("-H", "Origin: https://app.example", "/score");
  assert.deepEqual([refused.status, refused.headers["access-control-allow-origin"]], [401, "https://app.example"]);
});

test("vLLM's endpoints for developers are closed, unless the service says otherwise", async (t: TestContext) => {
  const gateway = await GatewayBox.open(t, { env: SECRETS });
  const key = ["-H", `Authorization: Bearer ${OPEN}`];
  for (const path of ["/sleep?level=1", "/wake_up", "/collective_rpc", "/%73leep"])
    assert.equal(await gateway.status(...key, "-X", "POST", path), 403, path);
  gateway.box.write("app.yaml", gateway.exposed("allow_dev: true"));
  await gateway.box.becomes(
    "it is let through",
    async () => (await gateway.status(...key, "-X", "POST", "/sleep")) === 200,
  );
  assert.equal(await gateway.status("-X", "POST", "/sleep"), 401);
});
