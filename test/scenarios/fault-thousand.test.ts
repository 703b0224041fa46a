/** A thousand services on one machine: they start, are asked about, lose their core, are measured, and stop. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Box, kill, processesOf } from "./box.ts";

const COUNT = 1_000;

test("a thousand services start, keep their pids when the core is killed, come back when they are, and stop", async (t) => {
  const box = await Box.open(t, {
    "many.yaml": `command: sleep 1001\nreplicas: ${COUNT}\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n`,
  });
  const before = await box.allBecome(COUNT, ({ state, pid }) => state === "RUNNING" && pid !== null);
  const pids = (all: typeof before) => all.map(({ name, run, pid }) => ({ name, run, pid }));
  assert.equal(new Set(before.map(({ pid }) => pid)).size, COUNT, "each has a process of its own");

  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core is in charge", async () => (await box.control.health()).core !== core);
  assert.deepEqual(pids(await box.allBecome(COUNT, ({ state }) => state === "RUNNING")), pids(before));

  const status = await box.svctl("status");
  assert.equal(status.code, 0, status.stderr);
  assert.equal(status.stdout.match(/ RUNNING /g)?.length, COUNT);

  // Whoever measures them all, again and again, holds up nobody who supervises.
  let isMeasured = true;
  const scraper = (async () => {
    let scrapes = 0;
    for (; isMeasured; scrapes++) assert.match(await box.control.metrics(), /many@1000/);
    return scrapes;
  })();
  const killed = before.slice(0, 20);
  for (const { pid } of killed) kill(pid as number, "SIGKILL");
  for (const { name } of killed) await box.until(name, ({ run, state }) => run === 2 && state === "RUNNING");
  isMeasured = false;
  assert.ok((await scraper) > 0);

  assert.equal((await box.svctl("shutdown")).code, 0);
  assert.equal(await box.ended(), 0);
  await box.becomes("nothing of it is left", () => processesOf(box.root).length === 0);
});
