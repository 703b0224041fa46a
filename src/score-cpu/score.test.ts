import assert from "node:assert/strict";
import { test } from "node:test";
import { score, words } from "./score.ts";

const paris = "Paris is the capital and largest city of France.";
const bread = "A sourdough starter needs flour, water and a week of patience.";

test("a document that has the query's words scores above one that has none of them", () => {
  assert.ok(score("What is the capital of France?", paris) > score("What is the capital of France?", bread));
});

test("a score lies between 0 and 1, whatever the texts", () => {
  const texts = [
    "",
    " ",
    "?!",
    "the",
    "word",
    "word ".repeat(10_000),
    paris,
    bread,
    "\u0000\ud800",
    "🙂🙂",
    "東京は日本の首都",
  ];
  for (const query of texts) {
    for (const document of texts) {
      const got = score(query, document);
      assert.ok(got >= 0 && got < 1, `${got} for ${JSON.stringify([query.slice(0, 20), document.slice(0, 20)])}`);
    }
  }
});

test("no shared word scores exactly 0, and so does a query without words", () => {
  assert.equal(score("gpu memory", bread), 0);
  assert.equal(score("?!", paris), 0);
  assert.equal(score("paris", ""), 0);
});

test("sharing only function words counts for almost nothing", () => {
  assert.ok(score("what is the capital of France", bread) < 0.05);
});

test("more of the query's words in a document score higher", () => {
  const query = "restart crashed gpu worker";
  assert.ok(score(query, "restart the worker") < score(query, "restart the crashed worker"));
  assert.ok(score(query, "restart the crashed worker") < score(query, "restart the crashed gpu worker"));
});

test("repeating a word helps less and less", () => {
  const gain = (times: number) => score("fox", "fox ".repeat(times + 1)) - score("fox", "fox ".repeat(times));
  assert.ok(gain(1) > gain(2) && gain(2) > gain(3));
});

test("the same word in a long document scores lower than in a short one", () => {
  assert.ok(score("fox", `fox ${"filler ".repeat(300)}`) < score("fox", "fox filler"));
});

test("case, accents, full-width letters and the plural's s do not matter", () => {
  assert.deepEqual(words("Cafés CITIES servers ＧＰＵ"), ["cafe", "city", "server", "gpu"]);
});

test("words that end in s without being a plural stay as they are", () => {
  assert.deepEqual(words("glass status this gas analysis"), ["glass", "status", "this", "gas", "analysis"]);
});

test("texts in scripts without spaces share characters", () => {
  assert.deepEqual(words("東京 tower"), ["東", "京", "tower"]);
  assert.ok(score("東京の天気", "東京は晴れです") > score("東京の天気", "大阪市"));
});

test("marks that are part of a letter in other scripts are kept", () => {
  assert.deepEqual(words("हिन्दी 한국어 שלום"), ["हिन्दी", "한국어", "שלום"]);
});
