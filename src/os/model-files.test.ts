import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { modelConfig } from "./model-files.ts";

const root = mkdtempSync(join(tmpdir(), "model-files-"));
after(() => rmSync(root, { recursive: true }));

function write(path: string, value: unknown): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
}

const place = { env: { HF_HOME: join(root, "hf") }, cwd: root, downloadDir: null, revision: null };
const QWEN = { architectures: ["Qwen3ForCausalLM"], num_attention_heads: 32, num_key_value_heads: 8 };

test("a model that is a folder tells its heads and architectures", () => {
  write("model/config.json", QWEN);
  assert.deepEqual(modelConfig({ ...place, name: "model" }), {
    path: join(root, "model/config.json"),
    architectures: ["Qwen3ForCausalLM"],
    heads: 32,
    keyValueHeads: 8,
  });
});

test("a model in Hugging Face's cache is found by its main revision, or the one that is asked for", () => {
  const repository = "hf/hub/models--org--m";
  write(`${repository}/refs/main`, "abc123");
  write(`${repository}/snapshots/abc123/config.json`, QWEN);
  write(`${repository}/snapshots/old/config.json`, { ...QWEN, num_attention_heads: 16 });
  assert.equal(modelConfig({ ...place, name: "org/m" })?.heads, 32);
  assert.equal(modelConfig({ ...place, name: "org/m", revision: "old" })?.heads, 16);
});

test("--download-dir comes before the cache", () => {
  write("weights/models--org--m/snapshots/x/config.json", { ...QWEN, num_attention_heads: 64 });
  assert.equal(modelConfig({ ...place, name: "org/m", downloadDir: join(root, "weights") })?.heads, 64);
});

test("the language part of a model that sees counts", () => {
  write("vision/config.json", {
    architectures: ["Qwen3VLForConditionalGeneration"],
    text_config: { num_attention_heads: 20 },
  });
  assert.equal(modelConfig({ ...place, name: "vision" })?.heads, 20);
});

test("what is not there, half written or no model's is nothing", () => {
  write("half/config.json", '{"architectures": [');
  write("list/config.json", "[]");
  for (const name of ["half", "list", "none", "org/none", "../x/y", ""]) {
    assert.equal(modelConfig({ ...place, name }), null, name);
  }
});
