import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { nearest, slipsBetween, suggestion } from "./suggest.ts";

const KEYS = ["command", "environment", "env_file", "restart", "replicas", "on", "user"];

test("a slip of the hand finds the word that was meant", () => {
  for (const [slip, word] of [
    ["enviroment", "environment"],
    ["comand", "command"],
    ["retsart", "restart"],
    ["Restart", "restart"],
    ["usr", "user"],
    ["replica", "replicas"],
  ]) {
    assert.equal(nearest(slip!, KEYS), word);
  }
});

test("a word that is near to none gets the list instead of a guess", () => {
  assert.equal(nearest("frobnicate", KEYS), null);
  assert.equal(suggestion("frobnicate", KEYS, "the keys are …"), "the keys are …");
});

test("two letters swapped are one slip, and so is one letter more, less or other", () => {
  assert.deepEqual(
    [
      slipsBetween("ab", "ba"),
      slipsBetween("abc", "ab"),
      slipsBetween("ab", "abc"),
      slipsBetween("abc", "axc"),
      slipsBetween("", "abc"),
    ],
    [1, 1, 1, 1, 3],
  );
});

test("the number of slips is the same both ways and nothing only between equals", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      assert.equal(slipsBetween(a, b), slipsBetween(b, a));
      assert.equal(slipsBetween(a, b) === 0, a === b);
      assert.ok(slipsBetween(a, b) <= Math.max(a.length, b.length));
    }),
    { numRuns: 3000 },
  );
});
