import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Idleness, isDue, lookAgain, type Reading } from "./idle.ts";
import type { IdleRule } from "./rule.ts";
import { IdleWatch, type Subject } from "./watch.ts";

const MIN = 60_000;
const requests = (lastUsedAt: number | null): Reading => ({ source: "requests", lastUsedAt, what: "…" });
const unknown: Reading = { source: "GPU", lastUsedAt: null, what: "nvidia-smi does not answer", isUnknown: true };

function look(before: Idleness | null, now: number, readings: readonly Reading[], awakeUntil: number | null = null) {
  return lookAgain(before, { now, afterMs: 20 * MIN, upSince: 0, readings, awakeUntil });
}

test("it is due when all sources have been quiet for long enough, counted from the latest use", () => {
  const idle = look(null, 30 * MIN, [requests(5 * MIN), { ...requests(18 * MIN), source: "GPU" }]);
  assert.equal(idle.dueAt, 38 * MIN);
  assert.equal(isDue(idle, 38 * MIN - 1), false);
  assert.equal(isDue(idle, 38 * MIN), true);
});

test("what nobody has used since it came up counts from there", () => {
  assert.equal(look(null, 5 * MIN, [requests(null)]).dueAt, 20 * MIN);
});

test("a use that a source no longer tells of is not forgotten", () => {
  const used = look(null, 10 * MIN, [requests(10 * MIN)]);
  assert.equal(look(used, 25 * MIN, [requests(null)]).dueAt, 30 * MIN);
});

test("a source that cannot be read holds it, says so, and the time counts from then anew", () => {
  const held = look(null, 60 * MIN, [requests(0), unknown]);
  assert.equal(held.dueAt, null);
  assert.equal(held.heldBy, "GPU: nvidia-smi does not answer");
  assert.equal(look(held, 61 * MIN, [requests(0)]).dueAt, 80 * MIN);
});

test("without any source nothing is ever done", () => {
  const idle = look(null, 9_999 * MIN, []);
  assert.equal(isDue(idle, 9_999 * MIN), false);
  assert.match(idle.heldBy ?? "", /nothing here tells/);
});

test("keep-awake holds it, and afterwards it gets the whole time", () => {
  const held = look(null, 60 * MIN, [requests(0)], 120 * MIN);
  assert.equal(held.dueAt, null);
  const after = look(held, 125 * MIN, [requests(0)], 120 * MIN);
  assert.equal(after.dueAt, 140 * MIN);
});

test("whatever the sources say, it is never due earlier than the time after the last use any of them told of", () => {
  const agoMs = fc.option(fc.nat(100 * MIN), { nil: null });
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: MIN }), agoMs, fc.boolean()), { minLength: 1 });
  fc.assert(
    fc.property(steps, (all) => {
      let now = 0;
      let idle: Idleness | null = null;
      let lastUse = 0;
      for (const [passed, ago, isUnknown] of all) {
        now += passed;
        idle = look(idle, now, [isUnknown ? unknown : requests(ago === null ? null : now - ago)]);
        if (isUnknown) lastUse = now;
        else if (ago !== null) lastUse = Math.max(lastUse, now - ago);
        assert.equal(idle.quietSince, lastUse);
        if (isDue(idle, now)) assert.ok(now - lastUse >= 20 * MIN && !isUnknown);
      }
    }),
  );
});

// --- all of them ---------------------------------------------------------------------------------------------------------

const RULE: IdleRule = {
  afterMs: 20 * MIN,
  action: { do: "stop" },
  dryRun: false,
  metrics: null,
  jupyter: null,
  gpu: true,
};
const subject = (lastUsedAt: number | null, upSince = 0): Subject => {
  return { name: "vllm", rule: RULE, upSince, readings: [requests(lastUsedAt)] };
};

test("people hear of it five minutes before, then it is done once; a use in between is said too", () => {
  const watch = new IdleWatch();
  const said = (now: number, usedAt: number) => watch.look([subject(usedAt)], now, null).map(({ what }) => what);
  assert.deepEqual(said(14 * MIN, 0), []);
  assert.deepEqual(said(15 * MIN, 0), ["soon"]);
  assert.deepEqual(said(16 * MIN, 0), []);
  assert.deepEqual(said(17 * MIN, 17 * MIN), ["back"]);
  assert.deepEqual(said(32 * MIN, 17 * MIN), ["soon"]);
  assert.deepEqual(said(37 * MIN, 17 * MIN), ["act"]);
  assert.deepEqual(said(90 * MIN, 17 * MIN), []); // What was to be run has been; it is not run again and again.
  assert.deepEqual(said(91 * MIN, 91 * MIN), ["back"]);
  assert.deepEqual(said(111 * MIN, 91 * MIN), ["act"]);
});

test("what should have stopped the machine is run again every ten minutes while it stays idle", () => {
  const watch = new IdleWatch();
  const machine: Subject = { ...subject(0), name: null };
  const said = (now: number) => watch.look([machine], now, null).map(({ what }) => what);
  assert.deepEqual(
    [20, 25, 30, 39, 40].map((minutes) => said(minutes * MIN).join()),
    ["act", "", "act", "", "act"],
  );
});

test("the news says for how long nobody has used it", () => {
  const [news] = new IdleWatch().look([subject(0)], 21 * MIN, null);
  assert.equal(news?.why, "nobody has used vllm for 21m");
});

test("what went down and came up again counts from there", () => {
  const watch = new IdleWatch();
  watch.look([subject(0)], 19 * MIN, null);
  watch.look([], 20 * MIN, null);
  assert.equal(watch.of("vllm"), undefined);
  assert.deepEqual(watch.look([subject(null, 21 * MIN)], 22 * MIN, null), []);
  assert.equal(watch.of("vllm")?.idleness.dueAt, 41 * MIN);
});
