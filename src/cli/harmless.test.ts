import assert from "node:assert/strict";
import { test } from "node:test";
import { harmless, harmlessLine } from "./harmless.ts";

const CASES: readonly (readonly [written: string, shown: string, why: string])[] = [
  ["plain\ttext\r\n", "plain\ttext\r\n", "text stays"],
  ["\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m", "colours stay"],
  ["\x1b[38;2;1;2;3mtrue\x1b[m", "\x1b[38;2;1;2;3mtrue\x1b[m", "true colours stay"],
  ["a\x1b[2Jb\x1b[1;1Hc", "abc", "the cursor and the screen are not touched"],
  ["a\x1b]0;evil title\x07b", "ab", "the window is not renamed"],
  ["a\x1b]52;c;ZXZpbA==\x1b\\b", "ab", "the clipboard is not written"],
  ["a\x1bP$q\x1b\\b", "ab", "no device string"],
  ["a\x1b[?1049hb", "ab", "no other screen"],
  ["a\x1b[>4;2mb", "ab", "what looks like a colour and is none"],
  ["a\x1bcb\x1b7c", "abc", "no reset"],
  ["a\x1b(Bb", "ab", "no other character set"],
  ["a\x9b2Jb\x9d\x07", "ab", "nor the same in one byte"],
  ["a\x07\x08\x7fb", "ab", "no bell, backspace or delete"],
  ["\x1b]unfinished\nnext", "\nnext", "an unfinished sequence ends with its line"],
];

test("of what a service writes, a terminal gets text and colours only", () => {
  for (const [written, shown, why] of CASES) assert.equal(harmlessLine(Buffer.from(written)), shown, why);
});

test("wherever the bytes are cut, the result is the same", () => {
  for (const [written, shown, why] of [...CASES, ["日本\x1b[1m🚀", "日本\x1b[1m🚀", "wide letters"] as const]) {
    const bytes = Buffer.from(written);
    for (let at = 0; at <= bytes.length; at++) {
      const filter = harmless();
      assert.equal(filter.next(bytes.subarray(0, at)) + filter.next(bytes.subarray(at)), shown, `${why}, cut at ${at}`);
    }
  }
});
