/**
 * The control API as programs meet it: HTTP and JSON on a Unix socket, with curl or any HTTP client.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { type TestContext, test } from "node:test";
import { ROUTES } from "../../src/control/routes.ts";
import { Box, isAlive, kill, modeOf } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what the wire holds is what these tests look at.
  readonly json: any;
}

function ask(
  box: Box,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  return new Promise((done, fail) => {
    const asking = request(
      { socketPath: box.path("run/svcd.sock"), method, path, headers: { ...json, ...headers } },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (more: string) => (text += more));
        response.on("end", () => {
          const isJson = response.headers["content-type"]?.startsWith("application/json") === true;
          done({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: isJson ? JSON.parse(text) : null,
          });
        });
      },
    );
    asking.on("error", fail).end(body);
  });
}

const get = (box: Box, path: string): Promise<Answer> => ask(box, "GET", path);
const post = (box: Box, path: string, body?: unknown): Promise<Answer> =>
  ask(box, "POST", path, body === undefined ? undefined : JSON.stringify(body));

test("curl on the socket is enough to ask svcd", {
  skip: !isInstalled("curl") && "curl is not installed",
}, async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const { pid } = await box.until("web", "RUNNING");
  const curl = (...args: string[]) => box.run("curl", ["-sS", "--unix-socket", box.path("run/svcd.sock"), ...args]);
  const services = await curl("http://svcd/v1/services");
  assert.equal(services.code, 0, services.stderr);
  assert.equal(JSON.parse(services.stdout)[0].pid, pid);
  const stopped = await curl("-X", "POST", "http://svcd/v1/services/web/stop");
  assert.equal(JSON.parse(stopped.stdout)[0].outcome, "done");
  await box.until("web", "STOPPED");
});

test("services are listed, selected, described, and acted upon", async (t) => {
  const box = await Box.open(t, {
    "db.yaml": SLEEPS,
    "web.yaml": `${SLEEPS}depends_on: { db: ready }\nenvironment: { PORT: "8000", API_TOKEN: hunter2 }\n`,
  });
  const { pid } = await box.until("web", "RUNNING");

  const { status, headers, json } = await get(box, "/v1/services");
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["cache-control"], "no-store");
  assert.deepEqual(
    json.map(({ name, state }: { name: string; state: string }) => `${name} ${state}`),
    ["db RUNNING", "web RUNNING"],
  );
  const shown = JSON.parse((await box.svctl("status", "--json")).stdout);
  const withoutSince = (all: object[]): object[] => all.map((one) => ({ ...one, since: "" })); // It differs by a millisecond.
  assert.deepEqual(withoutSince(json), withoutSince(shown), "svctl shows the same");
  assert.equal((await get(box, "/v1/services?names=w*")).json[0].pid, pid);

  const { json: detail } = await get(box, "/v1/services/web");
  assert.equal(detail.status.name, "web");
  assert.deepEqual(detail.dependsOn, [{ name: "db", condition: "ready", met: true }]);
  assert.deepEqual((await get(box, "/v1/services/db")).json.neededBy, ["web"]);
  assert.equal(detail.logs.stdout, box.path("log/web.log"));
  assert.equal(detail.definition.environment.PORT, "8000");
  assert.doesNotMatch(JSON.stringify(detail), /hunter2/, "secrets are masked");

  const done = await post(box, "/v1/services/web/restart");
  assert.deepEqual(
    [done.status, done.json],
    [200, [{ name: "web", outcome: "done", what: "restarted", runBefore: 1 }]],
  );
  await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  assert.equal((await post(box, "/v1/services/web,db/signal", { signal: "CONT" })).json.length, 2);
  const { json: health } = await get(box, "/v1/health");
  const { version, since, containment, ...rest } = health;
  assert.match(version, /^\d/);
  assert.match(containment.way, /^(cgroup|subreaper|scan)$/);
  assert.ok(Date.parse(since) <= Date.now());
  assert.deepEqual(rest, {
    status: "ok",
    keeper: health.keeper,
    core: health.core,
    services: 2,
    jobs: 0,
    mistakes: 0,
    troubles: [],
    countdowns: [],
  });
  assert.ok(isAlive(health.keeper) && isAlive(health.core));
  const { json: plan } = await get(box, "/v1/plan");
  assert.deepEqual(plan, {
    added: [],
    changed: [],
    removed: [],
    kept: [],
    jobs: { added: [], changed: [], removed: [], kept: [] },
    mistakes: [],
  });
});

test("/openapi.json describes every route, and every question in it is answered", async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS });
  mkdirSync(box.path("cron.d"), { mode: 0o700 });
  writeFileSync(box.path("cron.d/tick.yaml"), 'schedule: "@daily"\ncommand: "true"\n', { mode: 0o600 });
  await box.start();
  await box.until("web", "RUNNING");
  assert.equal((await post(box, "/v1/jobs/tick/run", { wait: 30 })).json.record.result, "success");
  const { status, json } = await get(box, "/openapi.json");
  assert.equal(status, 200);
  assert.match(json.openapi, /^3\./);
  const described = Object.entries(json.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods)
      .filter((method) => method !== "parameters")
      .map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(described.sort(), ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
  for (const route of described.filter((one) => one.startsWith("GET ") && !one.endsWith("/events"))) {
    const path = route
      .slice(4)
      .replace("{name}", route.includes("/jobs/") ? "tick" : "web")
      .replace("{run}", "1");
    assert.equal((await get(box, path)).status, 200, path);
  }
});

test("/metrics is what Prometheus reads", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS, "odd-name.x_1.yaml": SLEEPS, "bad.yaml": "comand: x\n" });
  await box.until("web", "RUNNING");
  await box.until("odd-name.x_1", "RUNNING");
  const { headers, text } = await get(box, "/metrics");
  assert.match(headers["content-type"] ?? "", /^text\/plain; version=0\.0\.4/);
  assert.ok(text.endsWith("\n"));
  const types = new Map<string, string>();
  const samples = new Map<string, number>();
  for (const line of text.trimEnd().split("\n")) {
    const about = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (about !== null) {
      if (about[1] === "TYPE") types.set(about[2] as string, about[3] as string);
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
    assert.ok(sample !== null, `not a sample: ${line}`);
    const [, name = "", labels = "", value] = sample;
    assert.ok(types.has(name.replace(/_(bucket|sum|count)$/, "")) || types.has(name), `no TYPE before ${line}`);
    assert.ok(!samples.has(name + labels), `twice: ${line}`);
    samples.set(name + labels, Number(value));
  }
  assert.equal(samples.get("svcd_up"), 1);
  assert.equal(samples.get("svcd_services"), 2);
  assert.equal(samples.get("svcd_config_mistakes"), 1);
  assert.equal(samples.get('svcd_service_state{service="web",state="RUNNING"}'), 1);
  assert.equal(samples.get('svcd_service_state{service="web",state="FATAL"}'), 0);
  assert.ok((samples.get('svcd_service_resident_bytes{service="odd-name.x_1"}') ?? 0) > 0);
  assert.equal(types.get("svcd_service_restarts_total"), "counter");
});

// --- events --------------------------------------------------------------------------------------------------------------

interface Heard {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly data: any;
}

/** Listens to /v1/events until it is closed. */
async function listen(t: TestContext, box: Box, headers: Record<string, string> = {}, query = "") {
  const heard: Heard[] = [];
  const asking = request({ socketPath: box.path("run/svcd.sock"), path: `/v1/events${query}`, headers });
  t.after(() => asking.destroy());
  let firstId = "";
  await new Promise<void>((done, fail) => {
    asking.on("error", fail).on("response", (response) => {
      assert.equal(response.headers["content-type"], "text/event-stream; charset=utf-8");
      let rest = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        const blocks = (rest + text).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
          if (field("event") === "") firstId ||= field("id");
          else heard.push({ id: field("id"), event: field("event"), data: JSON.parse(field("data")) });
        }
        done();
      });
      response.on("error", () => {});
    });
    asking.end();
  });
  return { heard, firstId, close: () => asking.destroy() };
}

