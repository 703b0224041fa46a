import assert from "node:assert/strict";
import { test } from "node:test";
import { readTree } from "./tree.ts";

test("a schedule that YAML takes for an alias is told to be quoted, where it begins", () => {
  for (const [text, column] of [
    ["schedule: */5 * * * *", 10],
    ["schedule:\n  - * * * * *", 4],
  ] as const) {
    const tree = readTree(text);
    assert.ok(tree.kind === "broken");
    const [flaw] = tree.flaws;
    assert.match(flaw?.what ?? "", /alias or an anchor to YAML/);
    assert.equal(flaw?.fix, "put the value in quotes");
    assert.equal(tree.place(flaw!.at).column, column + 1);
  }
});
