/**
 * Even svcd itself may be killed: services go on, and the next svcd takes them over. And how svcd is started and stopped.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { control } from "../../src/control/client.ts";
import { Box, isAlive, kill, processesOf } from "./box.ts";

const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";
const WAIT = "while :; do sleep 1000 & wait; done";
/** Tells in the file `order` when it ends. */
const telling = (name: string): string =>
  `command: sh -c 'trap "echo ${name} >> order; exit 0" TERM; echo up; ${WAIT}'\n${QUICK}`;

/** SIGKILL for svcd; its core leaves by itself. */
async function killSvcd(box: Box): Promise<void> {
  const { keeper, core } = await box.control.health();
  kill(keeper, "SIGKILL");
  await box.becomes("svcd is gone", () => !isAlive(keeper) && !isAlive(core));
}

test("services outlive svcd; the next one has them again, with all that they wrote meanwhile", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'while read -r word; do echo $$word; done <> say'\n${QUICK}`,
    "family.yaml": `command: sh -c 'trap "exit 0" TERM; sh -c "trap true TERM; ${WAIT}" & echo $$! > child; ${WAIT}'\n${QUICK}`,
    "crashed.yaml": `command: sleep 1001\n${QUICK}`,
  });
  await box.fifo("say");
  await box.start();
  kill(await box.pid("crashed"), "SIGKILL");
  await box.until("crashed", ({ run, pid }) => run === 2 && pid !== null);
  const before = await box.control.services();
  const child = await box.numberIn("child");
  await killSvcd(box);

  await t.test("meanwhile they go on and can write", async () => {
    for (const { name, pid } of before) assert.ok(isAlive(pid as number), name);
    await box.put("say", "meanwhile\n");
  });

  await box.start();
  const after = await box.control.services();
  const facts = (all: typeof before) =>
    all.map(({ name, state, pid, run, restarts }) => ({ name, state, pid, run, restarts }));
  assert.deepEqual(facts(after), facts(before));
  await box.says("web", "meanwhile\n");
  await box.put("say", "afterwards\n");
  await box.says("web", "meanwhile\nafterwards\n");

  await t.test("the death of one that was taken over is noticed, and it is started again", async () => {
    const { pid } = await box.status("web");
    kill(pid as number, "SIGKILL");
    const again = await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
    assert.equal(again.restarts, 1);
    assert.match(again.why, /exit status unknown/);
    await box.put("say", "again\n");
    await box.says("web", "meanwhile\nafterwards\nagain\n");
  });

  await t.test("one that was taken over is stopped whole", async () => {
    const { pid } = await box.status("family");
    assert.equal((await box.svctl("stop", "family")).code, 0);
    assert.equal(isAlive(pid as number), false);
    await box.becomes("its child is gone", () => !isAlive(child));
  });
});

test("what died while no svcd was there is started again, after what it left behind is gone", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'sh -c "trap true TERM; ${WAIT}" & echo $$! > child; ${WAIT}'\n${QUICK}`,
    "job.yaml": "command: sh -c 'read -r _ < fate; exit 0'\nrestart: on-failure\nstartsecs: 0s",
  });
  const pid = await box.pid("web");
  const child = await box.numberIn("child");
  await killSvcd(box);
  kill(pid, "SIGKILL");
  await box.becomes("it is dead", () => !isAlive(pid));
  assert.ok(isAlive(child));

  await box.start();
  const { restarts, why } = await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  assert.equal(restarts, 1);
  assert.match(why, /ended, exit status unknown/);
  await box.becomes("the child of the first run is gone", () => !isAlive(child));
});

test("svcd can be killed again and again", async (t) => {
  const box = await Box.open(t, { "many.yaml": `command: sleep 1001\nreplicas: 10\n${QUICK}` });
  const before = await box.allBecome(10, ({ state }) => state === "RUNNING");
  for (const _ of [1, 2, 3]) {
    await killSvcd(box);
    await box.start();
  }
  const after = await box.allBecome(10, ({ state, pid }) => state === "RUNNING" && pid !== null);
  assert.deepEqual(
    after.map(({ pid }) => pid),
    before.map(({ pid }) => pid),
  );
});

