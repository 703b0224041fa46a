import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateSeed } from "./run.ts";

/** A failing seed is replayed with `npm run sim -- --seed N`; its last moments are in the message. */
function mustHold(seed: number, steps: number): void {
  const { broken, story } = simulateSeed(seed, steps);
  assert.equal(
    broken,
    null,
    `seed ${seed}: ${broken}\n${story.slice(-40).join("\n")}\nreplay: npm run sim -- --seed ${seed}`,
  );
}

test("whatever the weather: no second copy, no lost end, all that is wanted comes up, a shutdown ends (300 known seeds)", () => {
  for (let seed = 1; seed <= 300; seed++) mustHold(seed, 2_000);
});

test("the same for 300 seeds that nobody has seen", () => {
  const first = Math.floor(Math.random() * 1e9);
  for (let seed = first; seed < first + 300; seed++) mustHold(seed, 1_000);
});

test("the same seed tells the same story", () => {
  const once = simulateSeed(4711);
  const again = simulateSeed(4711);
  assert.deepEqual(again, once);
});
