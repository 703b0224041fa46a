/** `essential: true`: svcd lives for this service, and ends with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const GIVES_UP = "essential: true\nbackoff: { first: 1ms, longest: 1ms }\ngive_up: { failures: 3, within: 1m }\n";

test("an essential service that is given up ends svcd with its exit code, after everything was stopped", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'read -r code < fate; exit $$code'\nstartsecs: 0s\n${GIVES_UP}`,
    "db.yaml": SLEEPS,
  });
  await box.fifo("fate");
  await box.start();
  const db = await box.pid("db");
  for (let run = 1; run <= 3; run++) {
    await box.until("web", (status) => status.run === run && status.pid !== null);
    await box.put("fate", "3\n");
  }
  assert.equal(await box.ended(), 3);
  assert.ok(!isAlive(db));
  assert.match(box.terminal, /web is essential and FATAL: svcd ends, with status 3/);
});

test("one that a signal ends for good ends svcd with 128 and the signal's number, as a shell tells it", async (t) => {
  const box = await Box.open(t, { "web.yaml": `${SLEEPS}essential: true\nrestart: no\n` });
  kill(await box.pid("web"), "SIGTERM");
  assert.equal(await box.ended(), 143);
});

test("an essential one-shot that has done its work ends svcd with 0", async (t) => {
  const box = Box.prepare(t, {
    "job.yaml": "command: sh -c 'echo done'\nessential: true\nrestart: no\n",
    "db.yaml": SLEEPS,
  });
  box.launch();
  assert.equal(await box.ended(), 0);
  assert.equal(box.log("job"), "done\n");
});

test("one that cannot be started at all ends svcd with 1", async (t) => {
  const box = Box.prepare(t, { "web.yaml": "command: /no/such/program\nessential: true\n" });
  box.launch();
  assert.equal(await box.ended(), 1);
  assert.match(box.terminal, /\/no\/such\/program/);
});

test("stopping an essential service by hand does not end svcd, nor does its restart", async (t) => {
  const box = await Box.open(t, { "web.yaml": `${SLEEPS}essential: true\nrestart: no\n` });
  await box.until("web", "RUNNING");
  assert.equal((await box.svctl("restart", "web")).code, 0);
  assert.equal((await box.svctl("stop", "web")).code, 0);
  assert.equal((await box.control.health()).status, "ok");
});

test("the status to end with outlives a core that dies while everything is being stopped", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `${SLEEPS}essential: true\nrestart: no\n`,
    "slow.yaml": `command: sh -c 'trap "" TERM; while :; do sleep 0.1; done'\nstartsecs: 0s\nstop_grace_period: 2s\n`,
  });
  await box.until("slow", "RUNNING");
  kill(await box.pid("web"), "SIGTERM");
  await box.until("slow", "STOPPING");
  kill((await box.control.health()).core, "SIGKILL");
  assert.equal(await box.ended(), 143);
});
