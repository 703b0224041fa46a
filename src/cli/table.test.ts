import assert from "node:assert/strict";
import { test } from "node:test";
import { table } from "./table.ts";
import { width } from "./text.ts";

const rows = [
  [{ text: "NAME" }, { text: "STATE" }, { text: "WHY" }],
  [{ text: "web" }, { text: "RUNNING" }, { text: "up and healthy" }],
  [{ text: "日本" }, { text: "FATAL" }, { text: "gave up after 10 failures within 10 minutes" }],
];

test("columns stand under each other, without trailing blanks", () => {
  assert.deepEqual(table(rows, null), [
    "NAME  STATE    WHY",
    "web   RUNNING  up and healthy",
    "日本  FATAL    gave up after 10 failures within 10 minutes",
  ]);
});

test("with a width, no line is wider, however narrow it is", () => {
  assert.equal(table(rows, 30)[2], "日本  FATAL    gave up after …");
  for (let columns = 1; columns < 60; columns++) {
    for (const line of table(rows, columns)) assert.ok(width(line) <= columns, `${columns}: ${line}`);
  }
});

test("colour does not move the columns", () => {
  const painted = table(
    [
      [{ text: "web", paint: (text) => `<${text}>` }, { text: "x" }],
      [{ text: "longer" }, { text: "y" }],
    ],
    null,
  );
  assert.deepEqual(painted, ["<web   >  x", "longer  y"]);
});
