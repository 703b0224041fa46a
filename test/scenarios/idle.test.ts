/**
 * What nobody uses is stopped, or its command is run: services by their own rule, the machine by svcd.yaml's. Time is short here; the
 * rules are those of hours.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { Box } from "./box.ts";

/** A page of metrics whose counter the story moves. */
async function metricsPage(t: TestContext): Promise<{ url: string; requests: number; status: number }> {
  const page = { url: "", requests: 1, status: 200 };
  const server = createServer((_, response) => {
    response.writeHead(page.status).end(`http_requests_total ${page.requests}\n`);
  }).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  t.after(() => server.close());
  page.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  return page;
}

test("a service that nobody uses is stopped, says why, and starts again when asked", async (t) => {
  const page = await metricsPage(t);
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1000\nstartsecs: 0s\nidle: { after: 1500ms, metrics: "${page.url}" }`,
    "other.yaml": "command: sleep 1000",
  });
  // While requests come it stays.
  const uses = setInterval(() => page.requests++, 100);
  t.after(() => clearInterval(uses));
  await box.becomes("its use is seen", async () => {
    const { idle } = await box.control.idle();
    return idle.some(({ service, sources }) => service === "web" && sources[0]?.what.startsWith("used now") === true);
  });
  const { stdout } = await box.svctl("why", "web");
  assert.match(stdout, /Idle\n {2}nobody has used it for \S+; in \S+: stop\n {2}requests: /);
  assert.equal((await box.status("web")).state, "RUNNING");
  clearInterval(uses);

  const { why } = await box.until("web", "STOPPED");
  assert.match(why, /^stopped: nobody has used web for \S+, last run killed by SIGTERM/);
  assert.equal((await box.status("other")).state, "RUNNING");
  await box.svctl("start", "web");
  assert.equal((await box.status("web")).state, "RUNNING");
});

test("keep-awake holds it, also across the death of the core, and says until when", async (t) => {
  const page = await metricsPage(t);
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1000\nstartsecs: 0s\nidle: { after: 1s, metrics: "${page.url}" }`,
  });
  assert.match((await box.svctl("keep-awake", "2h")).stdout, /^kept awake until \d{4}-/);
  const { core } = await box.control.health();
  process.kill(core, "SIGKILL");
  await box.becomes("another core is in charge", async () => (await box.control.health()).core !== core);
  await box.becomes("it is looked at", async () => (await box.control.idle()).idle.length === 1);
  const { idle, awakeUntil } = await box.control.idle();
  assert.ok(awakeUntil !== null);
  assert.deepEqual([idle[0]!.dueAt, idle[0]!.heldBy], [null, "kept awake by svctl keep-awake"]);
  assert.match((await box.svctl("keep-awake", "off")).stdout, /not kept awake/);
  await box.until("web", "STOPPED");
});

test("what was used before svcd could look is not taken for idle: after the core's death, and when the rule is new", async (t) => {
  const page = await metricsPage(t);
  const uses = setInterval(() => page.requests++, 100);
  t.after(() => clearInterval(uses));
  const text = "command: sleep 1000\nstartsecs: 0s\n";
  const rule = `idle: { after: 4s, metrics: "${page.url}" }\n`;
  const box = await Box.open(t, { "web.yaml": text });
  await box.until("web", "RUNNING");
  const upMs = async (): Promise<number> => Date.now() - Date.parse((await box.status("web")).since);
  await box.becomes("it is up for longer than the rule asks", async () => (await upMs()) > 5_000);
  box.write("web.yaml", text + rule);
  const isUsed = async (): Promise<boolean> => {
    const { idle } = await box.control.idle();
    return idle.some(({ sources }) => sources[0]?.what.startsWith("used now") === true);
  };
  await box.becomes("its use is seen", isUsed);
  const { core } = await box.control.health();
  process.kill(core, "SIGKILL");
  await box.becomes("another core is in charge", async () => (await box.control.health()).core !== core);
  await box.becomes("its use is seen again", isUsed);
  const { state, run } = await box.status("web");
  assert.deepEqual([state, run], ["RUNNING", 1]);
});

test("what is exposed where no gateway ever ran is not idle for that", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": "command: sleep 1000\nstartsecs: 0s\nexpose: { port: 8123, to: 18123 }\nidle: { after: 1s }",
  });
  await box.becomes("it is looked at", async () => (await box.control.idle()).idle.length === 1);
  const [web] = (await box.control.idle()).idle;
  assert.deepEqual([web!.dueAt, web!.heldBy], [null, "nothing here tells whether it is used"]);
});

