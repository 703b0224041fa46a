import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { splitWords } from "../plan/words.ts";
import { tensorParallel } from "./tensor-parallel.ts";
import { type ModelConfig, modelAsked, type Recipe, type VllmFacts, vllmRecipe } from "./vllm.ts";

const QWEN: ModelConfig = { path: "/m/config.json", architectures: ["Qwen3ForCausalLM"], heads: 32, keyValueHeads: 8 };

function recipeWith(env: Record<string, string>, facts: Partial<VllmFacts> = {}): Recipe {
  const answer = answerTo(env, facts);
  assert.ok(answer.ok, JSON.stringify(answer));
  return answer.recipe;
}

function answerTo(env: Record<string, string>, facts: Partial<VllmFacts> = {}) {
  const conf = { path: "/etc/vllm-args.conf", text: null };
  return vllmRecipe((name) => env[name], { conf, model: null, templateDir: "/svcd/recipes", ...facts });
}

/** The words that a variable puts into the command. */
function words(recipe: Recipe, name: string): string[] {
  const text = recipe.variables.find((variable) => variable.name === name)?.text;
  const split = splitWords(text ?? "(no such variable)");
  assert.ok(split.ok);
  return split.value;
}

// --- the model -----------------------------------------------------------------------------------------------------------

test("VLLM_MODEL wins over MODEL_NAME, and the recipe says which of them decided", () => {
  const both = recipeWith({ VLLM_MODEL: "org/a", MODEL_NAME: "org/b" });
  assert.deepEqual(words(both, "VLLM_MODEL"), ["org/a"]);
  const { from, text } = recipeWith({ MODEL_NAME: " org/b " }).variables[0]!;
  assert.deepEqual([text, from], ["org/b", "MODEL_NAME"]);
  assert.deepEqual(words(recipeWith({ VLLM_MODEL: "", MODEL_NAME: "" }), "VLLM_MODEL"), []);
});

// --- arguments -----------------------------------------------------------------------------------------------------------

test("VLLM_ARGS is split as a shell does: quotes keep what is inside", () => {
  const args = `--served-model-name 'my model' --hf-overrides '{"architectures": ["X"]}' --max-model-len=8192`;
  assert.deepEqual(words(recipeWith({ VLLM_ARGS: args }), "VLLM_ARGS"), [
    "--served-model-name",
    "my model",
    "--hf-overrides",
    '{"architectures": ["X"]}',
    "--max-model-len=8192",
  ]);
});

test("JSON that nobody put into quotes survives, where a shell would have taken its quotes away", () => {
  const args = `--hf-overrides {"a": ["it's", "}"], "b": {"c": 1}} --limit={"image": 2} --eager`;
  assert.deepEqual(words(recipeWith({ VLLM_ARGS: args }), "VLLM_ARGS"), [
    "--hf-overrides",
    `{"a": ["it's", "}"], "b": {"c": 1}}`,
    '--limit={"image": 2}',
    "--eager",
  ]);
});

