import assert from "node:assert/strict";
import { test } from "node:test";
import { cut, pad, plain, plainLines, width } from "./text.ts";

test("no text of a service can steer the terminal: every control character is shown instead", () => {
  assert.equal(plain("web\x1b[2J\x07\r\n\x9b"), "web\\x1b[2J\\x07\\r\\n\\x9b");
  assert.equal(plain("a\u202eb\u2066"), "a\\u202eb\\u2066");
  for (let code = 0; code < 0x3000; code++) {
    const shown = plain(String.fromCharCode(code));
    assert.doesNotMatch(shown, /[\u0000-\u001f\u007f-\u009f]/);
  }
});

test("several lines stay several lines", () => {
  assert.equal(plainLines("one\ntwo\x1b"), "one\ntwo\\x1b");
});

test("columns are counted as a terminal draws them", () => {
  assert.equal(width("web"), 3);
  assert.equal(width("café"), 4);
  assert.equal(width("cafe\u0301"), 4);
  assert.equal(width("日本"), 4);
  assert.equal(width("🚀"), 2);
});

test("what is cut never takes more columns than there are", () => {
  assert.equal(cut("connection refused", 10), "connectio…");
  assert.equal(cut("short", 10), "short");
  assert.equal(cut("日本語", 4), "日…");
  assert.equal(cut("web", 0), "");
  assert.equal(pad("日本", 6), "日本  ");
});
