/**
 * Services that fail again and again, all at once, or never become ready: what keeps the machine, and everybody else, from
 * suffering with them.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box, kill } from "./box.ts";

const SLEEPS = "command: sleep 1001\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";

test("a service that dies each time just after it became RUNNING is given up, too", async (t) => {
  const box = await Box.open(t, {
    // Longer up than startsecs and than its backoff, so that it is RUNNING each time and restarted at once.
    "flaps.yaml": `command: sh -c 'sleep 0.4; exit 3'
startsecs: 100ms
backoff: { first: 1ms, longest: 1ms }
give_up: { failures: 4, within: 1m }
`,
  });
  const { why, run, next } = await box.until("flaps", "FATAL");
  assert.match(why, /^gave up after 4 failures within 60 s; last: exit 3$/);
  assert.equal(run, 4);
  assert.match(next, /stays down/);
  assert.equal(box.terminal.match(/flaps: STARTING → RUNNING/g)?.length, 4, "it was RUNNING each time");
});

test("a backoff grows while a service fails, and begins anew after a steady run", async (t) => {
  const box = Box.prepare(t, {
    // Fails at once while `broken` is there; else it is told when to fail.
    "web.yaml": `command: sh -c 'date +%s%3N >> starts; [ -e broken ] && exit 1; read -r _ < fate; exit 1'
startsecs: 0s
backoff: { first: 50ms, longest: 10s, jitter: 0, steady: 300ms }
give_up: never
`,
  });
  await box.fifo("fate");
  writeFileSync(box.path("broken"), "");
  await box.start();
  await box.until("web", ({ why }) => /^6th failure in a row/.test(why));
  rmSync(box.path("broken"));
  await box.until("web", ({ state, since }) => state === "RUNNING" && Date.now() - Date.parse(since) > 400);
  const starts = box.file("starts").trim().split("\n").map(Number);
  const gaps = starts.slice(1).map((at, index) => at - (starts[index] as number));
  // The very first start takes a shell longer than the others, so its gap tells nothing; each may be late by a little.
  for (const [index, delay] of [100, 200, 400, 800, 1600].entries()) {
    assert.ok((gaps[index + 1] as number) > 0.6 * delay, `gaps: ${gaps}`);
  }

  writeFileSync(box.path("broken"), "");
  await box.put("fate", "\n");
  // The steady run's own failure was a first one.
  await box.until("web", ({ why }) => /^2nd failure in a row/.test(why));
});

test("services that fail together come back spread over their backoff, not in one instant", async (t) => {
  const box = await Box.open(t, {
    "many.yaml": `command: sh -c 'date +%s%3N >> starts; [ -e "first-$$SVCD_SERVICE" ] && exec sleep 1001; touch "first-$$SVCD_SERVICE"; exit 1'
replicas: 40
startsecs: 0s
backoff: { first: 2s, jitter: 0.5 }
`,
    "other.yaml": SLEEPS,
  });
  const other = await box.pid("other");
  await box.allBecome(41, ({ name, run, state }) => state === "RUNNING" && (name === "other" || run === 2));
  let starts: number[] = [];
  await box.becomes("each has told of two starts", () => {
    starts = box.file("starts").trim().split("\n").map(Number);
    return starts.length === 80;
  });
  const seconds = starts.sort((a, b) => a - b).slice(40);
  const spread = (seconds.at(-1) as number) - (seconds[0] as number);
  // Jitter of a half spreads 2 s over 1 to 3 s; forty of them leave no large part of that empty.
  assert.ok(spread > 1000, `the second starts lie within ${spread} ms`);
  t.diagnostic(`40 second starts over ${spread} ms`);
  assert.equal((await box.status("other")).pid, other);
});

test("a hundred services killed at once are started one after the other, and svcd answers meanwhile", async (t) => {
  const box = await Box.open(t, { "many.yaml": `${SLEEPS}replicas: 100\n` });
  const all = await box.allBecome(100, ({ state, pid }) => state === "RUNNING" && pid !== null);
  const startedAt = performance.now();
  for (const { pid } of all) kill(pid as number, "SIGKILL");
  let answers = 0;
  let slowest = 0;
  await box.becomes("all are back", async () => {
    const asked = performance.now();
    const now = await box.control.services();
    slowest = Math.max(slowest, performance.now() - asked);
    answers++;
    return now.every(({ state, run, pid }) => state === "RUNNING" && run === 2 && pid !== null);
  });
  t.diagnostic(
    `back after ${Math.round(performance.now() - startedAt)} ms; ${answers} answers meanwhile, the slowest after ${Math.round(slowest)} ms`,
  );
  for (const { name, pid } of await box.control.services()) assert.deepEqual(box.processesOf(name), [pid]);
});

test("a dependency that never becomes ready holds up those that wait for it, and nobody else", async (t) => {
  const box = await Box.open(t, {
    "db.yaml": `${SLEEPS}healthcheck: { exec: "false", interval: 100ms, start_period: 1h }\n`,
    "api.yaml": `${SLEEPS}depends_on: { db: ready }\n`,
    "web.yaml": `${SLEEPS}depends_on: { api: ready }\n`,
    "other.yaml": SLEEPS,
  });
  await box.until("other", "RUNNING");
  assert.match((await box.until("api", "WAITING")).why, /waits for db to be ready \(it is STARTING/);
  assert.match((await box.until("web", "WAITING")).why, /waits for api to be ready \(it is WAITING for db\)/);

  await t.test("who asks for one of them may say how long to wait, and hears what it waits for", async () => {
    const { code, stdout, stderr } = await box.svctl("restart", "--timeout", "1s", "api");
    assert.equal(code, 1);
    assert.match(stdout + stderr, /db/);
  });

  await t.test("what waits can be stopped, and so can what is waited for", async () => {
    assert.equal((await box.svctl("stop", "web")).code, 0);
    assert.equal((await box.svctl("stop", "all")).code, 0);
    await box.allBecome(4, ({ state }) => state === "STOPPED");
  });
});
