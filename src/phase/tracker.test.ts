import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PHASE_RECIPES, type PhaseRecipe, recipe } from "./recipes.ts";
import { type PhaseRule, stepInWords } from "./rule.ts";
import { type Tracked, trackedFrom, trackerOf } from "./tracker.ts";

/** What is shown after each line; a line that moved nothing on has a `=` in front. */
function follow(rules: readonly PhaseRule[], ...lines: string[]): string[] {
  const tracker = trackerOf(rules);
  let tracked: Tracked = trackedFrom(null);
  return lines.map((line) => {
    const heard = tracker.hear(tracked, line);
    tracked = heard.tracked;
    return `${heard.moved ? "" : "="}${tracked.step === null ? "-" : stepInWords(tracked.step)}`;
  });
}

function started(name: PhaseRecipe, ...lines: string[]): string[] {
  return follow(recipe(name), ...lines);
}

const rule = (name: string, match: string): PhaseRule => ({ name, match, growth: null, stallMs: null });

test("a start of vLLM is shown as what it is busy with, in its own log's words", () => {
  assert.deepEqual(
    started(
      "vllm",
      "(APIServer pid=1) INFO 11-24 10:00:00 [api_server.py:1891] vLLM API server version 0.11.2",
      "(EngineCore_DP0 pid=163) INFO 11-24 10:00:09 [gpu_model_runner.py:2653] Starting to load model Qwen/Qwen3-Reranker-4B...",
      "model-00001-of-00002.safetensors:  37%|███▋      | 1.84G/4.96G [00:56<00:20, 30.8MB/s]",
      "model-00002-of-00002.safetensors: 100%|██████████| 1.75G/1.75G [00:56<00:00, 30.8MB/s]",
      "(EngineCore_DP0 pid=163) INFO [weight_utils.py:441] Time spent downloading weights for X: 176.288637 seconds",
      "Loading safetensors checkpoint shards:   0% Completed | 0/9 [00:00<?, ?it/s]",
      "Loading safetensors checkpoint shards:  56% Completed | 5/9 [00:13<00:11,  2.87s/it]",
      "(EngineCore_DP0 pid=163) INFO [default_loader.py:314] Loading weights took 24.84 seconds",
      "(EngineCore_DP0 pid=163) INFO [backends.py:647] Dynamo bytecode transform time: 3.54 s",
      "(EngineCore_DP0 pid=163) INFO [backends.py:282] Compiling a graph for compile range (1, 8192) takes 26.64 s",
      "(EngineCore_DP0 pid=163) INFO [gpu_worker.py:359] Available KV cache memory: 37.99 GiB",
      "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE):  96%|█████████▋| 80/83 [00:01<00:00, 40.9it/s]",
      "(APIServer pid=1) INFO:     Application startup complete.",
    ),
    [
      "preparing",
      "preparing",
      "download 18 %",
      "download 68 %",
      "download 68 %",
      "loading shards 0/9",
      "loading shards 5/9",
      "loading shards 5/9",
      "compiling",
      "compiling",
      "profiling",
      "capturing graphs 80/83",
      "starting to serve",
    ],
  );
});

test("older wordings of vLLM are understood too", () => {
  assert.deepEqual(
    started(
      "vllm",
      "[1;36m(VllmWorker rank=0 pid=226) Loading safetensors checkpoint shards:  16% Completed | 6/37 [00:01<00:07,  3.95it/s]",
      "INFO 05-10 15:52:16 [monitor.py:33] torch.compile takes 48.89 s in total",
      "Capturing CUDA graph shapes:  51%|█████▏    | 18/35 [00:10<00:09,  1.77it/s]",
      "INFO [gpu_model_runner.py:1686] Graph capturing finished in 38 secs, took 1.64 GiB",
    ),
    ["loading shards 6/37", "compiling", "capturing graphs 18/35", "capturing graphs 18/35"],
  );
});

