import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, before, test } from "node:test";
import { chooseRanker } from "./choose.ts";
import { ModelProblem, onnxRanker } from "./onnx.ts";
import { onnxIn } from "./onnx-files.ts";
import type { Pair, Ranker, ScoreOptions } from "./ranker.ts";
import { writeTinyModel } from "./tiny-model.ts";

/** `npm test` puts the package there when it can be had: it is no part of svcd, and larger than all that is. */
const MODULES = resolve(import.meta.dirname, "../../node_modules/.score-modules");
const skip =
  !existsSync(join(MODULES, "node_modules/@huggingface/transformers")) &&
  "@huggingface/transformers is not in node_modules/.score-modules";

const dir = mkdtempSync(join(tmpdir(), "score-cpu-onnx-"));
const tiny = join(dir, "tiny");
const QUERY = "What is the capital of France?";
const OPTIONS: ScoreOptions = { truncateTokens: null, useActivation: true };
let ranker: Ranker;

before(async () => {
  writeTinyModel(tiny);
  if (!skip) ranker = await onnxRanker(tiny, "tiny", MODULES);
});
after(() => rmSync(dir, { recursive: true }));

async function scores(of: Ranker, pairs: readonly Pair[], options: Partial<ScoreOptions> = {}): Promise<number[]> {
  const all: number[] = [];
  for await (const slice of of.slices(pairs, { ...OPTIONS, ...options })) all.push(...slice.scores);
  return all;
}
const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));
const isNear = (got: readonly number[], wanted: readonly number[]) => {
  assert.equal(got.length, wanted.length);
  for (const [i, one] of got.entries()) assert.ok(Math.abs(one - wanted[i]!) < 1e-5, `${got} is not ${wanted}`);
};

test("a cross-encoder's logits become scores between 0 and 1, in the order of the pairs", { skip }, async () => {
  const pairs: Pair[] = [
    [QUERY, "Bread needs flour, water and salt."],
    [QUERY, "The capital of France is Paris."],
    ["Berlin", "Berlin is in Germany"],
  ];
  isNear(await scores(ranker, pairs), [sigmoid(-1.5), sigmoid(3.5), sigmoid(-0.5)]);
  isNear(await scores(ranker, pairs, { useActivation: false }), [-1.5, 3.5, -0.5]);
});

test("a pair has the same score in any company: padding changes nothing", { skip }, async () => {
  const long = `The capital of France is Paris. ${"flour ".repeat(20)}`;
  const [alone] = await scores(ranker, [[QUERY, "Paris, France"]]);
  const many = Array.from({ length: 30 }, (_, i): Pair => [QUERY, i % 3 === 0 ? long : "Paris, France"]);
  const all = await scores(ranker, many);
  assert.equal(all.length, 30);
  isNear([all[1]!, all[28]!], [alone!, alone!]);
});

test("tokens are counted without the padding", { skip }, async () => {
  let tokens = 0;
  const pairs: Pair[] = [
    ["paris", "france"],
    ["paris", "the capital of france"],
  ];
  for await (const slice of ranker.slices(pairs, OPTIONS)) tokens += slice.tokens;
  assert.equal(tokens, 2 + 5 + 2 * 3); // [CLS] query [SEP] document [SEP]
});

test("a text that is too long is refused with both lengths, and cut when the request says so", { skip }, async () => {
  assert.equal(ranker.maxModelLen, 48);
  const long: Pair[] = [["paris", `paris ${"bread ".repeat(60)} paris`]];
  await assert.rejects(scores(ranker, long), /maximum context length is 48 tokens, and a pair has 66.*truncate_prompt/);
  isNear(await scores(ranker, long, { truncateTokens: -1, useActivation: false }), [-0.5]);
  isNear(await scores(ranker, long, { truncateTokens: 3, useActivation: false }), [-1.5]);
});

test("a model whose config names no sigmoid gives its raw number, as in vLLM", { skip }, async () => {
  const raw = join(dir, "raw");
  writeTinyModel(raw, { config: { sentence_transformers: { activation_fn: "torch.nn.modules.linear.Identity" } } });
  isNear(await scores(await onnxRanker(raw, "raw", MODULES), [[QUERY, "the capital of france"]]), [2.5]);
});

test("a classifier is no reranker: it is refused with what it answers", { skip }, async () => {
  const classifier = join(dir, "classifier");
  writeTinyModel(classifier, { labels: 3 });
  await assert.rejects(onnxRanker(classifier, "x", MODULES), /answers 3 numbers for a pair/);
});

test("a directory that lacks a file, or holds a broken one, is told by what is wrong", { skip }, async () => {
  const broken = join(dir, "broken");
  writeTinyModel(broken);
  writeFileSync(join(broken, "onnx/model.onnx"), "half of i");
  await assert.rejects(onnxRanker(broken, "x", MODULES), (error: ModelProblem) => {
    assert.match(error.message, new RegExp(`the model in ${broken} cannot be loaded: `));
    assert.match(error.fix, /config.json, tokenizer.json/);
    return true;
  });
  const bare = join(dir, "bare");
  writeTinyModel(bare);
  rmSync(join(bare, "tokenizer.json"));
  await assert.rejects(onnxRanker(bare, "x", MODULES), ModelProblem);
});

test("without the package it is said what to install, how large it is, and how to do without", async () => {
  await assert.rejects(onnxRanker(tiny, "x", undefined), (error: ModelProblem) => {
    assert.match(error.message, /tiny has an ONNX model, and @huggingface\/transformers.* is not installed/);
    assert.match(error.fix, /npm install --prefix .* @huggingface\/transformers@\d.* SCORE_MODULES=.*unset MODEL_NAME/);
    return true;
  });
});

test("VLLM_MODEL or MODEL_NAME that is a directory with an ONNX model is loaded; other names leave words to count", async () => {
  const lexical = async (env: Record<string, string>) => {
    const { ranker, remark } = await chooseRanker(env);
    assert.equal(ranker.model, "lexical-bm25");
    return remark;
  };
  assert.equal(await lexical({}), null);
  assert.equal(await lexical({ MODEL_NAME: "" }), null);
  assert.match(
    (await lexical({ MODEL_NAME: "Qwen/Qwen3-Reranker-0.6B" }))!,
    /^MODEL_NAME is Qwen\/Qwen3-Reranker-0.6B/,
  );
  assert.match(
    (await lexical({ MODEL_NAME: tiny, VLLM_MODEL: "other" }))!,
    /^VLLM_MODEL is other, .*words are counted/,
  );
  if (skip) return assert.rejects(chooseRanker({ MODEL_NAME: tiny }), ModelProblem);
  assert.equal((await chooseRanker({ MODEL_NAME: tiny, SCORE_MODULES: MODULES })).ranker.model, tiny);
});

test("of several ONNX files the whole model is taken, then what processors are quick with", () => {
  const at = join(dir, "files");
  mkdirSync(join(at, "onnx"), { recursive: true });
  assert.equal(onnxIn(at), null);
  assert.equal(onnxIn(join(at, "absent")), null);
  const add = (file: string) => writeFileSync(join(at, file), "");
  add("model.safetensors");
  assert.equal(onnxIn(at), null);
  add("own.onnx");
  assert.deepEqual(onnxIn(at), { subfolder: "", name: "own" });
  add("onnx/model_fp16.onnx");
  add("onnx/model_quantized.onnx");
  assert.deepEqual(onnxIn(at), { subfolder: "onnx", name: "model_quantized" });
  add("onnx/model.onnx");
  assert.deepEqual(onnxIn(at), { subfolder: "onnx", name: "model" });
});
