/**
 * Programs as they are: they end in every way, open /dev/stdout as another user, are named like a runtime, and start
 * trainings that must outlive them.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

const ONCE = "restart: no\nstartsecs: 0s\n";
const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const SVCTL = resolve(import.meta.dirname, "../../bin/svctl");
const needsRoot = process.getuid?.() !== 0 && "only root can be somebody else";

test("an exit status and a signal are never taken for each other: 143 is not SIGTERM, 137 is not SIGKILL", async (t) => {
  const ends = ["exit 143", "exit 137", "exit 129", "exit 255", "kill -TERM $$$$", "kill -KILL $$$$", "kill -HUP $$$$"];
  const files = ends.map((end, index) => [`end-${index}.yaml`, `command: sh -c '${end}'\n${ONCE}`]);
  const box = await Box.open(t, Object.fromEntries(files));
  const why = async (index: number) => (await box.until(`end-${index}`, "EXITED")).why.replace(/ after .*/, "");
  assert.deepEqual(await Promise.all(ends.map((_, index) => why(index))), [
    "exit 143",
    "exit 137",
    "exit 129",
    "exit 255",
    "killed by SIGTERM",
    "killed by SIGKILL",
    "killed by SIGHUP",
  ]);
});

test("another user's service opens its own output again; no stranger can read it or write into it", {
  skip: needsRoot,
}, async (t) => {
  const box = Box.prepare(t, {
    "web.yaml":
      "command: sh -c 'echo one; echo two > /dev/stdout; echo three > /proc/self/fd/2; exec sleep 1000'\nuser: nobody\n",
  });
  chmodSync(box.root, 0o755);
  await box.start();
  await box.says("web", "one\ntwo\nthree\n");
  const pipes = readdirSync(box.path("run/pipes")).map((name) => box.path("run/pipes", name));
  assert.ok(pipes.length > 0);
  for (const pipe of pipes) {
    const { mode, uid } = statSync(pipe);
    assert.deepEqual([mode & 0o777, uid], [0o600, 65_534]);
    const stranger = await box.run("setpriv", [
      "--reuid=4242",
      "--regid=4242",
      "--clear-groups",
      "sh",
      "-c",
      `echo x > ${pipe}`,
    ]);
    assert.match(stranger.stderr, /Permission denied/);
  }
  assert.equal(box.log("web"), "one\ntwo\nthree\n");
});

test("a program whose name holds a runtime's name is started as itself", async (t) => {
  const box = Box.prepare(t);
  const names = ["ubuntu-bun", "python3-node", "my.sh", "index.js", "app.py", "pm2"];
  mkdirSync(box.path("bun-node-python"));
  for (const name of names) copyFileSync("/bin/echo", box.path("bun-node-python", name));
  for (const [index, name] of names.entries()) {
    box.write(`run-${index}.yaml`, `command: bun-node-python/${name} --version-of ${name}\n${ONCE}`);
  }
  await box.start();
  for (const [index, name] of names.entries()) await box.says(`run-${index}`, `--version-of ${name}\n`);
});

test("a training that is a service of its own outlives whoever started it", async (t) => {
  const box = Box.prepare(t, {
    "training.yaml": `${SLEEPS}autostart: false\nrestart: no\n`,
    "portal.yaml": `command: sh -c '"$$SVCTL" start training > told; echo asked; exec sleep 1000'\nenvironment: { SVCTL: ${SVCTL} }\nstartsecs: 0s\n`,
  });
  await box.start();
  await box.says("portal", "asked\n");
  const { pid, run } = await box.status("training");
  assert.equal((await box.svctl("restart", "portal")).code, 0);
  await box.says("portal", "asked\nasked\n");
  kill(await box.pid("portal"), "SIGKILL");
  await box.until("portal", (status) => status.run === 3 && status.state === "RUNNING");
  assert.equal((await box.svctl("stop", "portal")).code, 0);
  assert.ok(isAlive(pid as number));
  assert.deepEqual([(await box.status("training")).pid, (await box.status("training")).run], [pid, run]);
});