const states = (heard: readonly Heard[], name: string): string[] =>
  heard
    .filter(({ event, data }) => event === "state" && data.service.name === name)
    .map(({ data }) => data.service.state);

test("/v1/events tells what happens; whoever comes back with the last id misses nothing and hears nothing twice", async (t) => {
  const box = await Box.open(t, { "web.yaml": `${SLEEPS}autostart: false\n` });
  const first = await listen(t, box);
  assert.notEqual(first.firstId, "", "even before the first event there is an id to come back with");
  await post(box, "/v1/services/web/start");
  await box.becomes("it is told", () => states(first.heard, "web").includes("RUNNING"));
  assert.deepEqual([...new Set(states(first.heard, "web"))], ["STARTING", "RUNNING"]);
  const { data } = first.heard.at(-1) as Heard;
  assert.equal(data.service.pid, (await box.status("web")).pid);
  assert.equal(new Date(data.at).toISOString(), data.at);
  first.close();
  const lastId = (first.heard.at(-1) as Heard).id;

  await post(box, "/v1/services/web/stop");
  await box.until("web", "STOPPED");
  const second = await listen(t, box, { "Last-Event-ID": lastId });
  await box.becomes("what was missed is told", () => states(second.heard, "web").includes("STOPPED"));
  assert.deepEqual([...new Set(states(second.heard, "web"))].slice(-2), ["STOPPING", "STOPPED"]);
  const third = await listen(t, box, {}, `?since=${first.firstId}`);
  await box.becomes("all is told", () => states(third.heard, "web").includes("STOPPED"));
  const ids = third.heard.map(({ id }) => id);
  assert.deepEqual(
    ids,
    [...first.heard, ...second.heard].map(({ id }) => id),
  );
  assert.equal(new Set(ids).size, ids.length);

  box.write("more.yaml", SLEEPS);
  await box.becomes("a plan is told", () => second.heard.some(({ event }) => event === "plan"));
  assert.deepEqual(second.heard.find(({ event }) => event === "plan")?.data.plan.added, ["more"]);
});