test("a start of SGLang and one of llama.cpp", () => {
  assert.deepEqual(
    started(
      "sglang",
      "[2025-03-07 23:50:27 TP0] Load weight begin. avail mem=22.46 GB",
      "Loading safetensors checkpoint shards:  50% Completed | 2/4 [00:00<00:00,  2.85it/s]",
      "[2025-03-27 21:33:30 TP0] Load weight end. type=Gemma3ForConditionalGeneration, dtype=torch.bfloat16",
      "[2025-03-27 21:33:31 TP0] KV Cache is allocated. #tokens: 834615, K size: 54.12 GB, V size: 54.12 GB",
      "[2025-03-27 21:33:31 TP0] Capture cuda graph begin. This can take up to several minutes. avail mem=13.95 GB",
      "Capturing batches (bs=1 avail_mem=11.18 GB): 100%|██████████| 36/36 [00:10<00:00,  3.37it/s]",
      "The server is fired up and ready to roll!",
    ),
    [
      "preparing",
      "loading shards 2/4",
      "loading shards 2/4",
      "allocating cache",
      "capturing graphs",
      "capturing graphs 36/36",
      "starting to serve",
    ],
  );
  assert.deepEqual(
    started(
      "llama.cpp",
      "main: loading model",
      "llama_model_loader: loaded meta data with 36 key-value pairs and 197 tensors from phi.gguf (version GGUF V3 (latest))",
      "load_tensors: loading model tensors, this can take a while... (mmap = true)",
      "main: model loaded",
    ),
    ["loading the model", "loading the model", "loading the model", "starting to serve"],
  );
});

test("downloads of Hugging Face: weights count, small files do not, a bar of all is understood", () => {
  assert.deepEqual(
    started(
      "huggingface",
      "config.json: 100%|██████████| 726/726 [00:00<00:00, 5.55MB/s]",
      "Fetching 9 files:  11%|█         | 1/9 [00:00<00:05,  1.43it/s]",
      "model.safetensors:  41%|████▏     | 493M/1.19G [00:04<00:06, 109MB/s]",
    ),
    ["=-", "download", "download 41 %"],
  );
  assert.deepEqual(
    started("huggingface", "Downloading (incomplete total...):  12%|█▏        | 1.0G/8.3G [00:10<01:13, 99.7MB/s]"),
    ["download 12 %"],
  );
});

test("any bar of tqdm: counted where it counts, else in percent", () => {
  assert.deepEqual(
    started(
      "tqdm",
      "Loading pipeline components...:  43%|████▎     | 3/7 [00:01<00:01,  2.01it/s]",
      "Downloading shards:  50%|█████     | 1.0G/2.0G [00:01<00:01]",
    ),
    ["working 3/7", "working 50 %"],
  );
});

test("phases only go forward; a late word of an earlier one moves nothing", () => {
  const rules = [rule("one", "one"), rule("two", String.raw`two (?<done>\d+)/(?<total>\d+)`), rule("three", "three")];
  assert.deepEqual(follow(rules, "two 1/2", "one", "two 2/2", "three", "two 1/2", "one"), [
    "two 1/2",
    "=two 1/2",
    "two 2/2",
    "three",
    "=three",
    "=three",
  ]);
});

test("several workers that draw one bar do not make it jump back", () => {
  const rules = [rule("load", String.raw`(?<done>\d+)/(?<total>\d+)`)];
  assert.deepEqual(follow(rules, "4/9", "3/9", "5/9", "4/9"), ["load 4/9", "=load 4/9", "load 5/9", "=load 5/9"]);
});

test("a new bar of the same phase is shown from its beginning", () => {
  const rules = [rule("capture", String.raw`(?<done>\d+)/(?<total>\d+)`)];
  assert.deepEqual(follow(rules, "82/83", "83/83", "0/83", "1/83", "1/35"), [
    "capture 82/83",
    "capture 83/83",
    "capture 0/83",
    "capture 1/83",
    "capture 1/35",
  ]);
});

