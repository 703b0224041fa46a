/**
 * The shipped `services.d/vllm.yaml`: which command a person's variables, the machine's GPUs and the model's own files come to, at
 * each start anew. The program is a stand-in that writes down what it was given.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { Box } from "./box.ts";
import { IN_OWN_NETWORK, noNetworks } from "./net-namespace.ts";

const skip = noNetworks; // Whoever has the ports of this machine decides nothing here.

const SHIPPED = resolve(import.meta.dirname, "../../services.d");
const RERANKER = "Qwen/Qwen3-Reranker-4B";
/** Nothing of this machine decides. */
const NOBODY = { CUDA_VISIBLE_DEVICES: undefined, GPU_COUNT: undefined, RAY_ADDRESS: undefined, MODEL_NAME: undefined };

/** A box with `vllm` on its PATH, the shipped file, and a workspace in it. */
async function boxWith(t: TestContext, env: Record<string, string>, dotEnv = ""): Promise<Box> {
  const box = Box.prepare(t, {}, { inside: IN_OWN_NETWORK });
  // What it depends on is SKIPPED here, and so not waited for. This machine has no GPUs to lease.
  for (const name of ["vllm.yaml", "ray.yaml", "provisioning.yaml"]) {
    box.write(name, readFileSync(join(SHIPPED, name), "utf8").replaceAll(/^gpus:.*\n/gm, ""));
  }
  mkdirSync(box.path("bin"));
  mkdirSync(box.path("workspace"));
  writeFileSync(
    box.path("bin/vllm"),
    `#!/bin/sh\nprintf '%s\\n' "$@" > '${box.path("argv")}.new'\nmv '${box.path("argv")}.new' '${box.path("argv")}'\nexec sleep 1000\n`,
  );
  chmodSync(box.path("bin/vllm"), 0o755);
  writeFileSync(box.path("workspace/.env"), dotEnv);
  Object.assign(box.env, NOBODY, env, {
    PATH: `${box.path("bin")}:${process.env["PATH"]}`,
    WORKSPACE: box.path("workspace"),
    VLLM_ARGS_FILE: box.path("vllm-args.conf"),
  });
  await box.start();
  return box;
}

async function argvOf(box: Box, holds: string): Promise<string[]> {
  let argv: string[] = [];
  await box.becomes(`vllm is given ${holds}`, async () => {
    try {
      argv = readFileSync(box.path("argv"), "utf8").trimEnd().split("\n");
    } catch {}
    return argv.includes(holds);
  });
  return argv;
}

