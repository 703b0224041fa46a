import assert from "node:assert/strict";
import { test } from "node:test";
import { wrapped } from "./help.ts";

test("sentences are broken to the width of the terminal, examples stay as they are", () => {
  const text = "\nOne sentence that\nis long.\n  an example that is kept whole\n\nNext.";
  assert.deepEqual(wrapped(text, 16), [
    "",
    "One sentence",
    "that is long.",
    "  an example that is kept whole",
    "",
    "Next.",
  ]);
  assert.deepEqual(wrapped("", 80), []);
});