test("a core that hangs when its svcd is killed does not keep the next one from answering", async (t) => {
  const box = await Box.open(t, { "web.yaml": `command: sleep 1001\n${QUICK}` });
  const pid = await box.pid("web");
  const { keeper, core } = await box.control.health();
  kill(core, "SIGSTOP");
  kill(keeper, "SIGKILL");
  await box.ended();
  box.launch();
  await box.becomes("the next svcd answers", async () => (await quickHealth(box)).keeper !== keeper);
  assert.equal((await box.status("web")).pid, pid);
  assert.ok(!isAlive(core), "the core that hung is gone");
});

test("a second svcd for the same folder says who is there, and does no harm", async (t) => {
  const box = await Box.open(t, { "web.yaml": `command: sleep 1001\n${QUICK}` });
  const pid = await box.pid("web");
  const { keeper } = await box.control.health();
  const second = await box.run(join(box.bin, "svcd"), ["--root", box.root]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`already running here \\(pid ${keeper}\\)`));
  assert.match(second.stderr, /fix: /);
  assert.equal((await box.status("web")).pid, pid);
});

test("what a killed svcd left in its run folder keeps no other from starting", async (t) => {
  const box = Box.prepare(t, { "web.yaml": `command: sleep 1001\n${QUICK}` });
  spawnSync("mkdir", ["-p", box.path("run")]);
  writeFileSync(box.path("run/svcd.lock"), `${process.pid}\n`);
  writeFileSync(box.path("run/runs.journal"), "no journal at all\n{\n");
  writeFileSync(box.path("run/core.journal"), Buffer.from([0, 255, 10, 123]));
  await socketWithNobodyBehind(box.path("run/svcd.sock"));
  await box.start();
  await box.until("web", "RUNNING");
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} to svcd stops everything in the reverse order, and svcd ends with 0`, async (t) => {
    const box = await Box.open(t, {
      "db.yaml": telling("db"),
      "api.yaml": `${telling("api")}depends_on: [ db ]`,
      "web.yaml": `${telling("web")}depends_on: [ api ]`,
    });
    for (const name of ["db", "api", "web"]) await box.says(name, "up\n");
    box.daemon?.kill(signal);
    assert.equal(await box.ended(), 0);
    assert.equal(box.file("order"), "web\napi\ndb\n");
    await box.becomes("nothing of it is left", () => processesOf(box.root).length === 0); // The core leaves last.
  });
}

test("SIGHUP makes svcd read its files anew", async (t) => {
  const box = await Box.open(t, { "web.yaml": `command: sleep 1001\n${QUICK}` });
  const pid = await box.pid("web");
  let plans = 0;
  let isConnected = false;
  const listening = box.control.events({ since: null, onConnection: (isThere) => (isConnected = isThere) }, (heard) => {
    if (heard.event.type === "plan") plans++;
  });
  t.after(() => listening.stop());
  await box.becomes("we listen", () => isConnected);
  const before = plans;
  box.daemon?.kill("SIGHUP");
  await box.becomes("the files were taken up again", () => plans > before);
  assert.equal((await box.status("web")).pid, pid);
});

test("a core or a keeper that is stopped for a while loses nothing of what happened", async (t) => {
  const box = Box.prepare(t, {
    "job.yaml": "command: sh -c 'read -r code < fate; echo bye; exit $$code'\nrestart: no",
    "web.yaml": `command: sleep 1001\n${QUICK}`,
  });
  await box.fifo("fate");
  await box.start();
  const web = await box.pid("web");
  const job = await box.pid("job");
  const { keeper, core } = await box.control.health();
  for (const pid of [keeper, core]) kill(pid, "SIGSTOP");
  kill(web, "SIGKILL");
  await box.put("fate", "6\n");
  await box.becomes("both are dead", () => !isAlive(web) && !isAlive(job));
  for (const pid of [keeper, core]) kill(pid, "SIGCONT");
  assert.match((await box.until("job", "EXITED")).why, /^exit 6 /);
  assert.match((await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING")).why, /SIGKILL/);
  assert.equal(box.log("job"), "bye\n");
});

/** Whoever accepts and says nothing is given up soon. */
function quickHealth(box: Box): Promise<{ keeper: number }> {
  return control(box.control.socketPath, { timeoutMs: 500 }).health();
}

/** As a process leaves it that was killed. */
async function socketWithNobodyBehind(path: string): Promise<void> {
  const script =
    "require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
  spawnSync(process.execPath, ["-e", script, path]);
  await new Promise<void>((done, fail) => {
    const other = createServer().listen(path);
    other.on("error", () => done());
    other.on("listening", () => fail(new Error("the socket should be in the way")));
  });
}
