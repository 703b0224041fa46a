import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyReader } from "./key-reader.ts";

function keys(...parts: readonly string[]): string[] {
  const reader = new KeyReader();
  const inputs = parts.flatMap((part) => reader.read(Buffer.from(part)));
  return [...inputs, ...reader.flush()].map((input) =>
    input.type === "key"
      ? input.key
      : input.type === "paste"
        ? `paste ${input.text}`
        : `${input.what} ${input.row},${input.column}`,
  );
}

test("keys are named, whatever their terminal sends for them", () => {
  const cases: readonly [string, readonly string[]][] = [
    ["jJ/ ", ["j", "J", "/", " "]],
    ["é漢", ["é", "漢"]],
    ["\r\t\x7f\x08", ["enter", "tab", "backspace", "backspace"]],
    ["\x0c\x03", ["C-l", "C-c"]],
    ["\x1b[A\x1bOA\x1b[1;1A", ["up", "up", "up"]],
    ["\x1b[5~\x1b[6~", ["pageup", "pagedown"]],
    ["\x1b[H\x1bOH\x1b[1~\x1b[7~", ["home", "home", "home", "home"]],
    ["\x1b[F\x1b[4~", ["end", "end"]],
    ["\x1bOP\x1b[11~\x1b[[A\x1b[21~", ["f1", "f1", "f1", "f10"]],
    ["\x1b[Z\x1b[1;2B\x1b[1;5C", ["S-tab", "S-down", "C-right"]],
    ["\x1b", ["esc"]],
    ["\x1b\x1b", ["esc", "esc"]],
    ["\x1bx", []], // Alt-x: nobody meant x.
    ["\x1b[?1;2c\x1b[12;5R", []], // Answers of a terminal are no keys.
  ];
  for (const [bytes, expected] of cases) assert.deepEqual(keys(bytes), expected, JSON.stringify(bytes));
});

test("sequences may come in pieces", () => {
  assert.deepEqual(keys("\x1b", "[", "A", "j"), ["up", "j"]);
  assert.deepEqual(keys("\x1b[<0;1", "0;5M"), ["press 4,9"]);
  const e = Buffer.from("é");
  const reader = new KeyReader();
  assert.deepEqual([...reader.read(e.subarray(0, 1)), ...reader.read(e.subarray(1))], [{ type: "key", key: "é" }]);
});

test("the mouse: press, drag, release, wheel; other buttons are the terminal's", () => {
  assert.deepEqual(keys("\x1b[<0;1;1M\x1b[<32;2;1M\x1b[<0;2;1m\x1b[<64;3;4M\x1b[<65;3;4M\x1b[<2;1;1M"), [
    "press 0,0",
    "drag 0,1",
    "release 0,1",
    "wheel up 3,2",
    "wheel down 3,2",
  ]);
});

test("what is pasted is text and no keys, also when its end is cut", () => {
  assert.deepEqual(keys("a\x1b[200~x y\rq\x1b[201~b"), ["a", "paste x y\rq", "b"]);
  assert.deepEqual(keys("\x1b[200~xq\x1b[20", "1~b"), ["paste xq", "b"]);
});

test("no bytes confuse it for longer than themselves", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 20 })), (parts) => {
      const reader = new KeyReader();
      for (const part of parts) reader.read(part);
      reader.flush();
      reader.read(Buffer.from("\x1b[201~"));
      reader.flush();
      const inputs = reader.read(Buffer.from("j"));
      assert.deepEqual(inputs.at(-1), { type: "key", key: "j" });
    }),
  );
});
