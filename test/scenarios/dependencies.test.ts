/**
 * Services that need each other: who starts when, who waits for what, who ends first.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box } from "./box.ts";

/** Tells in the file `order` when it starts and when it ends. */
const telling = (name: string): string =>
  `command: sh -c 'echo +${name} >> order; trap "echo -${name} >> order; exit 0" TERM; while :; do sleep 1000 & wait; done'\nstartsecs: 0s\n`;

const orderOf = (box: Box): string[] => box.file("order").trim().split("\n");

test("a service starts when what it depends on is started, ready, or completed", async (t) => {
  const box = Box.prepare(t, {
    "setup.yaml": "command: sh -c 'read -r _ < finish; echo +setup-done >> order'\nrestart: no",
    "db.yaml": `${telling("db")}healthcheck: { exec: [ test, -e, db.ready ], interval: 100ms, start_period: 1h }`,
    "cache.yaml": telling("cache"),
    "api.yaml": `${telling("api")}depends_on: { db: ready, setup: completed, cache: started }`,
    "web.yaml": `${telling("web")}depends_on: [ api ]`,
  });
  await box.fifo("finish");
  await box.start();
  await box.until("db", "STARTING");
  await box.until("cache", "RUNNING");

  await t.test("what waits says for what, and how that is", async () => {
    const api = await box.until("api", "WAITING");
    assert.match(api.why, /db to be ready \(it is STARTING\)/);
    assert.match(api.why, /setup to be completed \(it is /);
    assert.doesNotMatch(api.why, /cache/);
    assert.equal(api.pid, null);
    const web = await box.status("web");
    assert.equal(web.state, "WAITING");
    assert.match(web.why, /api to be started \(it is WAITING for db, setup\)/);
  });

  writeFileSync(box.path("db.ready"), "");
  await box.until("db", "RUNNING");
  const api = await box.until("api", ({ why }) => !/db/.test(why));
  assert.equal(api.state, "WAITING");
  assert.match(api.why, /setup to be completed/);

  await box.put("finish", "\n");
  await box.until("web", "RUNNING");
  await box.becomes("web has told so", () => orderOf(box).includes("+web"));
  const order = orderOf(box);
  assert.deepEqual(order.slice(-3), ["+setup-done", "+api", "+web"]);

  await t.test("all are stopped in the reverse order", async () => {
    writeFileSync(box.path("order"), "");
    const { code } = await box.svctl("stop", "all");
    assert.equal(code, 0);
    const ends = orderOf(box);
    assert.deepEqual(ends.slice(0, 2), ["-web", "-api"]);
    assert.deepEqual(ends.slice(2).sort(), ["-cache", "-db"]);
  });

  await t.test("starting one starts what it depends on", async () => {
    writeFileSync(box.path("order"), "");
    await box.control.act("start", ["web"]);
    await box.put("finish", "\n");
    await box.until("web", "RUNNING");
    await box.becomes("web has told so", () => orderOf(box).includes("+web"));
    assert.deepEqual(orderOf(box).slice(-2), ["+api", "+web"]);
    assert.equal((await box.status("cache")).state, "RUNNING");
  });

  await t.test("svctl shutdown ends them in the reverse order, and svcd with 0", async () => {
    writeFileSync(box.path("order"), "");
    const { code } = await box.svctl("shutdown");
    assert.equal(code, 0);
    assert.equal(await box.ended(), 0);
    assert.deepEqual(orderOf(box).slice(0, 2), ["-web", "-api"]);
    assert.equal(orderOf(box).length, 4);
  });
});

test("a dependency that fails shows in those that wait for it, and releases them once it is mended", async (t) => {
  const box = await Box.open(t, {
    "setup.yaml": "command: sh -c 'test -e model || { echo no model; exit 3; }'\nrestart: no",
    "db.yaml": "command: ./no-such-db\nstartsecs: 0s",
    "web.yaml": `${telling("web")}depends_on: { setup: completed, db: ready }`,
  });
  await box.until("setup", "EXITED");
  await box.until("db", "FATAL");
  const { why, next } = await box.until("web", ({ state, why }) => state === "WAITING" && /EXITED/.test(why));
  assert.match(why, /setup to be completed \(it is EXITED: exit 3/);
  assert.match(why, /db to be ready \(it is FATAL: .*no-such-db: does not exist\)/);
  assert.match(next, /starts as soon as/);

  await t.test("`svctl start` of what waits fails with that reason instead of waiting for ever", async () => {
    box.write("late.yaml", `${telling("late")}autostart: false\ndepends_on: { db: ready }`);
    await box.until("late", "STOPPED");
    const { code, stdout, stderr } = await box.svctl("start", "late");
    assert.equal(code, 1);
    assert.match(stdout + stderr, /no-such-db/);
  });

  writeFileSync(box.path("model"), "");
  writeFileSync(box.path("no-such-db"), "#!/bin/sh\nexec sleep 1001\n", { mode: 0o755 });
  await box.control.act("start", ["db", "setup"]);
  assert.equal((await box.until("web", "RUNNING")).run, 1);
});

test("a restart of a dependency leaves its dependents alone; one that is stopped takes none with it", async (t) => {
  const box = await Box.open(t, {
    "db.yaml": telling("db"),
    "web.yaml": `${telling("web")}depends_on: { db: ready }`,
  });
  const { pid } = await box.until("web", ({ state, pid }) => state === "RUNNING" && pid !== null);
  await box.control.act("restart", ["db"]);
  await box.until("db", ({ run, state }) => run === 2 && state === "RUNNING");
  assert.equal((await box.status("web")).pid, pid);
  await box.control.act("stop", ["db"]);
  await box.until("db", "STOPPED");
  assert.equal((await box.status("web")).pid, pid);
});

test("`when:` skips what this machine does not want, with the reason, and starts it once it does", async (t) => {
  const box = await Box.open(
    t,
    {
      "gpu.yaml": "command: sleep 1001\nwhen: { command: no-such-nvidia-smi }",
      "model.yaml": "command: sleep 1002\nwhen: { env: NO_SUCH_MODEL_NAME }",
      "either.yaml": `${telling("either")}when: { any: [ { env: NO_SUCH_MODEL_NAME }, { not: { file: /no/such/file } } ] }`,
      "file.yaml": `${telling("file")}when: { file: model.bin }`,
      "needs.yaml": `${telling("needs")}depends_on: { gpu: ready }`,
    },
    {},
  );
  assert.match((await box.until("gpu", "SKIPPED")).why, /no-such-nvidia-smi/);
  assert.match((await box.until("model", "SKIPPED")).why, /NO_SUCH_MODEL_NAME is not set/);
  await box.until("either", "RUNNING");
  const skipped = await box.until("file", "SKIPPED");
  assert.match(skipped.why, /model\.bin/);
  assert.equal(skipped.run, 0);
  assert.match(skipped.next, /starts by itself/);

  await t.test("what depends on something skipped does not wait for it", async () => {
    await box.until("needs", "RUNNING");
  });

  await t.test("it starts by itself when the condition comes true", async () => {
    writeFileSync(box.path("model.bin"), "");
    assert.equal((await box.until("file", "RUNNING")).run, 1);
  });

  await t.test("what runs goes on when its condition is no longer true", async () => {
    rmSync(box.path("model.bin"));
    const { pid } = await box.until("file", ({ pid }) => pid !== null);
    const { code } = await box.svctl("update");
    assert.equal(code, 0);
    assert.equal((await box.status("file")).pid, pid);
  });
});

test("what this machine did not want is wanted by the next svcd that can have it, whatever it depends on was stopped", async (t) => {
  const box = Box.prepare(t, {
    "db.yaml": "command: sleep 1000\nstartsecs: 0s\n",
    "web.yaml": "command: sleep 1000\nstartsecs: 0s\ndepends_on: { db: ready }\nwhen: { env: MODEL_OF_STORY }\n",
  });
  await box.start();
  await box.until("web", "SKIPPED");
  assert.equal((await box.svctl("stop", "db")).code, 0);
  assert.equal((await box.svctl("shutdown")).code, 0);
  await box.ended();
  box.env["MODEL_OF_STORY"] = "here";
  await box.start();
  await box.until("web", "WAITING");
  assert.equal((await box.svctl("start", "db")).code, 0);
  await box.until("web", "RUNNING");
});
