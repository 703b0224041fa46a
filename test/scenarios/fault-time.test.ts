/**
 * What time may do: the wall clock jumps, the machine sleeps, a wait is longer than any timer. Only people who read dates
 * notice.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { Box, kill } from "./box.ts";
import { FAKETIME, fakeClock } from "./fake-clock.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
/** Time as a service sees it, whatever happens to svcd. */
const TICKS = "command: sh -c 'while :; do echo tick >> ticks; sleep 0.1; done'\nstartsecs: 0s\n";
const WAIT = "while :; do sleep 1000 & wait; done";

async function ticks(box: Box, count: number): Promise<void> {
  const until = box.file("ticks").length + count * "tick\n".length;
  await box.becomes(`${count} ticks passed`, () => box.file("ticks").length >= until);
}

test("when the wall clock jumps no service, check, deadline or file notices", {
  skip: FAKETIME === undefined && "faketime is not installed",
}, async (t) => {
  const box = Box.prepare(t, {
    "clock.yaml": TICKS,
    "web.yaml": `${SLEEPS}healthcheck: { exec: "true", interval: 200ms, timeout: 20s, retries: 1 }\n`,
    "later.yaml": "command: sh -c 'exit 3'\nbackoff: { first: 30m, longest: 30m }\n",
    "soon.yaml":
      "command: sh -c 'echo run; exit 3'\nbackoff: { first: 400ms, longest: 400ms, factor: 1 }\ngive_up: never\n",
    "deaf.yaml": `command: sh -c 'trap "" TERM; echo up; ${WAIT}'\nstop_grace_period: 300ms\nstartsecs: 0s\n`,
  });
  const setAhead = fakeClock(box);
  await box.start();
  const web = await box.until("web", ({ health }) => health === "healthy");
  for (const [index, hours] of [1, -1, -30 * 24].entries()) {
    await box.until("later", "BACKOFF");
    await box.until("deaf", "RUNNING");
    const [runsOfSoon, runsOfDeaf] = [(await box.status("soon")).run, (await box.status("deaf")).run];
    setAhead(hours * 3600);
    await box.until("soon", ({ run }) => run >= runsOfSoon + 2);
    assert.equal((await box.svctl("stop", "deaf")).code, 0);
    assert.match((await box.status("deaf")).why, /killed by SIGKILL/);
    assert.equal((await box.svctl("start", "deaf")).code, 0);
    assert.equal((await box.status("deaf")).run, runsOfDeaf + 1);
    box.write(`new-${index}.yaml`, SLEEPS);
    await box.until(`new-${index}`, "RUNNING");

    const { core } = await box.control.health();
    kill(core, "SIGKILL");
    await box.becomes("another core is in charge", async () => (await box.control.health()).core !== core);
    await ticks(box, 5);
    const after = await box.status("web");
    assert.deepEqual([after.pid, after.run, after.health], [web.pid, 1, "healthy"]);
    assert.deepEqual([(await box.status("later")).state, (await box.status("later")).run], ["BACKOFF", 1]);
  }
  // Twice: "unknown yet" while a core takes over is no failure.
  assert.doesNotMatch(box.log("svcd"), /web: .*(unhealthy|BACKOFF|STOPPING)/);
});