test("/v1/events says `reset` to whoever comes with an id of another core", async (t) => {
  const box = await Box.open(t);
  const { firstId, close } = await listen(t, box);
  close();
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
  const again = await listen(t, box, { "Last-Event-ID": firstId });
  await box.becomes("it is told", () => again.heard.some(({ event }) => event === "reset"));
});

// --- refusals ------------------------------------------------------------------------------------------------------------

test("what cannot be answered is refused with a fitting status, and what, where and fix in JSON", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS, "mute.yaml": `${SLEEPS}logs: none\n` });
  await box.until("web", "RUNNING");
  const cases: readonly (readonly [status: number, code: string, fix: RegExp, answer: Promise<Answer>])[] = [
    [404, "no_such_path", /did you mean \/v1\/services\?/, get(box, "/v1/servces")],
    [404, "no_such_path", /openapi\.json/, get(box, "/")],
    [404, "unknown_service", /did you mean “web”\?/, get(box, "/v1/services/wbe")],
    [404, "unknown_service", /svctl status/, post(box, "/v1/services/nobody/start")],
    [404, "no_such_action", /did you mean `?restart`?\?/, post(box, "/v1/services/web/restrt")],
    [404, "no_log", /logs: none/, get(box, "/v1/services/mute/logs")],
    [405, "method_not_allowed", /use GET/, post(box, "/v1/services")],
    [405, "method_not_allowed", /use POST/, get(box, "/v1/services/web/stop")],
    [405, "method_not_allowed", /use GET/, ask(box, "DELETE", "/v1/services/web")],
    [400, "bad_request", /./, get(box, "/v1/services?nmes=web")],
    [400, "bad_request", /./, get(box, "/v1/services/web/logs?lines=many")],
    [400, "bad_request", /./, get(box, "/v1/services/web/logs?lines=1&bytes=1")],
    [400, "bad_request", /./, post(box, "/v1/services/web/signal", { signl: "HUP" })],
    [400, "bad_signal", /TERM/, post(box, "/v1/services/web/signal", { signal: "NOPE" })],
    [400, "bad_json", /./, ask(box, "POST", "/v1/services/web/signal", "{")],
    [400, "bad_path", /%25/, get(box, "/v1/services/%zz")],
    [403, "browser", /svctl/, ask(box, "GET", "/v1/services", undefined, { Origin: "http://evil.example" })],
    [413, "too_large", /./, ask(box, "POST", "/v1/plan/apply", JSON.stringify({ names: ["x".repeat(100_000)] }))],
    [415, "not_json", /application\/json/, ask(box, "POST", "/v1/plan/apply", "x", { "Content-Type": "text/plain" })],
  ];
  for (const [status, code, fix, asked] of cases) {
    const answer = await asked;
    const { error, ...others } = answer.json;
    assert.deepEqual([answer.status, error.code, others], [status, code, {}], answer.text);
    assert.deepEqual(Object.keys(error), ["code", "what", "where", "fix"]);
    assert.match(error.fix, fix);
    assert.ok(error.what !== "" && /^[A-Z]+ \//.test(error.where), answer.text);
  }
  const notAllowed = await post(box, "/v1/services");
  assert.equal(notAllowed.headers.allow, "GET");
  assert.equal((await box.status("web")).run, 1, "nothing of it did anything");
});

// --- who may -------------------------------------------------------------------------------------------------------------

test("only the owner may use the socket and read what svcd keeps", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  assert.ok(lstatSync(box.path("run/svcd.sock")).isSocket());
  assert.equal(modeOf(box.path("run/svcd.sock")), "600");
  for (const directory of ["run", "state", "log"]) assert.equal(modeOf(box.path(directory)), "700", directory);
});

test("with a `group:` its members may use the socket", {
  skip: process.getuid?.() !== 0 && "only root has groups to give",
}, async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS });
  writeFileSync(box.path("svcd.yaml"), "group: daemon\n");
  await box.start();
  const { gid } = statSync(box.path("run/svcd.sock"));
  assert.equal(String(gid), /^daemon:[^:]*:(\d+):/m.exec((await box.run("cat", ["/etc/group"])).stdout)?.[1]);
  assert.equal(modeOf(box.path("run/svcd.sock")), "660");
  assert.equal(modeOf(box.path("run")), "750");
  assert.equal(statSync(box.path("run")).gid, gid);
});

test("POST /v1/shutdown is answered before svcd ends", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const { pid } = await box.until("web", "RUNNING");
  const { status, json } = await post(box, "/v1/shutdown");
  assert.deepEqual([status, json], [202, { accepted: "all services are stopped, then svcd ends" }]);
  assert.equal(await box.ended(), 0);
  assert.ok(!isAlive(pid as number));
});

function isInstalled(program: string): boolean {
  return spawnSync(program, ["--version"], { stdio: "ignore" }).error === undefined;
}