function modelInCache(box: Box, config: object): void {
  const folder = box.path("workspace/.hf_home/hub/models--Qwen--Qwen3-Reranker-4B/snapshots/main");
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/config.json`, JSON.stringify(config));
}

test("without a model vllm is skipped, and the reason names both variables", { skip }, async (t) => {
  const box = await boxWith(t, {});
  const { state, why } = await box.until("vllm", "SKIPPED");
  assert.equal(state, "SKIPPED");
  assert.match(why, /VLLM_MODEL/);
  assert.match(why, /MODEL_NAME/);
  assert.deepEqual(await box.control.routes(), []); // So no port is opened for it.
});

test("what the gateway opens for it leads to the port that the recipe chose", async (t) => {
  const box = await boxWith(t, { MODEL_NAME: RERANKER, VLLM_ARGS: "--port 19000" });
  await argvOf(box, "serve");
  const [route] = await box.control.routes();
  assert.equal(route?.problem, null);
  const { port, to, auth } = route!.exposure!;
  assert.deepEqual([port, to, auth], [8000, { host: "127.0.0.1", port: 19000 }, "token"]);
});

test("a reranker on six GPUs gets its preset, TP 4, the person's JSON whole; all of it anew at each start", {
  skip,
}, async (t) => {
  const args = `--hf-overrides-extra {"a": ["b c"]} --served-model-name 'my model'`;
  const box = await boxWith(t, { MODEL_NAME: RERANKER, GPU_COUNT: "6", VLLM_ARGS: args });
  modelInCache(box, { architectures: ["Qwen3ForCausalLM"], num_attention_heads: 32, num_key_value_heads: 8 });
  await box.control.act("restart", ["vllm"]);
  const overrides =
    '{"architectures":["Qwen3ForSequenceClassification"],"classifier_from_token":["no","yes"],"is_original_qwen3_reranker":true}';
  assert.deepEqual(await argvOf(box, "4"), [
    ...["serve", RERANKER, "--host", "127.0.0.1", "--port", "18000"],
    ...["--runner", "pooling", "--hf-overrides", overrides],
    ...["--chat-template", resolve(import.meta.dirname, "../../recipes/qwen3-reranker.jinja")],
    ...["--tensor-parallel-size", "4"],
    ...["--hf-overrides-extra", '{"a": ["b c"]}', "--served-model-name", "my model"],
  ]);

  writeFileSync(box.path("workspace/.env"), "VLLM_MODEL=org/other\nVLLM_ARGS=-tp 2 --port 18123\n");
  writeFileSync(box.path("vllm-args.conf"), "# mine\n--enforce-eager\n");
  await box.control.act("restart", ["vllm"]);
  assert.deepEqual(await argvOf(box, "org/other"), [
    ...["serve", "org/other", "--host", "127.0.0.1", "--port", "18000"],
    ...["--enforce-eager", "-tp", "2", "--port", "18123"],
  ]);
  await box.until("vllm", ({ why }) => why.includes("18123")); // Its health is asked for where it listens.
});

test("svctl explain vllm prints the command, the environment without secrets, and where each part comes from", {
  skip,
}, async (t) => {
  const env = { MODEL_NAME: RERANKER, GPU_COUNT: "6", HF_TOKEN: "hf_secret_of_mine", VLLM_ARGS: "--api-key sesame99" };
  const box = await boxWith(t, env, "GPU_COUNT=4\n");
  modelInCache(box, { architectures: ["Qwen3ForCausalLM"], num_attention_heads: 32 });
  const { stdout, code } = await box.svctl("explain", "vllm");
  assert.equal(code, 0);
  assert.match(stdout, /^ +VLLM_MODEL +Qwen\/Qwen3-Reranker-4B$/m);
  assert.match(stdout, /^ +VLLM_TP_ARGS +--tensor-parallel-size 4$/m);
  assert.match(stdout, /^4 GPUs, 32 heads: TP 4$/m);
  assert.match(stdout, /^ +VLLM_MODEL +MODEL_NAME, svcd's own environment$/m);
  assert.match(stdout, /workspace\/\.env +GPU_COUNT=4$/m);
  assert.match(stdout, /vllm\.yaml:\d+ +HF_HOME=\S+\/workspace\/\.hf_home$/m);
  assert.match(stdout, /HF_TOKEN=\(hidden\)/);
  assert.doesNotMatch(stdout, /sesame99|secret_of_mine/);

  const json = JSON.parse((await box.svctl("explain", "vllm", "--json")).stdout) as { argv: { word: string }[] };
  assert.equal(json.argv[2]!.word, RERANKER);
  assert.doesNotMatch(JSON.stringify(json), /sesame99|secret_of_mine/);
  const unknown = await box.svctl("explain", "vlm");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no service is called “vlm”.*\n.*vllm/s);
});

test("arguments that only a shell could carry out refuse the start, and say what to do", { skip }, async (t) => {
  const box = await boxWith(t, { MODEL_NAME: "org/m", VLLM_ARGS: "--a; rm -rf /" });
  const { why } = await box.until("vllm", "FATAL");
  assert.match(why, /VLLM_ARGS: `;` at character 4 is for a shell/);
  assert.equal((await box.svctl("explain", "vllm")).code, 1);
});

test("with RAY_ADDRESS vllm runs on that cluster, and what it warns of stands in svcd's log", { skip }, async (t) => {
  const env = { MODEL_NAME: "org/m", RAY_ADDRESS: "10.0.0.1:6379", VLLM_ARGS: "--host 0.0.0.0" };
  const box = await boxWith(t, env);
  const argv = await argvOf(box, "ray");
  assert.deepEqual(argv.slice(6), ["--distributed-executor-backend", "ray", "--host", "0.0.0.0"]);
  await box.becomes("the warning is told", async () =>
    box.terminal.includes("vllm: --host 0.0.0.0: reachable from outside"),
  );
});
