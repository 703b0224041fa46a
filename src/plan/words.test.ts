import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { quoteWord, splitWords } from "./words.ts";

function words(text: string): string[] {
  const read = splitWords(text);
  assert.ok(read.ok, text);
  return read.value;
}

test("blanks separate, quotes join, a backslash keeps the next character", () => {
  assert.deepEqual(words("vllm serve --port 8000"), ["vllm", "serve", "--port", "8000"]);
  assert.deepEqual(words(`  a\t"b c"  'd "e"' f\\ g "h\\"i" j"k"'l' ''\n`), [
    "a",
    "b c",
    'd "e"',
    "f g",
    'h"i',
    "jkl",
    "",
  ]);
  assert.deepEqual(words("a \\\n  b"), ["a", "b"]);
  assert.deepEqual(words(`"a\\b\\\\c\\$d\\\`e"`), ["a\\b\\c$d`e"]);
  assert.deepEqual(words(" \n\t "), []);
});

test("nothing is an operator, a comment or a pattern: no shell runs", () => {
  assert.deepEqual(words("echo a # b | c > d; e && f * ~ $HOME"), [
    "echo",
    "a",
    "#",
    "b",
    "|",
    "c",
    ">",
    "d;",
    "e",
    "&&",
    "f",
    "*",
    "~",
    "$HOME",
  ]);
});

test("what is not closed is told with its position", () => {
  for (const [text, at] of [
    ["a 'b", 2],
    ['ab "c', 3],
    ["a \"b' c", 2],
    ["a\\", 1],
  ] as const) {
    const read = splitWords(text);
    assert.ok(!read.ok);
    assert.equal(read.flaw.at, at, text);
    assert.ok(read.flaw.fix.length > 0);
  }
});

test("thousands of command lines are split as /bin/sh splits them", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "b", " ", "  ", "'", '"', "\\", "\n", "\t", "-", "=", "/", "\\\n"),
    maxLength: 14,
  });
  const cases = fc.sample(text, { numRuns: 6000, seed: 7 }).filter((one) => splitWords(one).ok && !hasBareNewline(one));
  assert.ok(cases.length > 2000, `${cases.length} cases`);
  const script = cases.map((one) => `set -- ${one}\nprintf '%s\\0' "$#" "$@"`).join("\n");
  const said = execFileSync("/bin/sh", ["-s"], { input: script, maxBuffer: 1 << 26 })
    .toString()
    .split("\0");
  let at = 0;
  for (const one of cases) {
    const count = Number(said[at]);
    assert.deepEqual(said.slice(at + 1, at + 1 + count), words(one), JSON.stringify(one));
    at += 1 + count;
  }
});

/** To a shell it ends the command. */
function hasBareNewline(text: string): boolean {
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === "\\" && quote !== "'") i++;
    else if (quote !== "") quote = char === quote ? "" : quote;
    else if (char === "'" || char === '"') quote = char;
    else if (char === "\n") return true;
  }
  return false;
}

test("quoted words come back as they were, whatever is in them", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: "binary" })), (list) =>
      assert.deepEqual(words(list.map(quoteWord).join(" ")), list),
    ),
    { numRuns: 3000 },
  );
});
