/**
 * Output comes in pieces that have nothing to do with lines: however it is cut, every line is kept whole and once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Box } from "./box.ts";

const COUNT = 20_000;

test("many lines written at once are stamped one by one: none is torn, none is missing, the last without its newline too", async (t) => {
  const box = await Box.open(t, {
    "plain.yaml": `command: sh -c 'seq 1 ${COUNT}; printf end'\nrestart: no\n`,
    "stamped.yaml": `command: sh -c 'seq 1 ${COUNT}; printf end'\nrestart: no\nlogs: { timestamps: true }\n`,
    // One line in three pieces, each in a write of its own.
    "pieces.yaml":
      "command: sh -c 'printf one; sleep 0.1; printf two; sleep 0.1; echo three'\nrestart: no\nlogs: { timestamps: true }\n",
  });
  const expected = [...Array.from({ length: COUNT }, (_, index) => String(index + 1)), "end"];
  for (const name of ["plain", "stamped", "pieces"]) await box.until(name, "EXITED");
  assert.deepEqual(box.log("plain").split("\n"), expected);
  const unstamped = (name: string) =>
    box
      .log(name)
      .split("\n")
      .map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, ""));
  assert.deepEqual(unstamped("stamped"), expected);
  assert.ok(
    box
      .log("stamped")
      .split("\n")
      .every((line) => /^\d{4}-/.test(line)),
  );
  assert.deepEqual(unstamped("pieces"), ["onetwothree", ""]);
});