test("any JSON value survives as one argument, quoted for a shell or not quoted at all", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string(),
        fc.json().map((text) => JSON.parse(text) as unknown),
      ),
      (value) => {
        const json = JSON.stringify(value);
        for (const written of [json, `'${json.replaceAll("'", `'\\''`)}'`]) {
          const recipe = recipeWith({ VLLM_ARGS: `--a 1 --json ${written} --b` });
          assert.deepEqual(words(recipe, "VLLM_ARGS"), ["--a", "1", "--json", json, "--b"]);
        }
      },
    ),
  );
});

test("what only a shell could carry out is refused, with the variable, the place and what to do", () => {
  for (const [args, what] of [
    ["--a; rm -rf /", "`;` at character 4"],
    ["--a $(id)", "`$(` at character 5"],
    ['--a "$(id)"', "`$(` at character 6"],
    ["--a `id`", "` at character 5"],
    ["--a | tee log", "`|` at character 5"],
  ] as const) {
    const answer = answerTo({ VLLM_ARGS: args });
    assert.ok(!answer.ok, args);
    assert.equal(answer.variable, "VLLM_ARGS");
    assert.ok(answer.flaw.what.includes(what), answer.flaw.what);
    assert.match(answer.flaw.fix, /single quotes/);
  }
  assert.deepEqual(words(recipeWith({ VLLM_ARGS: "--a ';|$(x)`'" }), "VLLM_ARGS"), ["--a", ";|$(x)`"]);
});

test("/etc/vllm-args.conf holds arguments too, over several lines and with comments; VLLM_ARGS comes after and so wins", () => {
  const conf = { path: "/etc/vllm-args.conf", text: '# mine\n--max-model-len 4096\n  --hf-overrides {"a": 1}\n' };
  const recipe = recipeWith({ VLLM_ARGS: "--max-model-len 8192" }, { conf });
  assert.deepEqual(words(recipe, "VLLM_CONF_ARGS"), ["--max-model-len", "4096", "--hf-overrides", '{"a": 1}']);
  const wrong = answerTo({}, { conf: { ...conf, text: "--a 'x" } });
  assert.ok(!wrong.ok);
  assert.equal(wrong.variable, "/etc/vllm-args.conf");
});

test("the port of the health check follows --port, wherever it was given", () => {
  assert.deepEqual(words(recipeWith({}), "VLLM_HTTP_PORT"), ["18000"]);
  assert.deepEqual(words(recipeWith({ VLLM_ARGS: "--port=9000" }), "VLLM_HTTP_PORT"), ["9000"]);
  const conf = { path: "/etc/vllm-args.conf", text: "--port 9001" };
  assert.deepEqual(words(recipeWith({}, { conf }), "VLLM_HTTP_PORT"), ["9001"]);
});

// --- tensor parallel -------------------------------------------------------------------------------------------------------

test("all GPUs are used unless somebody says otherwise; AUTO_PARALLEL wins over USE_ALL_GPUS", () => {
  const sizes = (env: Record<string, string>) => words(recipeWith({ GPU_COUNT: "4", ...env }), "VLLM_TP_ARGS");
  assert.deepEqual(sizes({}), ["--tensor-parallel-size", "4"]);
  assert.deepEqual(sizes({ USE_ALL_GPUS: "true" }), ["--tensor-parallel-size", "4"]);
  assert.deepEqual(sizes({ USE_ALL_GPUS: "false" }), []);
  assert.deepEqual(sizes({ USE_ALL_GPUS: "true", AUTO_PARALLEL: "false" }), []);
  assert.deepEqual(sizes({ USE_ALL_GPUS: "false", AUTO_PARALLEL: "true" }), ["--tensor-parallel-size", "4"]);
});

test("the size is never set when the person chose any kind of parallelism, in any form", () => {
  for (const flag of [
    "-tp 2",
    "-tp=2",
    "--tensor-parallel-size 2",
    "--tensor-parallel-size=2",
    "--tensor_parallel_size 2",
    "-dp 2",
    "--data-parallel-size=2",
    "-pp 2",
    "--pipeline-parallel-size 2",
    "--pipeline_parallel_size=2",
  ]) {
    const env = { GPU_COUNT: "8", VLLM_ARGS: `--eager ${flag}` };
    assert.deepEqual(words(recipeWith(env), "VLLM_TP_ARGS"), [], flag);
    const conf = { path: "/etc/vllm-args.conf", text: flag };
    assert.deepEqual(words(recipeWith({ GPU_COUNT: "8" }, { conf }), "VLLM_TP_ARGS"), [], flag);
  }
  assert.match(recipeWith({ GPU_COUNT: "8", VLLM_ARGS: "-pp 2" }).notes[0]!, /you chose it: -pp/);
});

test("CUDA_VISIBLE_DEVICES counts before GPU_COUNT, as CUDA reads it", () => {
  const size = (devices: string) =>
    words(recipeWith({ GPU_COUNT: "8", CUDA_VISIBLE_DEVICES: devices }), "VLLM_TP_ARGS")[1] ?? "1";
  assert.deepEqual(["0,1", "0, 2, 3,4", "GPU-a,GPU-b", "3", "0,1,-1,2", ""].map(size), ["2", "4", "2", "1", "2", "8"]);
});

test("the largest size that divides the model's heads is taken, and the rest is explained in one line", () => {
  const recipe = recipeWith({ GPU_COUNT: "6", MODEL_NAME: "org/m" }, { model: QWEN });
  assert.deepEqual(words(recipe, "VLLM_TP_ARGS"), ["--tensor-parallel-size", "4"]);
  assert.deepEqual(recipe.notes, ["6 GPUs, 32 heads: TP 4, 2 GPUs idle; set VLLM_ARGS to choose"]);
});

test("the size always divides the heads and agrees with the key-value heads; no larger one would", () => {
  const fits = (size: number, heads: number, kv: number) => heads % size === 0 && (kv % size === 0 || size % kv === 0);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 128 }), fc.nat(7), (gpus, heads, shift) => {
      const kv = Math.max(1, heads >> shift);
      const { size } = tensorParallel(gpus, { heads, keyValueHeads: kv });
      assert.ok(size >= 1 && size <= gpus && fits(size, heads, kv));
      for (let larger = size + 1; larger <= gpus; larger++) assert.ok(!fits(larger, heads, kv));
    }),
  );
});

