import assert from "node:assert/strict";
import { test } from "node:test";
import { understand } from "./request.ts";

const ask = (request: unknown) => understand(JSON.stringify(request));
const pairs = (request: unknown) => {
  const understood = ask(request);
  assert.ok("pairs" in understood, JSON.stringify(understood));
  return understood.pairs;
};
const refusal = (request: unknown) => {
  const understood = ask(request);
  assert.ok("refusal" in understood, JSON.stringify(understood));
  return understood.refusal;
};

test("two texts are one pair", () => {
  assert.deepEqual(pairs({ text_1: "q", text_2: "d" }), [["q", "d"]]);
});

test("one text and a list: the text is compared with each of the list", () => {
  const expected = [
    ["q", "a"],
    ["q", "b"],
  ];
  assert.deepEqual(pairs({ text_1: "q", text_2: ["a", "b"] }), expected);
  assert.deepEqual(pairs({ text_1: ["q"], text_2: ["a", "b"] }), expected);
});

test("two lists of the same length are compared one by one", () => {
  assert.deepEqual(pairs({ text_1: ["p", "q"], text_2: ["a", "b"] }), [
    ["p", "a"],
    ["q", "b"],
  ]);
});

test("every name pair that vLLM takes is understood", () => {
  for (const [one, two] of [
    ["text_1", "text_2"],
    ["queries", "documents"],
    ["queries", "items"],
    ["data_1", "data_2"],
  ] as const) {
    assert.deepEqual(pairs({ [one]: "q", [two]: "d" }), [["q", "d"]]);
  }
});

test("lists of different lengths are refused with both lengths", () => {
  assert.deepEqual(refusal({ text_1: ["p", "q"], text_2: ["a", "b", "c"] }), {
    message: "Input lengths must be either 1:1, 1:N or N:N, and these are 2:3",
    type: "BadRequestError",
    param: "text_1",
    code: 400,
  });
  assert.match(refusal({ text_1: ["p", "q"], text_2: "d" }).message, /2:1/);
});

test("an empty list is refused by its name", () => {
  assert.equal(refusal({ text_1: [], text_2: "d" }).param, "text_1");
  assert.equal(refusal({ text_1: "q", text_2: [] }).param, "text_2");
});

test("a missing text is refused by its name", () => {
  assert.equal(refusal({ text_1: "q" }).param, "text_2");
  assert.equal(refusal({ documents: ["d"] }).param, "queries");
  assert.equal(refusal({}).param, "text_1");
});

test("anything that is not text is refused", () => {
  for (const wrong of [1, null, { content: [] }, [1], [["nested"]]]) {
    assert.equal(refusal({ text_1: "q", text_2: wrong }).code, 400, JSON.stringify(wrong));
  }
  for (const wrong of [[], 1, null, "text"]) assert.equal(refusal(wrong).code, 400, JSON.stringify(wrong));
});

test("a body that is not JSON is refused, and the reason is named", () => {
  const understood = understand("{text_1:");
  assert.ok("refusal" in understood && /not JSON: .+/.test(understood.refusal.message));
});

test("another model's name is refused as not found; no name or ours is accepted", () => {
  const other = refusal({ model: "Qwen/Qwen3-Reranker-0.6B", text_1: "q", text_2: "d" });
  assert.equal(other.code, 404);
  assert.equal(other.type, "NotFoundError");
  assert.match(other.message, /Qwen3-Reranker-0\.6B.*does not exist/);
  assert.equal(pairs({ model: "lexical-bm25", text_1: "q", text_2: "d" }).length, 1);
});
