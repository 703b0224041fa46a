import assert from "node:assert/strict";
import { constants } from "node:os";
import { test } from "node:test";
import { parseSignal, SIGNAL_WORDS } from "./signals.ts";

test("a signal is known with and without SIG, in any case, and by its number", () => {
  for (const text of ["TERM", "SIGTERM", "term", "SigTerm", "15", " TERM "])
    assert.deepEqual(parseSignal(text), { ok: true, value: "SIGTERM" });
});

test("every signal has the number that this machine gives it", () => {
  for (const word of SIGNAL_WORDS) {
    const number = constants.signals[`SIG${word}` as NodeJS.Signals];
    assert.deepEqual(parseSignal(String(number)), parseSignal(word), word);
  }
});

test("a misspelt signal gets the one that was meant", () => {
  for (const [text, fix] of [
    ["TREM", "did you mean `TERM`?"],
    ["SIGUP", "did you mean `HUP`?"],
    ["sigkil", "did you mean `KILL`?"],
  ]) {
    const read = parseSignal(text!);
    assert.ok(!read.ok);
    assert.equal(read.flaw.fix, fix);
  }
  const far = parseSignal("politely");
  assert.ok(!far.ok);
  assert.match(far.flaw.fix, /TERM, INT, QUIT/);
  for (const text of ["", "0", "64", "SIG", "constructor"]) assert.ok(!parseSignal(text).ok, text);
});
