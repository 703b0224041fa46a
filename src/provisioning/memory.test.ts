import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decide,
  emptyRecord,
  type Memory,
  NOTHING_KNOWN,
  parseMemory,
  stepMeant,
  withDecisions,
  withWishes,
} from "./memory.ts";
import type { Step } from "./step.ts";

const step = (name: string, hash = name, changes: Partial<Step> = {}): Step => ({
  name,
  where: "x.yaml:1",
  work: { kind: "run", argv: [name], cwd: "/" },
  unwanted: null,
  hash,
  env: {},
  onFailure: "stop",
  tries: 1,
  retryDelayMs: 1,
  timeoutMs: null,
  creates: null,
  unless: null,
  ...changes,
});

const steps = ["a", "b", "c", "d"].map((name) => step(name));
const known = (states: Record<string, string>): Memory => ({
  ...NOTHING_KNOWN,
  steps: Object.fromEntries(
    Object.entries(states).map(([name, state]) => [name, { ...emptyRecord(name), state: state as "done" }]),
  ),
});
const all = { a: "done", b: "done", c: "done", d: "done" };
const runs = (list: readonly Step[], memory: Memory): string =>
  decide(list, memory, false)
    .map((one) => (one.do === "run" ? `${one.step.name}: ${one.why}` : null))
    .filter(Boolean)
    .join(", ");

test("what is done is skipped, and everything is new the first time", () => {
  assert.equal(runs(steps, known(all)), "");
  assert.equal(runs(steps, NOTHING_KNOWN), "a: new, b: new, c: new, d: new");
});

test("a run goes on from the step that failed or was cut off, and from no other", () => {
  assert.equal(runs(steps, known({ a: "done", b: "failed" })), "b: failed before, c: new, d: new");
  assert.equal(runs(steps, known({ a: "done", b: "running" })), "b: interrupted, c: new, d: new");
  // Of one that was gone on without, the others are done.
  assert.equal(runs(steps, known({ ...all, b: "failed" })), "b: failed before");
});

test("a step that changed runs again, and so does what comes after it", () => {
  const changed = [steps[0]!, step("b", "other"), steps[2]!, steps[3]!];
  assert.equal(runs(changed, known(all)), "b: changed, c: after another, d: after another");
  assert.equal(runs([...steps, step("e")], known(all)), "e: new");
});

test("what has to be done again is not forgotten when the run is cut off after the step that changed", () => {
  const changed = [steps[0]!, step("b", "other"), steps[2]!, steps[3]!];
  const before = withDecisions(known(all), decide(changed, known(all), false));
  const cutOff: Memory = { ...before, steps: { ...before.steps, b: { ...emptyRecord("other"), state: "done" } } };
  assert.equal(runs(changed, cutOff), "c: asked for, d: asked for");
});

test("a step that this machine does not want is skipped with its reason, and is looked at each time", () => {
  const unwanted = step("b", "b", { work: null, unwanted: "MODEL is not set" });
  assert.equal(runs([steps[0]!, unwanted], known({ a: "done" })), "");
  assert.equal(runs(steps, known({ ...all, b: "skipped" })), "b: skipped before");
});

test("a wish counts once, whoever dies between hearing it and removing it", () => {
  const wish = { id: "w1", from: "c" };
  const heard = withWishes(known(all), [wish], steps);
  assert.equal(runs(steps, heard), "c: asked for, d: asked for");
  const done: Memory = { ...heard, steps: known(all).steps };
  assert.equal(runs(steps, withWishes(done, [wish], steps)), "");
  assert.equal(runs(steps, withWishes(done, [wish, { id: "w2", from: "all" }], steps)).split(",").length, 4);
  assert.deepEqual(withWishes(done, [], steps).heard, []);
});

test("without a name a wish only has scripts compared", () => {
  const script = step("s", "s", { work: { kind: "script", source: "/s", cwd: "/" } });
  const memory = known({ s: "done", a: "done" });
  assert.deepEqual(
    decide([script, steps[0]!], memory, true).map((one) => one.do),
    ["compare", "skip"],
  );
  assert.deepEqual(
    decide([script], memory, false).map((one) => one.do),
    ["skip"],
  );
});

test("a step is meant by its name, its number, or a part of its name that no other has", () => {
  const some = [step("apt git"), step("download model.bin"), step("download other.bin")];
  assert.equal(stepMeant("2", some)?.name, "download model.bin");
  assert.equal(stepMeant("apt git", some)?.name, "apt git");
  assert.equal(stepMeant("model", some)?.name, "download model.bin");
  assert.equal(stepMeant("download", some), null);
  assert.equal(stepMeant("9", some), null);
});

test("a torn or foreign file of states is never an error, and what is whole in it counts", () => {
  const text = JSON.stringify(known(all));
  assert.deepEqual(parseMemory(text), { memory: known(all), isWhole: true });
  for (const length of [0, 1, 20, text.length - 1]) assert.equal(parseMemory(text.slice(0, length)).isWhole, false);
  const odd = JSON.parse(text);
  odd.steps.b = { state: "perhaps" };
  const { memory, isWhole } = parseMemory(JSON.stringify(odd));
  assert.deepEqual([Object.keys(memory.steps), isWhole], [["a", "c", "d"], false]);
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      parseMemory(JSON.stringify(value));
    }),
  );
});
