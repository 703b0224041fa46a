import assert from "node:assert/strict";
import { test } from "node:test";
import { CookedInput } from "./cooked-input.ts";

const type = (input: CookedInput, text: string) => input.type(Buffer.from(text));

test("a program gets whole lines, and the person sees what is typed", () => {
  const input = new CookedInput();
  assert.deepEqual(type(input, "ye"), { echo: "ye", lines: "", signals: [], isEnd: false });
  assert.deepEqual(type(input, "x\x7fs\r"), { echo: "x\b \bs\r\n", lines: "yes\n", signals: [], isEnd: false });
  assert.deepEqual(type(input, "\x7f"), { echo: "", lines: "", signals: [], isEnd: false });
});

test("Ctrl-C is a signal and forgets the line; Ctrl-D at the beginning of a line is the end; Ctrl-U starts anew", () => {
  const input = new CookedInput();
  assert.deepEqual(type(input, "abc\x03"), { echo: "abc^C", lines: "", signals: ["SIGINT"], isEnd: false });
  assert.deepEqual(type(input, "ab\x15c\n"), { echo: "ab\b \b\b \bc\r\n", lines: "c\n", signals: [], isEnd: false });
  assert.deepEqual(type(input, "\x04"), { echo: "", lines: "", signals: [], isEnd: true });
});

test("letters of several bytes, keys that are none, and lines without end", () => {
  const input = new CookedInput();
  const [first, second] = Buffer.from("é");
  assert.equal(input.type(Buffer.of(first!)).echo, "");
  assert.equal(input.type(Buffer.of(second!)).echo, "é");
  assert.equal(type(input, "\x1b\x01").echo, "");
  assert.equal(type(input, `${"x".repeat(10_000)}\n`).lines.length, 4_097);
});