test("without a number of GPUs nothing is guessed, and the note says what to set", () => {
  const recipe = recipeWith({});
  assert.deepEqual(words(recipe, "VLLM_TP_ARGS"), []);
  assert.match(recipe.notes[0]!, /not known: one is used; set GPU_COUNT, or `gpus:`/);
});

// --- Ray -------------------------------------------------------------------------------------------------------------------

test("RAY_ADDRESS: vLLM runs on that cluster; without it there is no Ray at all", () => {
  const onRay = recipeWith({ GPU_COUNT: "1", RAY_ADDRESS: "10.0.0.1:6379" });
  assert.deepEqual(words(onRay, "VLLM_TP_ARGS"), ["--distributed-executor-backend", "ray"]);
  assert.deepEqual(words(recipeWith({ GPU_COUNT: "1" }), "VLLM_TP_ARGS"), []);
  const chosen = { RAY_ADDRESS: "10.0.0.1:6379", VLLM_ARGS: "--distributed-executor-backend mp" };
  assert.deepEqual(words(recipeWith(chosen), "VLLM_TP_ARGS"), []);
});

// --- rerankers ---------------------------------------------------------------------------------------------------------------

const OVERRIDES =
  '{"architectures":["Qwen3ForSequenceClassification"],"classifier_from_token":["no","yes"],"is_original_qwen3_reranker":true}';

test("Qwen3-Reranker gets its runner, overrides and score template", () => {
  for (const name of ["Qwen/Qwen3-Reranker-0.6B", "Qwen/Qwen3-Reranker-4B", "/models/Qwen3-Reranker-8B/"]) {
    assert.deepEqual(words(recipeWith({ MODEL_NAME: name }), "VLLM_PRESET_ARGS"), [
      ...["--runner", "pooling", "--hf-overrides", OVERRIDES],
      ...["--chat-template", "/svcd/recipes/qwen3-reranker.jinja"],
    ]);
  }
});

test("what the person said of it stays, and the note names it", () => {
  const env = { MODEL_NAME: "Qwen/Qwen3-Reranker-4B", VLLM_ARGS: "--task score --chat_template mine.jinja" };
  const recipe = recipeWith(env);
  assert.deepEqual(words(recipe, "VLLM_PRESET_ARGS"), ["--hf-overrides", OVERRIDES]);
  assert.match(recipe.notes.join(), /yours is kept: --task, --chat-template/);
});

test("a converted reranker needs no overrides, by its name or by its config.json", () => {
  const byName = recipeWith({ MODEL_NAME: "tomaarsen/Qwen3-Reranker-0.6B-seq-cls" });
  assert.ok(!words(byName, "VLLM_PRESET_ARGS").includes("--hf-overrides"));
  const model = { ...QWEN, architectures: ["Qwen3ForSequenceClassification"] };
  const byConfig = recipeWith({ MODEL_NAME: "/models/Qwen3-Reranker-4B" }, { model });
  assert.ok(!words(byConfig, "VLLM_PRESET_ARGS").includes("--hf-overrides"));
});

test("another reranker that is a generative model is warned of: there would be no /score", () => {
  const [warning] = recipeWith({ MODEL_NAME: "org/new-reranker-7b" }, { model: QWEN }).warnings;
  assert.match(warning ?? "", /no \/score/);
  const env = { MODEL_NAME: "org/new-reranker-7b", VLLM_ARGS: "--hf-overrides {}" };
  assert.deepEqual(recipeWith(env, { model: QWEN }).warnings, []);
  assert.deepEqual(recipeWith({ MODEL_NAME: "org/chat-7b" }, { model: QWEN }).warnings, []);
});

// --- warnings ----------------------------------------------------------------------------------------------------------------

test("what leaves the server open, or alive without its engine, is warned of", () => {
  const warned = (env: Record<string, string>) => recipeWith(env).warnings.join();
  assert.match(warned({ VLLM_ARGS: "--api-key x" }), /\/score, \/rerank/);
  assert.match(warned({ VLLM_API_KEY: "x" }), /\/score, \/rerank/);
  assert.match(warned({ VLLM_ARGS: "--host 0.0.0.0" }), /reachable from outside/);
  assert.match(warned({ VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: "1" }), /engine has died/);
  assert.match(warned({ VLLM_SERVER_DEV_MODE: "1" }), /collective_rpc/);
  assert.equal(warned({ VLLM_ARGS: "--host 127.0.0.1" }), "");
});

test("where the model's configuration may lie is known from the arguments too", () => {
  const env: Record<string, string> = { MODEL_NAME: "org/m", VLLM_ARGS: "--download-dir /w --revision=v2" };
  assert.deepEqual(
    modelAsked((name) => env[name], null),
    { name: "org/m", downloadDir: "/w", revision: "v2" },
  );
  assert.equal(
    modelAsked(() => undefined, null),
    null,
  );
});