test("a download that fails and begins anew again and again stands still until it is farther than ever", () => {
  const rules = [rule("download", String.raw`(?<percent>\d+)%`)];
  assert.deepEqual(follow(rules, "40%", "0%", "3%", "40%", "41%"), [
    "download 40 %",
    "=download 0 %",
    "=download 3 %",
    "=download 40 %",
    "download 41 %",
  ]);
});

test("the same line again moves nothing; another line of the phase does", () => {
  const rules = [rule("wait", "wait")];
  assert.deepEqual(follow(rules, "wait a", "wait a", "wait b"), ["wait", "=wait", "wait"]);
});

test("nonsense in numbers is not shown", () => {
  const rules = [rule("load", String.raw`(?<done>\d+)/(?<total>\d+)`)];
  assert.deepEqual(follow(rules, "80/8", "3/0", "80/83"), ["load", "load", "load 80/83"]);
});

test("a folder that grows is progress of its phase, and of no later one", () => {
  const tracker = trackerOf([{ ...rule("download", ""), match: null, growth: "/hub" }, rule("load", "load")]);
  const grown = tracker.grow(trackedFrom(null), 0, 3_200_000_000);
  assert.deepEqual([stepInWords(grown.tracked.step!), grown.moved], ["download 3.2 GB", true]);
  const later = tracker.hear(grown.tracked, "load").tracked;
  assert.deepEqual(tracker.grow(later, 0, 9_000_000_000), { tracked: later, moved: false });
});

test("what a core knew of the bar goes on: the tail of the log, read again, moves nothing", () => {
  const rules = [rule("load", String.raw`(?<done>\d+)/(?<total>\d+)`)];
  const tracker = trackerOf(rules);
  const known = trackedFrom({ phase: "load", done: 5, total: 9, percent: null, bytes: null });
  assert.equal(tracker.hear(known, "4/9").moved, false);
  assert.equal(tracker.hear(known, "5/9").moved, false);
  assert.equal(tracker.hear(known, "6/9").moved, true);
});

test("whatever is said, the phase never goes back and the share is from 0 to 1", () => {
  const names = ["one", "two", "three"];
  const rules = names.map((name) =>
    rule(name, String.raw`${name} (?<done>\d+)/(?<total>\d+)|${name} (?<percent>\d+)%|${name}`),
  );
  const line = fc
    .tuple(fc.constantFrom(...names), fc.nat(20), fc.nat(20), fc.constantFrom("count", "percent", "none"))
    .map(([name, a, b, how]) =>
      how === "count" ? `${name} ${a}/${b}` : how === "percent" ? `${name} ${a * 7}%` : name,
    );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
      const tracker = trackerOf(rules);
      let tracked = trackedFrom(null);
      let place = -1;
      for (const one of lines) {
        tracked = tracker.hear(tracked, one).tracked;
        const { step } = tracked;
        if (step === null) continue;
        const now = names.indexOf(step.phase);
        assert.ok(now >= place);
        place = now;
        if (step.total !== null) assert.ok(step.done! <= step.total && step.total > 0);
        if (step.percent !== null) assert.ok(step.percent >= 0 && step.percent <= 100);
      }
    }),
  );
});

test("no recipe is slow on any line: a word of a thousand letters, a row of numbers, half a bar", () => {
  const hostile = ["x".repeat(1_000), "1".repeat(1_000), "a.b-".repeat(250), "4/9 ".repeat(250), "12%|".repeat(250)];
  for (const name of PHASE_RECIPES) {
    const tracker = trackerOf(recipe(name));
    const began = performance.now();
    for (let round = 0; round < 20; round++)
      for (const line of hostile) tracker.hear(trackedFrom(null), `${line}${round}`);
    assert.ok(performance.now() - began < 500, `${name}: ${performance.now() - began} ms for 100 lines`);
  }
});
