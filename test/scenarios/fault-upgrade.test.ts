/**
 * svcd is replaced by another version while services run: files first, then `svctl upgrade`.
 */
import assert from "node:assert/strict";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box, isAlive } from "./box.ts";

const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";

test("after its files were replaced `svctl upgrade` puts the new version in charge: announced, and no pid changes", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sleep 1001\nreplicas: 5\n${QUICK}`,
    "says.yaml": `command: sh -c 'while read -r word; do echo $$word; done <> say'\n${QUICK}`,
    "job.yaml": "command: sh -c 'read -r code < fate; exit $$code'\nrestart: no",
  });
  for (const fifo of ["say", "fate"]) await box.fifo(fifo);
  const core = box.installed("dist/core.js");
  await box.start();
  const before = await box.allBecome(7, ({ pid }) => pid !== null);
  const health = await box.control.health();
  const heard: string[] = [];
  let isConnected = false;
  const onConnection = (isThere: boolean) => (isConnected = isThere);
  const listening = box.control.events({ since: null, onConnection }, ({ event }) => {
    heard.push(event.type === "daemon" ? event.text : event.type);
  });
  t.after(() => listening.stop());
  await box.becomes("we listen", () => isConnected);

  // As a package manager does it: beside, then renamed over.
  writeFileSync(`${core}.new`, readFileSync(core, "utf8").replaceAll(`"${health.version}"`, '"99.1.2"'));
  renameSync(`${core}.new`, core);
  const upgrade = await box.svctl("upgrade");
  assert.deepEqual(upgrade, { code: 0, stdout: `svcd: upgraded from ${health.version} to 99.1.2\n`, stderr: "" });

  const now = await box.control.health();
  assert.equal(now.version, "99.1.2");
  assert.equal(now.keeper, health.keeper);
  assert.notEqual(now.core, health.core);
  assert.ok(!isAlive(health.core));
  const facts = (all: typeof before) => all.map(({ name, pid, run, restarts }) => ({ name, pid, run, restarts }));
  assert.deepEqual(facts(await box.control.services()), facts(before));
  assert.doesNotMatch(box.terminal, /the core ended/);

  await t.test("whoever listens heard of it before, and hears the new one", async () => {
    await box.becomes("the new core's events are heard", () => heard.includes("reset"));
    const announced = heard.findIndex((word) => /the installed core takes over/.test(word));
    assert.ok(announced >= 0 && announced < heard.indexOf("reset"), heard.join());
  });

  await t.test("services write and end under the new one as under the old", async () => {
    await box.put("say", "hello\n");
    await box.says("says", "hello\n");
    await box.put("fate", "5\n");
    assert.match((await box.until("job", "EXITED")).why, /^exit 5 /);
  });
});
