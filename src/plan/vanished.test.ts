import assert from "node:assert/strict";
import { test } from "node:test";
import { diffPlans } from "./diff.ts";
import { mistakesOf, planOf } from "./testing.ts";
import { type Held, holdVanished, nothingHeld, withHeld } from "./vanished.ts";

const COMMAND = "command: x";

function filesNamed(names: string): Record<string, string> {
  return Object.fromEntries([...names].map((name) => [`d/${name}.yaml`, COMMAND]));
}

function heldAfter(before: string, after: string, held: Held = nothingHeld): Held {
  return holdVanished(planOf(filesNamed(before)).services.values(), planOf(filesNamed(after)), held);
}

const filesOf = (names: string): string[] => [...names].map((name) => `d/${name}.yaml`);

test("more than half of the files gone at once is a slip, half or less is an order", () => {
  for (let of = 1; of <= 12; of++) {
    const before = "abcdefghijkl".slice(0, of);
    for (let gone = 0; gone <= of; gone++) {
      const expected = of >= 4 && gone * 2 > of ? { files: filesOf(before.slice(0, gone)), of } : nothingHeld;
      assert.deepEqual(heldAfter(before, before.slice(gone)), expected, `${gone} of ${of}`);
    }
  }
});

test("new files beside those that vanished do not make it an order", () => {
  assert.deepEqual(heldAfter("abcd", "xyzuvw"), { files: filesOf("abcd"), of: 4 });
});

test("while files are in doubt, whatever else vanishes is too, and what is back is not", () => {
  const held = heldAfter("abcdefgh", "abc");
  assert.deepEqual(held, { files: filesOf("defgh"), of: 8 });
  assert.deepEqual(heldAfter("abcdefghxyzuvw", "bcxyzuvw", held), { files: filesOf("adefgh"), of: 8 });
  assert.deepEqual(heldAfter("abcdefgh", "abcefgh", held), { files: filesOf("d"), of: 8 });
  assert.deepEqual(heldAfter("abcdefgh", "abcdefgh", held), nothingHeld);
});

test("a file that is there counts as there, whatever is wrong with it or no longer in it", () => {
  const before = planOf(filesNamed("abcde"));
  const broken = planOf({ "d/a.yaml": "comand: x", "d/b.yaml": "[", "d/c.yaml": COMMAND });
  assert.deepEqual(holdVanished(before.services.values(), broken, nothingHeld), nothingHeld);
  const many = planOf({
    "d/m.yaml": `services: { a: {${COMMAND}}, b: {${COMMAND}}, c: {${COMMAND}}, d: {${COMMAND}} }`,
  });
  const few = planOf({ "d/m.yaml": `services: { a: {${COMMAND}} }` });
  assert.deepEqual(holdVanished(many.services.values(), few, nothingHeld), nothingHeld);
});

test("what the held files described is kept, and the mistake says how many, and what to do", () => {
  const before = planOf(filesNamed("abcde")).services;
  const after = withHeld(planOf(filesNamed("ex")), heldAfter("abcde", "ex"));
  const { added, removed, kept } = diffPlans(before, after);
  assert.deepEqual({ added, removed, kept }, { added: ["x"], removed: [], kept: ["a", "b", "c", "d"] });
  assert.deepEqual(mistakesOf(after), [
    "d:1:1 4 of 5 files vanished at once: what they described goes on as it was " +
      "(put the files back; or, if they shall be gone and their services stop: svctl apply)",
  ]);
});

test("files of jobs count like files of services", () => {
  const jobs = Object.fromEntries(["a", "b", "c", "d"].map((name) => [`cron.d/${name}`, `@daily ${name}\n`]));
  const { "cron.d/a": _, ...three } = jobs;
  const before = [...planOf(jobs).jobs.values()];
  assert.deepEqual(holdVanished(before, planOf(three), nothingHeld), nothingHeld);
  assert.deepEqual(holdVanished(before, planOf({}), nothingHeld), { files: Object.keys(jobs), of: 4 });
});
