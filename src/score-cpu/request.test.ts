import assert from "node:assert/strict";
import { test } from "node:test";
import { understandRerank, understandScore } from "./request.ts";

const MODEL = "lexical-bm25";
const ask = (request: unknown) => understandScore(JSON.stringify(request), MODEL);
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
  const understood = understandScore("{text_1:", MODEL);
  assert.ok("refusal" in understood && /not JSON: .+/.test(understood.refusal.message));
});

test("another model's name is refused as not found; no name or ours is accepted", () => {
  const other = refusal({ model: "Qwen/Qwen3-Reranker-0.6B", text_1: "q", text_2: "d" });
  assert.equal(other.code, 404);
  assert.equal(other.type, "NotFoundError");
  assert.match(other.message, /Qwen3-Reranker-0\.6B.*does not exist/);
  assert.equal(pairs({ model: "lexical-bm25", text_1: "q", text_2: "d" }).length, 1);
});

test("the model's name must be a text", () => {
  assert.equal(refusal({ model: 7, text_1: "q", text_2: "d" }).param, "model");
});

test("a rerank request is one query with each of the documents, all of them unless it says how many", () => {
  const body = { query: "q", documents: ["a", "b", "c"] };
  for (const [topN, wanted] of [
    [undefined, 3],
    [null, 3],
    [0, 3],
    [-1, 3],
    [2, 2],
    [99, 99],
  ] as const) {
    const understood = understandRerank(JSON.stringify({ ...body, top_n: topN }), MODEL);
    assert.ok("pairs" in understood);
    assert.equal(understood.topN, wanted);
    assert.deepEqual(understood.pairs, [
      ["q", "a"],
      ["q", "b"],
      ["q", "c"],
    ]);
  }
});

test("a rerank request that is none is refused by the name of what is wrong", () => {
  for (const [body, param] of [
    [{ documents: ["d"] }, "query"],
    [{ query: "q" }, "documents"],
    [{ query: ["q"], documents: ["d"] }, "query"],
    [{ query: "q", documents: "d" }, "documents"],
    [{ query: "q", documents: [] }, "documents"],
    [{ query: "q", documents: [{ text: "d" }] }, "documents"],
    [{ query: "q", documents: ["d"], top_n: "2" }, "top_n"],
    [{ query: "q", documents: ["d"], top_n: 1.5 }, "top_n"],
  ] as const) {
    const understood = understandRerank(JSON.stringify(body), MODEL);
    assert.ok("refusal" in understood, JSON.stringify(body));
    assert.deepEqual([understood.refusal.code, understood.refusal.param], [400, param]);
  }
});

test("options that steer a model are read, and refused when they are none", () => {
  const understood = ask({ text_1: "q", text_2: "d", truncate_prompt_tokens: 5, use_activation: false, priority: 3 });
  assert.ok("pairs" in understood);
  assert.deepEqual(understood.options, { truncateTokens: 5, useActivation: false });
  for (const wrong of [-2, 1.5, "5"])
    assert.equal(refusal({ text_1: "q", text_2: "d", truncate_prompt_tokens: wrong }).param, "truncate_prompt_tokens");
  assert.equal(refusal({ text_1: "q", text_2: "d", use_activation: "no" }).param, "use_activation");
});

test("more texts than one answer should hold, or one that is endless, are 413", () => {
  assert.equal(refusal({ text_1: "q", text_2: Array(50_001).fill("d") }).code, 413);
  assert.equal(refusal({ text_1: "q", text_2: "d".repeat(1_000_001) }).code, 413);
  assert.equal(refusal({ text_1: "q".repeat(1_000_001), text_2: "d" }).code, 413);
});
