/** What a review found could go wrong, and must not: each with the real daemon. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const ENDS_SLOWLY = `command: sh -c 'trap "sleep 2; exit 0" TERM; while :; do sleep 1000 & wait; done'\nstartsecs: 0s\n`;

test("a stop of svcd is a stop even when its core hangs", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const pid = await box.pid("web");
  const { core } = await box.control.health();
  kill(core, "SIGSTOP");
  box.daemon?.kill("SIGTERM");
  assert.equal(await box.ended(), 0);
  assert.ok(!isAlive(pid));
});

test("a shutdown goes on when the core that was asked for it is killed", async (t) => {
  const box = await Box.open(t, { "web.yaml": ENDS_SLOWLY });
  const pid = await box.pid("web");
  const { core } = await box.control.health();
  await box.svctl("shutdown", "--no-wait");
  await box.until("web", "STOPPING");
  kill(core, "SIGKILL");
  assert.equal(await box.ended(), 0);
  assert.ok(!isAlive(pid));
});

test("nothing is started while svcd shuts down, whatever is asked", async (t) => {
  const box = await Box.open(t, { "web.yaml": ENDS_SLOWLY, "db.yaml": SLEEPS });
  for (const name of ["web", "db"]) await box.until(name, "RUNNING");
  await box.svctl("shutdown", "--no-wait");
  await box.svctl("enable", "db", "web");
  await box.svctl("start", "db");
  assert.equal(await box.ended(), 0);
});

test("a restart that waits for a dependent is carried out by the next core", async (t) => {
  const box = await Box.open(t, { "db.yaml": SLEEPS, "web.yaml": `${ENDS_SLOWLY}depends_on: [db]\n` });
  for (const name of ["web", "db"]) await box.until(name, "RUNNING");
  const { core } = await box.control.health();
  await box.svctl("restart", "--no-wait", "db", "web");
  await box.until("web", "STOPPING");
  kill(core, "SIGKILL");
  await box.until("db", ({ run, state }) => run === 2 && state === "RUNNING");
  await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
});

test("a keeper whose journal is lost finds its runs by their mark and starts nothing beside them", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'while :; do echo tick; sleep 0.05; done'\nstartsecs: 0s\n`,
  });
  const pid = await box.pid("web");
  box.daemon?.kill("SIGKILL");
  await box.ended();
  for (const journal of ["runs.journal", "core.journal"]) rmSync(box.path("run", journal));
  await box.start();
  assert.equal((await box.until("web", "RUNNING")).pid, pid);
  const before = box.log("web").length;
  await box.becomes("its log goes on", () => box.log("web").length > before);
  box.daemon?.kill("SIGKILL");
  await box.ended();
  await box.start();
  assert.equal((await box.until("web", "RUNNING")).pid, pid, "the journal was written anew");
});

test("a rotation that cannot be done stops neither the service nor svcd", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  mkdirSync(box.path("log", "web.log.1", "in-the-way"), { recursive: true });
  const floods = "command: sh -c 'seq 1 100000; exec sleep 1000'\nstartsecs: 0s\nlogs: { max_size: 10k, keep: 1 }\n";
  box.write("web.yaml", floods);
  box.write("db.yaml", SLEEPS);
  await box.start();
  await box.becomes("the last line is there", () => box.log("web").endsWith("100000\n"));
  assert.equal((await box.svctl("restart", "db")).code, 0);
});

test("log pipes that somebody removed are made again, and every start closes what it opened", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  rmSync(box.path("run", "pipes"), { recursive: true });
  assert.equal((await box.svctl("restart", "web")).code, 0);
  box.write("new.yaml", SLEEPS);
  await box.until("new", "RUNNING");
});

test("an obstacle at the socket's place costs the socket until it is gone, and nothing else", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const pid = await box.pid("web");
  const { core } = await box.control.health();
  const socket = box.path("run", "svcd.sock");
  rmSync(socket);
  mkdirSync(socket);
  kill(core, "SIGKILL");
  await box.becomes("svcd says so", () => box.terminal.includes("no control socket"));
  writeFileSync(box.path("services.d", "new.yaml"), "command: sh -c 'echo started; exec sleep 1000'\n");
  await box.becomes("a dropped file is taken up", () => box.log("new") === "started\n");
  rmSync(socket, { recursive: true });
  await box.becomes("it answers again", async () => (await box.control.health()).status === "ok");
  assert.equal((await box.status("web")).pid, pid);
});

test("auto_apply: false holds for the next core, also when svcd.yaml is broken by then", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS }, { settings: "auto_apply: false\n" });
  await box.until("web", "RUNNING");
  box.write("new.yaml", SLEEPS);
  writeFileSync(box.path("svcd.yaml"), "auto_apply: [\n");
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("the next core answers", async () => (await box.control.health()).core !== core);
  await box.becomes("it has read the files", async () => (await box.control.health()).mistakes > 0);
  assert.deepEqual(
    (await box.control.services()).map(({ name }) => name),
    ["web"],
  );
});

test("a new file never takes the name of a service that runs", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const pid = await box.pid("web");
  box.write("a-dup.yaml", "services: { web: { command: sleep 7 } }\n");
  await box.becomes("the new file is the mistake", async () =>
    (await box.svctl("plan")).stdout.includes("a-dup.yaml:1"),
  );
  assert.equal((await box.status("web")).pid, pid);
});

test("a file that is emptied, as a copy over a slow line begins, leaves its service running", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const pid = await box.pid("web");
  writeFileSync(box.path("services.d", "web.yaml"), "");
  await box.becomes("it is told", async () => (await box.status("web")).file.note !== null);
  writeFileSync(box.path("services.d", "web.yaml"), SLEEPS);
  await box.becomes("it is well again", async () => (await box.status("web")).file.note === null);
  assert.equal((await box.status("web")).pid, pid);
});

test("a shell's $i that would silently become nothing is refused, with what to write", async (t) => {
  const box = await Box.open(t, { "loop.yaml": "command: sh -c 'for i in 1 2; do echo $i; done'\nrestart: no\n" });
  assert.match((await box.until("loop", "FATAL")).why, /`\$i` in command is not set: write \$\$i for the shell's own/);
});

test("a venv that is not there, and a file name that svcd does not take, are told", async (t) => {
  const box = await Box.open(t, {
    "ai.yaml": "command: python x.py\nvenv: /nowhere/venv\n",
    "my service.yaml": SLEEPS,
  });
  assert.match((await box.until("ai", "FATAL")).why, /venv \/nowhere\/venv: no Python environment is there/);
  assert.match((await box.svctl("plan")).stdout, /my service\.yaml.*svcd does not take it up/);
});

test("svctl waits a moment for a file that was dropped just now", async (t) => {
  const box = await Box.open(t);
  for (let round = 0; round < 3; round++) {
    box.write(`new-${round}.yaml`, SLEEPS);
    assert.equal((await box.svctl("why", `new-${round}`)).code, 0);
  }
});
