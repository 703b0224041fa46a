import assert from "node:assert/strict";
import { test } from "node:test";
import { Lines, LONGEST_LINE } from "./lines.ts";

test("lines come whole, wherever the pieces are cut", () => {
  const text = Buffer.from("one\n\ntwo\r\nlast");
  for (let size = 1; size <= text.length; size++) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < text.length; at += size) pieces.push(text.subarray(at, at + size));
    assert.deepEqual(linesOf(pieces), ["one\n", "\n", "two\r\n", "last"], `pieces of ${size}`);
  }
});

test("a line without end is given away in bounded pieces, and no byte is lost", () => {
  const lines = linesOf([Buffer.alloc(LONGEST_LINE, "a"), Buffer.alloc(10, "b"), Buffer.from("\n")]);
  assert.deepEqual(
    lines.map((line) => line.length),
    [LONGEST_LINE, 11],
  );
});

function linesOf(pieces: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  const lines = new Lines((line) => found.push(Buffer.from(line).toString()));
  for (const piece of pieces) lines.push(piece);
  lines.end();
  return found;
}
