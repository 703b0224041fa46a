/**
 * Even svcd itself may be killed: services go on, and the next svcd takes them over. And how svcd is started and stopped.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { checkedLine, readCheckedLines } from "../../src/checked-journal.ts";
import { control } from "../../src/control/client.ts";
import type { RunFact } from "../../src/keeper/run-journal.ts";
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
    assert.match(again.why, /exit status unknown|killed by SIGKILL/); // Known while nobody has reaped it.
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

test("what is written while no svcd is there waits: nobody's write fails, and the next svcd has every line", async (t) => {
  const names = ["web-1", "web-2", "web-3"];
  const writer = (name: string): string =>
    `command: sh -c 'while read -r from to; do seq $$from $$to || echo $$? >> failed; done <> say-${name}'\n${QUICK}`;
  const box = Box.prepare(t, Object.fromEntries(names.map((name) => [`${name}.yaml`, writer(name)])));
  for (const name of names) await box.fifo(`say-${name}`);
  await box.start();
  for (const name of names) {
    await box.put(`say-${name}`, "1 100\n");
    await box.becomes("its lines are there", () => box.log(name).endsWith("\n100\n"));
  }
  await killSvcd(box);
  for (const name of names) await box.put(`say-${name}`, "101 50000\n"); // More than a pipe holds.
  await box.becomes("all wait until somebody reads", () => names.every((name) => isBlockedWriting(box, name)));
  await box.start();
  for (const name of names) {
    await box.becomes("the last line is there", () => box.log(name).endsWith("\n50000\n"));
    assert.equal(box.log(name), `${Array.from({ length: 50_000 }, (_, index) => index + 1).join("\n")}\n`);
  }
  assert.equal(box.file("failed"), "");
});

test("a svcd that is killed between deciding on a start and noting its process leads to no second copy", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1001\n${QUICK}`,
    "chained.yaml": `command: sleep 1001\nlimits: { nofile: 512 }\n${QUICK}`,
    "dead.yaml": `command: sleep 1001\n${QUICK}`,
  });
  const before = await box.allBecome(3, ({ state, pid }) => state === "RUNNING" && pid !== null);
  await killSvcd(box);
  // As if it had died a moment earlier: what it was about to do is written, what came of it is not.
  const facts = readCheckedLines<RunFact>(box.file("run/runs.journal")).filter(({ fact }) => fact !== "is");
  writeFileSync(box.path("run/runs.journal"), facts.map(checkedLine).join(""));
  const dead = before.find(({ name }) => name === "dead")?.pid as number;
  kill(dead, "SIGKILL");
  await box.becomes("it is dead", () => !isAlive(dead));

  await box.start();
  const after = await box.allBecome(3, ({ state, pid }) => state === "RUNNING" && pid !== null);
  for (const { name, pid, run } of after) {
    assert.deepEqual(box.processesOf(name), [pid], name);
    const [old] = before.filter((status) => status.name === name);
    if (name === "dead") assert.equal(run, (old?.run ?? 0) + 1);
    else assert.equal(pid, old?.pid, name);
  }
});

test("a svcd that is killed in the middle of many starts has each service once when it is back", async (t) => {
  const box = await Box.open(t);
  for (const round of [1, 2, 3, 4]) {
    const { keeper } = await box.control.health();
    box.write(`round-${round}.yaml`, `command: sleep 1001\nreplicas: 12\n${QUICK}`);
    // Its own processes and some of the new ones.
    const enough = 2 + (round - 1) * 12 + round;
    await box.becomes("the first ones are started", () => processesOf(box.root).length >= enough);
    kill(keeper, "SIGKILL");
    await box.ended();
    await box.start();
  }
  const all = await box.allBecome(48, ({ state, pid }) => state === "RUNNING" && pid !== null);
  for (const { name, pid } of all) assert.deepEqual(box.processesOf(name), [pid]);
});

test("what was taken over crashes, backs off and gives up like any other", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'echo up; read -r _ < fate; exit 1'\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\ngive_up: { failures: 3, within: 1h }`,
  });
  await box.fifo("fate");
  await box.start();
  for (const run of [1, 2, 3]) {
    await box.until("web", (status) => status.run === run && status.state === "RUNNING");
    await box.says("web", "up\n".repeat(run));
    await killSvcd(box);
    await box.start();
    assert.equal((await box.until("web", "RUNNING")).run, run);
    await box.put("fate", "\n");
  }
  const { why } = await box.until("web", "FATAL");
  assert.match(why, /exit status unknown|exit 1/);
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
  assert.match(why, /exit status unknown|killed by SIGKILL/);
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

/** Does somebody of this service sleep in write(2), because its pipe is full? */
function isBlockedWriting(box: Box, name: string): boolean {
  return processesOf(box.root).some((pid) => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
      const what = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      const isIdle = readFileSync(`/proc/${pid}/stat`, "latin1").includes(") S ");
      return environment.includes(`/${name}#`) && what.startsWith("seq\0") && isIdle;
    } catch {
      return false; // It has ended meanwhile.
    }
  });
}

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
