import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cells, cut, padded, paddedLeft, width, wrapped } from "./columns.ts";

test("a character takes the columns that a terminal gives it", () => {
  const cases: readonly [string, number][] = [
    ["abc", 3],
    ["é", 1],
    ["e\u0301", 1],
    ["漢字", 4],
    ["ｆ", 2],
    ["한글", 4],
    ["🚀", 2],
    ["✅", 2],
    ["❤\ufe0f", 1], // A heart is a letter; the selector that would make it a picture is left out.
    ["🇩🇪", 2],
    ["👍🏽", 2],
    ["👨\u200d👩", 4],
    ["שלום", 4],
    ["●◐─█", 4],
    ["", 0],
  ];
  for (const [text, columns] of cases) assert.equal(width(text), columns, JSON.stringify(text));
});

test("nothing that a terminal would obey is ever in a cell", () => {
  const unsafe = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      cells(text, (glyph, columns) => {
        assert.ok(!unsafe.test(glyph), JSON.stringify(glyph));
        assert.ok(columns === 1 || columns === 2);
      });
    }),
  );
  cells("a\x1b[2Jb\u202e\r\n\t\u009b", (glyph) => assert.match(glyph, /^[ab[2J]$/));
});

test("text is cut to a width, and what is missing is marked", () => {
  assert.equal(cut("service", 7), "service");
  assert.equal(cut("service", 5), "serv…");
  assert.equal(cut("漢字かな", 5), "漢字…");
  assert.equal(cut("漢字かな", 4, "~"), "漢~");
  assert.equal(cut("service", 0), "");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.nat(30), (text, columns) => width(cut(text, columns)) <= columns),
  );
});

test("text is filled up to a width", () => {
  assert.equal(padded("漢", 4), "漢  ");
  assert.equal(paddedLeft("7", 3), "  7");
});

test("lines are broken at blanks, and within a word only where they must", () => {
  assert.deepEqual(wrapped("one two three", 7), ["one two", "three"]);
  assert.deepEqual(wrapped("abcdefghij", 4), ["abcd", "efgh", "ij"]);
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 2, max: 40 }), (text, columns) => {
      const lines = wrapped(text, columns);
      assert.ok(lines.every((line) => width(line) <= columns));
      assert.equal(lines.join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
    }),
  );
});