test("a machine that was suspended finds its services as they were: no check failed, nothing was killed", async (t) => {
  const port = await freePort();
  const box = Box.prepare(t, {
    "clock.yaml": TICKS,
    "web.yaml": `command: [ ${process.execPath}, server.cjs, "${port}" ]\nhealthcheck: { http: "http://127.0.0.1:${port}/", ${CHECK} }\nstartsecs: 0s\n`,
    "db.yaml": `${SLEEPS}healthcheck: { exec: "sh -c 'echo asked >> db.asked; while [ -e db.hold ]; do echo > db.held; sleep 0.02; done'", ${CHECK} }\n`,
    "slow.yaml": `command: sh -c 'trap "echo asked; until [ -e door ]; do sleep 0.02; done; exit 0" TERM; echo up; ${WAIT}'\nstop_grace_period: 2s\nstartsecs: 0s\n`,
  });
  writeFileSync(box.path("server.cjs"), SERVER);
  await box.start();
  const before = [];
  for (const name of ["web", "db"]) before.push(await box.until(name, ({ health }) => health === "healthy"));
  await box.says("slow", "up\n");
  const slow = await box.pid("slow");
  const { keeper, core } = await box.control.health();

  for (const name of ["web", "db"]) writeFileSync(box.path(`${name}.hold`), "");
  for (const name of ["web", "db"]) {
    await box.becomes("a check waits for its answer", () => existsSync(box.path(`${name}.held`)));
  }
  await box.control.act("stop", ["slow"]);
  await box.says("slow", "up\nasked\n");
  for (const pid of [core, keeper, -slow]) kill(pid, "SIGSTOP");
  // What the checks asked is answered while nobody listens.
  for (const name of ["web", "db"]) rmSync(box.path(`${name}.hold`));
  await ticks(box, 45);
  for (const pid of [keeper, core]) kill(pid, "SIGCONT");
  for (const name of ["web", "db"]) for (const _ of [1, 2]) await nextQuestion(box, name);
  kill(-slow, "SIGCONT");
  writeFileSync(box.path("door"), "");

  assert.match((await box.until("slow", "STOPPED")).why, /exit 0/);
  for (const { name, pid, run } of before) {
    const after = await box.status(name);
    assert.deepEqual([after.pid, after.run, after.health, after.state], [pid, run, "healthy", "RUNNING"]);
  }
  assert.deepEqual([(await box.control.health()).keeper, (await box.control.health()).core], [keeper, core]);
});

const CHECK = "interval: 100ms, timeout: 2s, retries: 1";
const SERVER = `
  const { appendFileSync, existsSync } = require("node:fs");
  require("node:http").createServer((_, response) => {
    appendFileSync("web.asked", "asked\\n");
    const look = setInterval(() => {
      if (existsSync("web.hold")) return appendFileSync("web.held", "");
      clearInterval(look);
      response.end();
    }, 10);
  }).listen(Number(process.argv[2]), "127.0.0.1");
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

async function nextQuestion(box: Box, name: string): Promise<void> {
  const before = box.file(`${name}.asked`).length;
  await box.becomes(`${name} is asked`, () => box.file(`${name}.asked`).length > before);
}

test("waits that are longer than any timer are waited for: nothing happens at once, nothing spins", async (t) => {
  const box = await Box.open(t, {
    "clock.yaml": TICKS,
    "later.yaml": "command: sh -c 'exit 3'\nbackoff: { first: 60d, longest: 90d, jitter: 0 }\n",
    "deaf.yaml": `command: sh -c 'trap "" TERM; echo up; ${WAIT}'\nstop_grace_period: 40d\nstartsecs: 0s\n`,
    "young.yaml": "command: sleep 1000\nstartsecs: 30d\n",
    "checked.yaml": `${SLEEPS}healthcheck: { exec: "sh -c 'echo asked >> checked.asked; sleep 1000'", interval: 50d, timeout: 30d, start_period: 60d }\n`,
  });
  await box.says("deaf", "up\n");
  await box.becomes("the check was asked", () => existsSync(box.path("checked.asked")));
  const stopping = box.follow(t, "stop", "--timeout", "30d", "deaf");
  await box.until("deaf", "STOPPING");
  const { core } = await box.control.health();
  const before = wakeUps(core);
  await ticks(box, 15);
  assert.ok(wakeUps(core) - before < 500, `woken ${wakeUps(core) - before} times: a timer fires at once`);
  const [later, deaf, young, checked] = await Promise.all(
    ["later", "deaf", "young", "checked"].map((name) => box.status(name)),
  );
  assert.deepEqual([later?.state, later?.run], ["BACKOFF", 1]);
  assert.match(later?.next ?? "", /in (59|60)d/);
  assert.deepEqual([deaf?.state, deaf?.run], ["STOPPING", 1]);
  assert.match(deaf?.next ?? "", /^KILL in (39|40)d/);
  assert.deepEqual([young?.state, checked?.state], ["STARTING", "STARTING"]);
  assert.equal(box.file("checked.asked"), "asked\n");
  assert.equal(stopping.text, "");
});

function wakeUps(pid: number): number {
  return Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
