import assert from "node:assert/strict";
import { test } from "node:test";
import { argvSources } from "./argv-sources.ts";
import { splitWords } from "./words.ts";

const VALUES: Record<string, string> = { MODEL: "org/m", ARGS: "--a 1 '--b c'", EMPTY: "", BLANK: " ", PORT: "80" };
const lookup = (name: string) => VALUES[name];

function sourcesOf(text: string, filled: string): [string, string][] {
  const words = splitWords(filled);
  assert.ok(words.ok);
  const sources = argvSources({ kind: "text", text }, lookup, words.value);
  return words.value.map((word, index) => [word, sources[index]!.join("+")]);
}

test("each word of a command knows the variables whose values are in it", () => {
  assert.deepEqual(
    sourcesOf("vllm serve ${MODEL} --port=${PORT} ${ARGS} end", "vllm serve org/m --port=80 --a 1 '--b c' end"),
    [
      ["vllm", ""],
      ["serve", ""],
      ["org/m", "MODEL"],
      ["--port=80", "PORT"],
      ["--a", "ARGS"],
      ["1", "ARGS"],
      ["--b c", "ARGS"],
      ["end", ""],
    ],
  );
});

test("empty and blank values make no words of their own", () => {
  assert.deepEqual(sourcesOf("a ${EMPTY} ${BLANK} ${NONE:-b} ${MODEL:+c}", "a     b c"), [
    ["a", ""],
    ["b", ""],
    ["c", ""],
  ]);
});

test("two values can share a word", () => {
  assert.deepEqual(sourcesOf("${MODEL}:${PORT}", "org/m:80"), [["org/m:80", "MODEL+PORT"]]);
});

test("of a shell's script all variables that it asks for are named; a list is looked at word by word", () => {
  assert.deepEqual(argvSources({ kind: "shell", text: "echo ${MODEL} $$X" }, lookup, ["/bin/sh", "-c", "…"]), [
    [],
    [],
    ["MODEL"],
  ]);
  assert.deepEqual(argvSources({ kind: "words", words: ["a", "${PORT}${EMPTY}"] }, lookup, ["a", "80"]), [
    [],
    ["PORT"],
  ]);
});
