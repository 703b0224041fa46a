/** Each scenario with one thing going wrong, at each place where it can: exhaustive, and small. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Strike } from "./fate.ts";
import { FAULT_NAMES, type Fault } from "./faults.ts";
import { SCENARIOS, type Scenario, type Told, tell } from "./scenarios.ts";

/** After these something may rightly be in another state than if all had gone well. */
const MAY_END_OTHERWISE: ReadonlySet<Fault> = new Set(["start refused", "program missing", "crashes", "journal torn"]);

function toldWith(scenario: Scenario, strikes: readonly Strike[], cutAt?: number): Told {
  try {
    return tell(scenario, strikes, {}, cutAt);
  } catch (error) {
    const where = strikes.map(({ fault, nth }) => `${fault} at its occasion ${nth}`).join(", ");
    throw new Error(`${scenario.title}, with ${where}: ${(error as Error).message}`, { cause: error });
  }
}

/** Goes on until the fault has no further occasion; answers with their number. */
function sweep(scenario: Scenario, fault: Fault, others: readonly Strike[] = []): number {
  const clean = toldWith(scenario, []);
  for (let nth = 1; ; nth++) {
    const told = toldWith(scenario, [{ fault, nth }, ...others]);
    if (!told.world.fate.struck.some((strike) => strike.fault === fault)) return nth - 1;
    if (!MAY_END_OTHERWISE.has(fault) && scenario.mayEndOtherwiseAfter?.includes(fault) !== true) {
      assert.deepEqual(told.states, clean.states, `${scenario.title}, with ${fault} at its occasion ${nth}`);
    }
  }
}

for (const scenario of SCENARIOS) {
  test(`${scenario.title}: as well if the core dies before or after any action`, () => {
    assert.ok(sweep(scenario, "core dies") > 20);
  });

  test(`${scenario.title}: as well if what the dying core had said is lost, too`, () => {
    assert.ok(sweep(scenario, "core dies", [{ fault: "last orders lost", nth: 1 }]) > 20);
  });

  test(`${scenario.title}: as well if the keeper dies before or after it obeys any order`, () => {
    assert.ok(sweep(scenario, "keeper dies") > 2);
  });

  test(`${scenario.title}: every other fault, at each place where it can strike`, () => {
    const others = FAULT_NAMES.filter((fault) => fault !== "core dies" && fault !== "keeper dies");
    for (const fault of others) sweep(scenario, fault);
  });

  test(`${scenario.title}: whatever prefix of the journal the next core finds`, () => {
    const { world } = toldWith(scenario, []);
    for (let lines = 0; lines < world.journal.length; lines++) toldWith(scenario, [], lines);
  });
}

test("a core that dies twice, at any two actions, costs nothing either", () => {
  const stop = SCENARIOS.find(({ title }) => title === "one is started with what it needs")!;
  const clean = toldWith(stop, []);
  for (let first = 1; ; first++) {
    for (let second = first + 1; ; second++) {
      const told = toldWith(
        stop,
        [first, second].map((nth) => ({ fault: "core dies", nth })),
      );
      const deaths = told.world.fate.struck.length;
      if (deaths === 0) return;
      assert.deepEqual(told.states, clean.states, `the core dies at its occasions ${first} and ${second}`);
      if (deaths === 1) break;
    }
  }
});

test("an upgrade signals nobody: the same processes go on", () => {
  const [starts, upgrade] = ["everything starts", "an upgrade"].map((title) =>
    toldWith(SCENARIOS.find((scenario) => scenario.title === title)!, []),
  );
  assert.deepEqual(upgrade!.pids, starts!.pids);
  assert.equal(upgrade!.world.coresStarted, 2);
});
