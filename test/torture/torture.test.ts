/** A short one for every run of the tests; `npm run torture` goes on for as long as one likes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { torture } from "./torture.ts";

test("a kill loop of core, keeper and services costs no line, no process and no wish", async (t) => {
  const seed = Math.floor(Math.random() * 1e9);
  t.diagnostic(`npm run torture -- --seed ${seed} --seconds 8 --services 8 --rate 5`);
  // Generous with time: what is late on a machine that others use too is not broken.
  const options = { seed, seconds: 8, services: 8, rate: 5, only: "", patienceMs: 30_000, onProgress: () => {} };
  const ledger = await torture(options);
  assert.ok(ledger.lines > 0 && ledger.kills.service + ledger.kills.core + ledger.kills.keeper > 0);
  const story = () => `${ledger.broken.join("\n")}\nseed ${seed}\n${ledger.story.slice(-300).join("\n")}`;
  assert.equal(ledger.brokenAll, 0, ledger.brokenAll > 0 ? story() : "");
});
