/** A start that says how far it is: it is given time while it moves on, and ended when it stands still. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hours, minutes, type Simulated, seconds, simulate } from "./simulate.ts";

const CHECK = {
  intervalMs: seconds(10),
  timeoutMs: seconds(5),
  retries: 3,
  startPeriodMs: seconds(30),
  onUnhealthy: "restart",
} as const;

function loading(changes: Parameters<typeof simulate>[0] = {}): Simulated {
  const vllm = simulate({ health: CHECK, stallMs: minutes(10), ...changes });
  vllm.start();
  return vllm;
}

/** The check says no, as long as it takes. */
function failsFor(vllm: Simulated, ms: number): void {
  const end = vllm.now + ms;
  while (vllm.now < end && vllm.at === "starting") {
    vllm.passes(seconds(1));
    vllm.probeFails();
  }
}

test("a start that moves on has all the time it needs, however short its start period is", () => {
  const vllm = loading();
  for (let shard = 0; shard < 100; shard++) {
    vllm.says(`loading shards ${shard}/100`);
    failsFor(vllm, minutes(9));
    assert.equal(vllm.at, "starting");
  }
  vllm.probePasses();
  assert.equal(vllm.at, "running");
  assert.deepEqual(
    vllm.did.filter((what) => !what.startsWith("probe")),
    ["spawn 1", "watch 1", "tell healthy"],
  );
});

test("one that stands still is ended and tried again, and the cause says where it stood", () => {
  const vllm = loading();
  vllm.says("loading shards 4/9");
  failsFor(vllm, minutes(11));
  assert.equal(vllm.at, "stopping");
  vllm.exits({ signal: "SIGTERM" });
  assert.equal(vllm.life.lastEnd?.blame, "no progress for 10m in loading shards 4/9; last check: HTTP 503");
  vllm.passes(minutes(1));
  assert.equal(vllm.run, 2);
});

test("it stands still even while the start period lasts", () => {
  const vllm = loading({ health: { ...CHECK, startPeriodMs: hours(5) } });
  vllm.says("loading shards 4/9");
  failsFor(vllm, minutes(11));
  assert.equal(vllm.at, "stopping");
});

test("a word that moves nothing on gives no more time", () => {
  const vllm = loading();
  vllm.says("download 4/9");
  failsFor(vllm, minutes(5));
  vllm.says("download 1/9", false);
  failsFor(vllm, minutes(6));
  assert.equal(vllm.at, "stopping");
});

test("before anything is known of it, the start period decides as ever", () => {
  const vllm = loading();
  failsFor(vllm, minutes(1));
  assert.equal(vllm.at, "stopping");
  vllm.exits({ signal: "SIGTERM" });
  assert.match(vllm.life.lastEnd?.blame ?? "", /^unhealthy: HTTP 503/);
});

test("where an unhealthy service is left alone, one that stands still is, too", () => {
  const vllm = loading({ health: { ...CHECK, onUnhealthy: "nothing" } });
  vllm.says("loading shards 4/9");
  failsFor(vllm, hours(2));
  assert.ok(vllm.at === "starting" || vllm.at === "running");
});

test("the machine sleeps: what was due is given its time once more, but not for ever", () => {
  const vllm = loading();
  vllm.says("loading shards 4/9");
  vllm.sleeps(hours(8));
  assert.equal(vllm.at, "starting");
  failsFor(vllm, minutes(11));
  assert.equal(vllm.at, "stopping");
});

test("once it is ready, silence is no stall", () => {
  const vllm = loading();
  vllm.says("capturing graphs 80/83");
  vllm.probePasses();
  vllm.passes(seconds(2));
  assert.equal(vllm.at, "running");
  for (let hour = 0; hour < 3; hour++) {
    vllm.says("download 1/9");
    vllm.passes(seconds(10));
    vllm.probePasses();
  }
  assert.equal(vllm.at, "running");
});

test("a late word of an earlier run changes nothing", () => {
  const vllm = loading();
  vllm.exits({ code: 1 });
  vllm.passes(seconds(5));
  const before = vllm.life;
  vllm.says("loading shards 4/9", true, 1);
  assert.equal(vllm.life, before);
});

test("starts that stand still spend the budget of failures", () => {
  const vllm = loading({ giveUp: { kind: "window", failures: 2, withinMs: hours(1) } });
  for (let run = 1; run <= 2; run++) {
    vllm.says("download 1/9");
    failsFor(vllm, minutes(11));
    vllm.exits({ signal: "SIGTERM" });
    vllm.passes(minutes(1));
  }
  assert.equal(vllm.at, "fatal");
});
