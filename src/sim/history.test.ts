import assert from "node:assert/strict";
import { test } from "node:test";
import { Coverage } from "./coverage.ts";
import { type Result, replay, simulateSeed } from "./history.ts";
import { shortStory, shrink } from "./shrink.ts";

/** A failing seed is shrunk into the message; `npm run sim -- --seed N --shrink` tells it again. */
function mustHold(result: Result): void {
  if (result.broken === null) return;
  const { seed, turns } = result.script;
  const story = shortStory(shrink(result)).join("\n");
  assert.fail(
    `seed ${seed}: ${result.broken}\n${story}\nreplay: npm run sim -- --seed ${seed} --turns ${turns} --shrink`,
  );
}

test("whatever the weather, every invariant holds, all that is wanted comes up, a shutdown ends; each fault strikes in each state", () => {
  const coverage = new Coverage();
  for (let seed = 1; seed <= 400; seed++) mustHold(simulateSeed(seed, 2_000, { coverage }));
  assert.deepEqual(coverage.missing(), [], coverage.table());
});

test("the same for 300 seeds that nobody has seen", () => {
  const first = Math.floor(Math.random() * 1e9);
  for (let seed = first; seed < first + 300; seed++) mustHold(simulateSeed(seed, 1_000));
});

test("a history of a hundred thousand turns needs no more memory than a short one", () => {
  const { broken, story } = simulateSeed(11, 100_000);
  assert.equal(broken, null, story.slice(-60).join("\n"));
});

test("the same seed tells the same story, and so does its script", () => {
  const once = simulateSeed(4711, 1_000, { tells: true });
  assert.ok(once.story.length > 100);
  assert.deepEqual(simulateSeed(4711, 1_000, { tells: true }), once);
  assert.deepEqual(replay(once.script, { tells: true }).story, once.story);
});
