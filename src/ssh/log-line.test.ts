import assert from "node:assert/strict";
import { test } from "node:test";
import { StrangerLog, shown, shownWords } from "./log-line.ts";

test("nothing from outside reaches the log as anything but printable text", () => {
  assert.equal(shown("a\x1b]0;x\x07\nb\u202e"), "a?]0;x??b?");
  assert.equal(shown("x".repeat(5_000)).length, 200);
});

test("commands are told without what looks like a secret", () => {
  assert.equal(shownWords(["svctl", "status", "my web"]), 'svctl status "my web"');
  assert.equal(
    shownWords(["svctl", "run", "--token=abc", "API_KEY:xyz"]),
    "svctl run --token=(hidden) API_KEY:(hidden)",
  );
});

test("strangers fill no log: a few lines a minute, the rest is counted", () => {
  const lines: string[] = [];
  const log = new StrangerLog((line) => lines.push(line));
  for (let i = 0; i < 1_000; i++) log.say(`knock ${i}`, i);
  assert.equal(lines.length, 30);
  log.say("later", 61_000);
  assert.deepEqual(lines.slice(30), ["and 970 more lines like these within a minute", "later"]);
});
