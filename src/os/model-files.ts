/**
 * What a model says about itself before anything is started: its config.json, in the folder that it is, or where Hugging Face's
 * cache has it. Read anew at each start; nothing is downloaded here.
 *
 * Layout of the cache: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { resolve } from "node:path";
import type { ModelAsked, ModelConfig } from "../recipe/vllm.ts";

export interface ModelPlace extends ModelAsked {
  readonly env: Readonly<Record<string, string>>;
  /** Where a relative path begins. */
  readonly cwd: string;
}

export function modelConfig(place: ModelPlace): ModelConfig | null {
  for (const path of candidates(place)) {
    const text = smallFile(path);
    const config = text === null ? null : parsed(path, text);
    if (config !== null) return config;
  }
  return null;
}

/** A file of at most 1 MiB; null: it is not there, or cannot be read. */
export function smallFile(path: string): string | null {
  let fd: number | null = null;
  try {
    fd = openSync(path, "r");
    const { size } = fstatSync(fd);
    if (!fstatSync(fd).isFile() || size > LARGEST_BYTES) return null;
    const bytes = Buffer.alloc(size);
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, size, 0));
  } catch {
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

const LARGEST_BYTES = 1024 * 1024;

function* candidates({ name: model, env, cwd, downloadDir, revision }: ModelPlace): Generator<string> {
  yield resolve(cwd, model, "config.json");
  if (!/^[\w.-]+\/[\w.-]+$/.test(model)) return;
  const hub = env["HF_HUB_CACHE"] || `${env["HF_HOME"] || `${env["HOME"] ?? "/root"}/.cache/huggingface`}/hub`;
  for (const cache of downloadDir === null ? [hub] : [downloadDir, hub]) {
    const repository = resolve(cwd, cache, `models--${model.replace("/", "--")}`);
    const wanted = revision ?? "main";
    const commit = smallFile(`${repository}/refs/${wanted}`)?.trim() ?? wanted;
    if (/^[\w.-]+$/.test(commit)) yield `${repository}/snapshots/${commit}/config.json`;
    // A cache that was copied without its refs.
    if (revision === null)
      for (const snapshot of list(`${repository}/snapshots`)) yield `${repository}/snapshots/${snapshot}/config.json`;
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder).slice(0, 16);
  } catch {
    return [];
  }
}

/** The language part of a model that sees or hears has a table of its own. */
function parsed(path: string, text: string): ModelConfig | null {
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config !== "object" || config === null || Array.isArray(config)) return null;
    const whole = config as Record<string, unknown>;
    const inner = [whole["text_config"], whole["llm_config"]].find((part) => typeof part === "object" && part !== null);
    const language = { ...whole, ...(inner as object | undefined) } as Record<string, unknown>;
    const count = (...keys: readonly string[]): number | null => {
      const value = keys.map((key) => language[key]).find((one) => Number.isInteger(one) && (one as number) > 0);
      return (value as number | undefined) ?? null;
    };
    const architectures = whole["architectures"];
    return {
      path,
      architectures: Array.isArray(architectures) ? architectures.filter((one) => typeof one === "string") : [],
      heads: count("num_attention_heads", "n_head", "num_heads"),
      keyValueHeads: count("num_key_value_heads", "num_kv_heads"),
    };
  } catch {
    return null; // Half written by a download, perhaps.
  }
}
