/**
 * Health checks against real servers: STARTING until the first passes, restarted when they no longer do.
 */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

/** Answers as the file `mood` says at that moment: a status, or "silent": it accepts and says nothing. */
const SERVER = `
const { readFileSync, appendFileSync } = require("node:fs");
const mood = () => { try { return readFileSync("mood", "utf8").trim(); } catch { return "200"; } };
require("node:http").createServer((request, response) => {
  appendFileSync("asked", mood() + "\\n");
  if (mood() !== "silent") response.writeHead(Number(mood())).end("as you wish");
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening on", process.argv[2]));
`;

const OFTEN = "interval: 100ms, timeout: 1s, retries: 2";

async function boxWithServer(t: TestContext): Promise<{ box: Box; port: number; node: string }> {
  const box = Box.prepare(t);
  writeFileSync(box.path("server.cjs"), SERVER);
  return { box, port: await freePort(), node: JSON.stringify(process.execPath) };
}

test("http: STARTING until it answers well, unhealthy after its retries, then restarted", async (t) => {
  const { box, port, node } = await boxWithServer(t);
  const mood = (text: string) => writeFileSync(box.path("mood"), text);
  mood("503");
  box.write(
    "web.yaml",
    `command: [ ${node}, server.cjs, "${port}" ]
startsecs: 0s
backoff: { first: 1ms, longest: 1ms }
healthcheck: { http: "http://127.0.0.1:${port}/health", ${OFTEN}, start_period: 1m }
`,
  );
  await box.start();
  const starting = await box.until("web", ({ phase }) => /503/.test(phase ?? ""));
  assert.equal(starting.state, "STARTING");
  assert.equal(starting.health, "starting");

  mood("200");
  const healthy = await box.until("web", "RUNNING");
  assert.equal(healthy.health, "healthy");
  assert.equal(healthy.run, 1);

  await t.test("one that stops answering well is restarted, and `why` says so", async () => {
    mood("500");
    await box.until("web", ({ run }) => run === 2);
    assert.match((await box.svctl("why", "web")).stdout, /number 1\): unhealthy: .*500.*; svcd ended it/);
    assert.match(box.terminal, /unhealthy: .*500/);
    mood("200");
    const back = await box.until("web", "RUNNING");
    assert.equal(back.health, "healthy");
    assert.equal(back.restarts, 1);
    assert.match(back.why, /last end: unhealthy: .*500/);
    assert.notEqual(back.pid, healthy.pid);
  });
});

test("on_unhealthy: nothing leaves it alone and shows it", async (t) => {
  const { box, port, node } = await boxWithServer(t);
  box.write(
    "web.yaml",
    `command: [ ${node}, server.cjs, "${port}" ]
startsecs: 0s
healthcheck: { http: "http://127.0.0.1:${port}/", ${OFTEN}, on_unhealthy: nothing }
`,
  );
  await box.start();
  await box.until("web", ({ health }) => health === "healthy");
  writeFileSync(box.path("mood"), "500");
  const ill = await box.until("web", ({ health }) => health === "unhealthy");
  assert.equal(ill.state, "RUNNING");
  assert.match(ill.why, /500/);
  writeFileSync(box.path("mood"), "204");
  const well = await box.until("web", ({ health }) => health === "healthy");
  assert.equal(well.run, 1);
  assert.equal(well.restarts, 0);
});

test("a server that accepts and never answers fails its check, and holds up nothing else", async (t) => {
  const { box, port, node } = await boxWithServer(t);
  writeFileSync(box.path("mood"), "silent");
  box.write(
    "web.yaml",
    `command: [ ${node}, server.cjs, "${port}" ]
startsecs: 0s
healthcheck: { http: "http://127.0.0.1:${port}/", interval: 100ms, timeout: 20s, start_period: 1h }
`,
  );
  box.write("other.yaml", "command: sleep 1001\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }");
  await box.start();
  await box.becomes("the server was asked", () => box.file("asked") !== "");
  const before = await box.pid("other");

  kill(before, "SIGKILL");
  const after = await box.until("other", ({ run, pid }) => run === 2 && pid !== null);
  assert.equal(after.restarts, 1);
  assert.equal((await box.status("web")).state, "STARTING");
  assert.equal(box.file("asked"), "silent\n", "no second probe while the first waits");

  await t.test("and it can be stopped meanwhile", async () => {
    await box.control.act("stop", ["web"]);
    await box.until("web", "STOPPED");
  });
});