test("a source that cannot be read keeps the service up", async (t) => {
  const page = await metricsPage(t);
  page.status = 503;
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1000\nstartsecs: 0s\nidle: { after: 1s, metrics: "${page.url}" }`,
  });
  await box.becomes("it is held", async () => {
    const [web] = (await box.control.idle()).idle;
    return (
      web !== undefined && Date.now() - Date.parse(web.quietSince) < 60_000 && web.heldBy?.includes("HTTP 503") === true
    );
  });
  assert.equal((await box.status("web")).state, "RUNNING");
  page.status = 200;
  await box.until("web", "STOPPED");
});

const mounts = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "none", "/dev/pts"]).status === 0;
const skip = mounts ? false : "a folder of terminals of its own needs root and mounts";

test("the machine's command is run when nobody uses anything on it, and everybody sees the countdown", {
  skip,
}, async (t) => {
  const page = await metricsPage(t);
  const box = Box.prepare(
    t,
    { "web.yaml": `command: sleep 1000\nstartsecs: 0s\nidle: { after: 1h, metrics: "${page.url}" }` },
    {
      env: { CONTAINER_ID: "4711" },
      settings: "idle:\n  after: 4s\n  then: { run: \"sh -c 'echo stop $CONTAINER_ID, $$SVCD_WHY > stopped'\" }\n",
    },
  );
  // Whoever runs these tests may type meanwhile: the box has no terminals of its own.
  box.inside = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev/pts && exec "$@"', "sh"];
  await box.start();
  await box.becomes("the countdown is in status", async () =>
    (await box.svctl("status")).stdout.includes("idle: this machine: nobody"),
  );
  const { stdout } = await box.svctl("status");
  assert.match(
    stdout,
    /idle: this machine: nobody has used it for \S+; in \S+: run sh -c 'echo stop 4711, .*svctl keep-awake 2h/,
  );
  await box.becomes(
    "the command has run",
    async () => existsSync(box.path("stopped")) && readFileSync(box.path("stopped"), "utf8") !== "",
  );
  assert.match(readFileSync(box.path("stopped"), "utf8"), /^stop 4711, nobody has used this machine for \S+\n$/);
});

test("what an idle command hands over as a secret is hidden wherever the command is shown", async (t) => {
  const page = await metricsPage(t);
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1000
startsecs: 0s
environment: { MY_API_KEY: sesame-open }
idle:
  after: 2s
  metrics: "${page.url}"
  then: { run: "echo $MY_API_KEY https://me:pass99@host/x --token abcdef" }
`,
  });
  await box.becomes("it is done", async () => box.terminal.includes("now: run echo"));
  const shown = [
    box.terminal,
    (await box.svctl("idle")).stdout,
    (await box.svctl("status")).stdout,
    (await box.svctl("why", "web")).stdout,
    JSON.stringify([await box.control.idle(), await box.control.health(), await box.control.service("web")]),
  ].join("\n");
  assert.match(shown, /run echo \(hidden\) https:\/\/\(hidden\)@host\/x --token \(hidden\)/);
  assert.doesNotMatch(shown, /sesame-open|pass99|abcdef/);
});

test("dry_run only says what would be done", async (t) => {
  const page = await metricsPage(t);
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1000\nstartsecs: 0s\nidle: { after: 1s, dry_run: true, metrics: "${page.url}" }`,
  });
  await box.becomes("it is said", async () => box.terminal.includes("idle (dry run): nobody has used web"));
  assert.equal((await box.status("web")).state, "RUNNING");
  assert.match(
    (await box.svctl("idle")).stdout,
    /^web: nobody has used it for \S+; stop \(dry run\) after 1s: due\n {2}requests: /,
  );
});

test("a job that runs and a service that starts are use of the machine", async (t) => {
  const box = Box.prepare(
    t,
    { "slow.yaml": "command: sleep 1000\nhealthcheck: { log: never, start_period: 1h }" },
    { settings: "idle: { after: 1s, then: { run: touch stopped } }\n" },
  );
  await box.start();
  await box.becomes("the machine is looked at", async () => (await box.control.idle()).idle.length === 1);
  const { sources } = (await box.control.idle()).idle[0]!;
  assert.ok(
    sources.some(({ source, what }) => source === "work" && what === "slow is starting"),
    JSON.stringify(sources),
  );
  assert.equal(existsSync(box.path("stopped")), false);
});
