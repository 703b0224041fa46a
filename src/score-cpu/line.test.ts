import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { lineBefore } from "./line.ts";
import type { Pair, Ranker } from "./ranker.ts";

const OPTIONS = { truncateTokens: null, useActivation: true };
const pairs = (count: number): Pair[] => Array.from({ length: count }, (_, i) => ["q", String(i)]);
const wanted = () => false;

/** A ranker that goes on when the test says so, a pair at a time. */
function heldRanker() {
  const held: (() => void)[] = [];
  const asked: Pair[] = [];
  const ranker: Ranker = {
    model: "held",
    description: "",
    maxModelLen: null,
    async *slices(all) {
      for (const pair of all) {
        asked.push(pair);
        await new Promise<void>((go) => held.push(go));
        yield { scores: [Number(pair[1])], tokens: 1 };
      }
    },
  };
  const goOn = async (): Promise<void> => {
    for (const go of held.splice(0)) go();
    for (let turn = 0; turn < 5; turn++) await nextTurn();
  };
  return { ranker, asked, goOn };
}

test("a few requests run at a time, the others wait in the order in which they came", async () => {
  const { ranker, goOn } = heldRanker();
  const line = lineBefore(ranker);
  const ended: number[] = [];
  const all = Array.from({ length: 10 }, (_, i) => line.score(pairs(1), OPTIONS, wanted).then(() => ended.push(i)));
  assert.deepEqual([line.running, line.waiting], [4, 6]);
  await goOn();
  assert.deepEqual([line.running, line.waiting], [4, 2]);
  await goOn();
  await goOn();
  await Promise.all(all);
  assert.deepEqual(ended, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual([line.running, line.waiting], [0, 0]);
});

test("whoever finds the line full is told so at once", async () => {
  const { ranker, goOn } = heldRanker();
  const line = lineBefore(ranker);
  const all = Array.from({ length: 4 + 2048 }, () => line.score(pairs(1), OPTIONS, wanted));
  assert.equal(await line.score(pairs(1), OPTIONS, wanted), "full");
  while (line.running > 0) await goOn();
  assert.ok((await Promise.all(all)).every((answer) => typeof answer === "object"));
});

test("what nobody waits for any more is not worked on", async () => {
  const { ranker, asked, goOn } = heldRanker();
  const line = lineBefore(ranker);
  let isGone = false;
  const running = line.score(pairs(100), OPTIONS, () => isGone);
  await goOn();
  isGone = true;
  await goOn();
  assert.equal(await running, "gone");
  assert.ok(asked.length < 5);
  assert.equal(await line.score(pairs(1), OPTIONS, () => true), "gone");
  assert.equal(line.running, 0);
});

test("a ranker that fails costs its request only", async () => {
  let fails = true;
  const line = lineBefore({
    model: "broken",
    description: "",
    maxModelLen: null,
    *slices() {
      if (fails) throw new Error("broken");
      yield { scores: [1], tokens: 1 };
    },
  });
  const failed = Array.from({ length: 6 }, () => assert.rejects(line.score(pairs(1), OPTIONS, wanted), /broken/));
  await Promise.all(failed);
  fails = false;
  assert.deepEqual(await line.score(pairs(1), OPTIONS, wanted), { scores: [1], tokens: 1 });
  assert.deepEqual([line.running, line.waiting], [0, 0]);
});
