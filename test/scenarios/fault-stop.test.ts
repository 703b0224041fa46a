/**
 * Processes that do not do what they are asked: frozen ones, and those that hear no TERM. It shows while it is so, and it
 * stands in svcd's own log afterwards.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

const WAIT = "while :; do sleep 1000 & wait; done";
const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";

test("why of a service that somebody froze says so, and how to let it go on", async (t) => {
  const box = await Box.open(t, { "web.yaml": `command: sh -c 'echo up; ${WAIT}'\n${QUICK}` });
  await box.says("web", "up\n");
  const pid = await box.pid("web");
  const stateOf = () => / ([A-Za-z]) /.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1];
  assert.doesNotMatch((await box.svctl("why", "web")).stdout, /stopped/);
  kill(pid, "SIGSTOP");
  await box.becomes("it is frozen", () => stateOf() === "T");
  const { stdout } = await box.svctl("why", "web");
  assert.match(stdout, /why: {3}up; its process is stopped \(state T\), as by SIGSTOP/);
  const [, advised = ""] = /let it go on: svctl (.*)/.exec(stdout) ?? [];
  assert.equal((await box.svctl(...advised.split(" "))).code, 0);
  await box.becomes("it goes on", () => stateOf() !== "T");
  assert.equal((await box.status("web")).pid, pid);
});

test("a service that hears no TERM is killed when its grace period is over, and svcd's log says so", async (t) => {
  const box = await Box.open(t, {
    "deaf.yaml": `command: sh -c 'trap "" TERM; echo up; ${WAIT}'\nstop_grace_period: 300ms\n${QUICK}`,
  });
  await box.says("deaf", "up\n");
  const pid = await box.pid("deaf");
  assert.equal((await box.svctl("stop", "deaf")).code, 0);
  assert.ok(!isAlive(pid));
  const told = () =>
    box
      .file("log/svcd.log")
      .split("\n")
      .filter((line) => line.includes(" deaf: "));
  await box.becomes("the log is written", () => told().some((line) => line.includes("→ STOPPED")));
  assert.match(told().join("\n"), /deaf: RUNNING → STOPPING \(asked to end, SIGTERM sent\)/);
  assert.match(told().join("\n"), /deaf: STOPPING → STOPPED \(.*killed by SIGKILL/);
});
