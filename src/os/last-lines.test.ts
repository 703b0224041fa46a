import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { lastLines, plainText } from "./last-lines.ts";

const dir = mkdtempSync(`${tmpdir()}/last-lines-`);
after(() => rmSync(dir, { recursive: true }));

let files = 0;
function logOf(content: string | Buffer, before?: string): string {
  const path = `${dir}/${++files}.log`;
  writeFileSync(path, content);
  if (before !== undefined) writeFileSync(`${path}.1`, before);
  return path;
}

test("the last lines come oldest first, with or without a newline at the end", () => {
  assert.deepEqual(lastLines(logOf("one\ntwo\nthree\n"), 2), ["two", "three"]);
  assert.deepEqual(lastLines(logOf("one\ntwo\nthree"), 2), ["two", "three"]);
});

test("empty lines at the end are not worth showing, those in between are", () => {
  assert.deepEqual(lastLines(logOf("one\n\ntwo\n\n  \n"), 3), ["one", "", "two"]);
});

test("a log that was just rotated is continued backwards into the file before", () => {
  assert.deepEqual(lastLines(logOf("three\n", "one\ntwo\n"), 2), ["two", "three"]);
  assert.deepEqual(lastLines(logOf("", "one\ntwo\n"), 5), ["one", "two"]);
});

test("the file before is left alone when the current one has enough", () => {
  assert.deepEqual(lastLines(logOf("two\nthree\n", "one\n"), 2), ["two", "three"]);
});

test("no file, no lines", () => {
  assert.deepEqual(lastLines(`${dir}/nothing.log`, 5), []);
  assert.deepEqual(lastLines(dir, 5), []);
});

test("only the end of a large log is read, and no fragment of a line is shown", () => {
  const path = logOf([...Array(1_000).fill("x".repeat(500)), "the end\n"].join("\n"));
  assert.deepEqual(lastLines(path, 50, { maxBytes: 600 }), ["x".repeat(500), "the end"]);
});

test("a log that is one endless line still shows its end, cut to a readable length", () => {
  const lines = lastLines(logOf(`${"é".repeat(100_000)}`), 5, { maxBytes: 9_999 });
  assert.equal(lines.length, 1);
  assert.equal(lines[0], `${"é".repeat(2_000)}…`);
});

test("what is no UTF-8 is shown as U+FFFD and hides nothing around it", () => {
  assert.deepEqual(lastLines(logOf(Buffer.from([0x61, 0xff, 0xc3, 0x62, 0x0a])), 1), ["a\uFFFD\uFFFDb"]);
});

test("a progress bar is shown in its last state", () => {
  assert.equal(plainText("loading  10%\rloading  50%\rloading 100%\r"), "loading 100%");
  assert.equal(plainText("ends as DOS does\r"), "ends as DOS does");
  assert.equal(plainText("loading 50%\r\x1b[2K"), "loading 50%");
});

test("colours, titles, cursor movements and control characters are gone, the text stays", () => {
  assert.equal(
    plainText("\x1b[1;31mERROR\x1b[0m \x1b]0;a title\x07it \x1b]8;;http://x\x1b\\broke\x1b]8;;\x1b\\"),
    "ERROR it broke",
  );
  assert.equal(plainText("\x1b(B\x1b7a\x08\x00b\tc\x9b31md\x7f"), "ab\tcd");
});

test("marks that make text run backwards are gone", () => {
  assert.equal(plainText("safe\u202Etxt.exe\u2066"), "safetxt.exe");
});