test("a probe that is not answered within its timeout says so", async (t) => {
  const { box, port, node } = await boxWithServer(t);
  writeFileSync(box.path("mood"), "silent");
  box.write(
    "web.yaml",
    `command: [ ${node}, server.cjs, "${port}" ]
healthcheck: { http: "http://127.0.0.1:${port}/", interval: 100ms, timeout: 200ms, start_period: 1h }
`,
  );
  await box.start();
  const { phase } = await box.until("web", ({ phase }) => /200ms/.test(phase ?? ""));
  assert.match(phase ?? "", /no answer|within|timeout/);
});

test("tcp: ready as soon as the port accepts", async (t) => {
  const { box, port, node } = await boxWithServer(t);
  await box.fifo("go");
  box.write(
    "web.yaml",
    `command: read -r _ < go; exec ${node} server.cjs ${port}
shell: true
startsecs: 0s
healthcheck: { tcp: ${port}, ${OFTEN}, start_period: 1m }
`,
  );
  await box.start();
  const waiting = await box.until("web", ({ phase }) => /refused/.test(phase ?? ""));
  assert.equal(waiting.state, "STARTING");
  await box.put("go", "\n");
  assert.equal((await box.until("web", "RUNNING")).health, "healthy");
});

test("exec: a command of the service's own environment decides", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1001
startsecs: 0s
environment: { SIGN: ready.sign }
healthcheck: { exec: [ sh, -c, 'test -e "$$SIGN" || { echo "no $$SIGN yet"; exit 1; }' ], ${OFTEN}, start_period: 1m }
`,
  });
  const waiting = await box.until("web", ({ phase }) => /exit 1: no ready\.sign yet/.test(phase ?? ""));
  assert.equal(waiting.state, "STARTING");
  writeFileSync(box.path("ready.sign"), "");
  await box.until("web", "RUNNING");

  await t.test("one that hangs is ended after its timeout, with all its children", async () => {
    box.write(
      "slow.yaml",
      `command: sleep 1002
healthcheck: { exec: [ sh, -c, 'sleep 54321 & echo $$! > slow.pid; wait' ], interval: 100ms, timeout: 300ms, start_period: 1h }
`,
    );
    await box.until("slow", ({ phase }) => /not done within 300ms/.test(phase ?? ""));
    await box.control.act("stop", ["slow"]);
    await box.until("slow", "STOPPED");
    const pid = await box.numberIn("slow.pid");
    await box.becomes("the child of the check is gone", () => !isAlive(pid));
  });
});

test("log: ready when a line of this run's output matches", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'echo starting; read -r line < say; echo "$$line"; exec sleep 1001'
startsecs: 0s
backoff: { first: 1ms, longest: 1ms }
healthcheck: { log: "Uvicorn running on .*:[0-9]+", ${OFTEN}, start_period: 1h }
`,
  });
  await box.fifo("say");
  await box.start();
  await box.says("web", "starting\n");
  assert.equal((await box.status("web")).state, "STARTING");
  await box.put("say", "INFO: Uvicorn running on http://0.0.0.0:8000\n");
  const { health } = await box.until("web", "RUNNING");
  assert.equal(health, "healthy");

  await t.test("what an earlier run wrote does not count", async () => {
    kill(await box.pid("web"), "SIGKILL");
    const again = await box.until("web", ({ run, phase }) => run === 2 && /no line matches/.test(phase ?? ""));
    assert.equal(again.state, "STARTING");
    await box.put("say", "Uvicorn running on :1\n");
    await box.until("web", "RUNNING");
  });
});

test("a check that never passes fails the start once its start period is over", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1001
backoff: { first: 1ms, longest: 1ms }
give_up: { failures: 2, within: 1m }
healthcheck: { exec: "false", interval: 100ms, retries: 2, start_period: 0s }
`,
  });
  const { why, run } = await box.until("web", "FATAL");
  assert.equal(run, 2);
  assert.match(why, /unhealthy: exit 1/);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === "object" && address !== null ? address.port : 0;
}
