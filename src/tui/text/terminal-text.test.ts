import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { attr, BOLD, fgOf, flagsOf, nearestOf256, PLAIN } from "./attr.ts";
import { width } from "./columns.ts";
import { TerminalText } from "./terminal-text.ts";

function shown(...parts: readonly string[]): string[] {
  const text = new TerminalText();
  for (const part of parts) text.write(part, null);
  return linesOf(text);
}

function linesOf(text: TerminalText): string[] {
  const lines: string[] = [];
  for (let line = text.first; line < text.end; line++) lines.push(text.plain(line));
  return lines;
}

test("lines are lines, also empty ones, and the last one while it is written", () => {
  assert.deepEqual(shown("one\ntwo\n"), ["one", "two"]);
  assert.deepEqual(shown("one\n\ntwo"), ["one", "", "two"]);
  assert.deepEqual(shown("on", "e\r\ntw", "o\r\n"), ["one", "two"]);
});

test("a carriage return writes over the line, a backspace over a character", () => {
  assert.deepEqual(shown("progress 10%\rprogress 50%\rdone    \n"), ["done     50%"]);
  assert.deepEqual(shown("progress 100%\r\x1b[Kdone\n"), ["done"]);
  assert.deepEqual(shown("abc\b\bX\n"), ["aXc"]);
  assert.deepEqual(shown("a\tb\n"), ["a       b"]);
});

test("half of a wide character that is written over is a blank", () => {
  assert.deepEqual(shown("漢字\rx\n"), ["x 字"]);
  assert.deepEqual(shown("漢字\x1b[2Gx\n"), [" x字"]);
  assert.deepEqual(shown("abc\r漢\n"), ["漢c"]);
});

test("bars of several lines are drawn over themselves", () => {
  assert.deepEqual(shown("a 1%\nb 1%\n", "\x1b[2Aa 99%\x1b[K\nb 98%\x1b[K\n"), ["a 99%", "b 98%"]);
  assert.deepEqual(shown("one\ntwo\nthree\n", "\x1b[3A\x1b[Jnew\n"), ["new"]);
  assert.deepEqual(shown("one\ntwo\n\x1b[A\x1b[2KTWO\n"), ["one", "TWO"]);
});

test("the cursor goes no further up than the bars of a tool are high, and never over a reader's own line", () => {
  const text = new TerminalText();
  for (let line = 0; line < 300; line++) text.write(`line ${line}\n`, null);
  text.write("\x1b[999AX", null);
  assert.equal(text.plain(0), "line 0");
  assert.equal(text.plain(200), "Xine 200");
  const marked = new TerminalText();
  marked.write("before\n", null);
  marked.mark("12:00:00", 0);
  marked.write("\x1b[9Aafter\n", null);
  assert.deepEqual(linesOf(marked), ["before", "12:00:00", "after"]);
  assert.equal(marked.line(1)?.isMark, true);
});

test("colours and weights are kept as attributes, and a new line goes on with them", () => {
  const text = new TerminalText();
  text.write("\x1b[31mred\x1b[0m \x1b[1;38;5;208mbold\nnext\x1b[m\x1b[38;2;255;0;0m true\x1b[48:5:17mx", null);
  const [red, blank, bold] = text.line(0)!.spans;
  assert.deepEqual([red?.text, fgOf(red!.attr)], ["red", 1]);
  assert.deepEqual([blank?.text, blank?.attr], [" ", PLAIN]);
  assert.deepEqual([bold?.text, fgOf(bold!.attr), flagsOf(bold!.attr)], ["bold", 208, BOLD]);
  const [next, trueColour] = text.line(1)!.spans;
  assert.equal(next?.attr, attr({ fg: 208, bold: true }));
  assert.equal(fgOf(trueColour!.attr), nearestOf256(255, 0, 0));
  assert.equal(nearestOf256(255, 0, 0), 196);
});

test("text that hides itself is shown: concealed, or written on its own colour", () => {
  const text = new TerminalText();
  text.write("\x1b[8mhidden\x1b[0m\x1b[30;40mblack\x1b[0m", null);
  const [hidden, black] = text.line(0)!.spans;
  assert.equal(hidden?.attr, PLAIN);
  assert.equal(black?.attr, attr({ fg: 0 }));
});

test("what would reach beyond the log is swallowed: titles, clipboards, questions, screens, C1", () => {
  const evil = [
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x1b\\",
    "\x1bPdevice\x1b\\",
    "\x1b_app\x1b\\",
    "\x1b^privacy\x1b\\",
    "\x1bXstring\x1b\\",
    "\x1b[6n",
    "\x1b[?1049h",
    "\x1b[5;10r",
    "\x1bc",
    "\x1b7\x1b8",
    "\x1b(0",
    "\u009b2J",
    "\u0090q\u009c",
    "\u009d0;x\x07",
    "\x00\x01\x7f",
  ];
  for (const one of evil) assert.deepEqual(shown(`a${one}b\n`), ["ab"], JSON.stringify(one));
  for (const one of evil) assert.deepEqual(shown(...`a${one}b\n`), ["ab"], `in pieces: ${JSON.stringify(one)}`);
});

test("a sequence that never ends costs its own line", () => {
  assert.deepEqual(shown("a\x1b]0;never\nb\n"), ["a", "b"]);
  assert.deepEqual(shown(`a\x1b[${"1;".repeat(500)}\nb\n`).at(-1), "b");
});

test("whatever comes, in whatever pieces, out come characters that fit into cells", () => {
  const noise = fc.string({ unit: fc.constantFrom(..."ab漢é\x1b[]();?0123mAKHJ\r\n\t\b\x07\\🚀\u0301\u009b") });
  fc.assert(
    fc.property(fc.array(noise), (parts) => {
      const pieces = new TerminalText();
      for (const part of parts) pieces.write(part, null);
      const whole = new TerminalText();
      whole.write(parts.join(""), null);
      assert.deepEqual(
        linesOf(pieces).map((line) => line.trimEnd()),
        linesOf(whole).map((line) => line.trimEnd()),
      );
      for (const line of linesOf(whole)) {
        assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f]/);
        assert.ok(width(line) <= 8_192);
      }
    }),
  );
});

test("the oldest lines are given up, and the numbers of the others stay", () => {
  const text = new TerminalText(100);
  for (let line = 0; line < 1_000; line++) text.write(`line ${line}\n`, null);
  assert.ok(text.end - text.first <= 100);
  assert.equal(text.end, 1_000);
  assert.equal(text.plain(999), "line 999");
  assert.equal(text.plain(text.first), `line ${text.first}`);
  assert.equal(text.line(0), null);
});

test("a line without an end is cut, and memory has a limit", () => {
  const text = new TerminalText();
  text.write("x".repeat(100_000), null);
  assert.equal(text.plain(0).length, 8_192);
  for (let line = 0; line < 2_000; line++) text.write(`\n${"y".repeat(8_000)}`, null);
  assert.ok(text.end - text.first < 1_000);
});
