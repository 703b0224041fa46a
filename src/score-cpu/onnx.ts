/**
 * The ranker that is a real model: an ONNX cross-encoder from a directory, run by `@huggingface/transformers`. That package is
 * large (470 MB), so it does not come with svcd; it is looked for where svcd's own packages are, and in SCORE_MODULES.
 *
 * A pair goes in as one text, a single logit comes out. Sigmoid makes a number between 0 and 1 of it, unless the model's
 * `config.json` names another function, as sentence-transformers write it there and vLLM reads it.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { onnxIn } from "./onnx-files.ts";
import { type Pair, type Ranker, type Scored, type ScoreOptions, Unscorable } from "./ranker.ts";

/** The version that is tested. */
export const TRANSFORMERS = "@huggingface/transformers@4.3.1";

/** What a person can put right. */
export class ModelProblem extends Error {
  override readonly name = "ModelProblem";
  readonly fix: string;

  constructor(what: string, fix: string) {
    super(what);
    this.fix = fix;
  }
}

/** `model`: the name it is served under. Takes seconds; the model has scored one pair when it is done. */
export async function onnxRanker(directory: string, model: string, modules: string | undefined): Promise<Ranker> {
  const file = onnxIn(directory);
  if (file === null) throw new ModelProblem(`${directory} has no ONNX model`, "name a directory with onnx/model.onnx");
  const { AutoModelForSequenceClassification, AutoTokenizer, env } = load(directory, modules);
  env.allowRemoteModels = false;
  env.allowLocalModels = true;

  let tokenizer: Tokenizer;
  let network: Network;
  try {
    const local = { local_files_only: true };
    tokenizer = await AutoTokenizer.from_pretrained(resolve(directory), local);
    network = await AutoModelForSequenceClassification.from_pretrained(resolve(directory), {
      ...local,
      ...{ subfolder: file.subfolder, model_file_name: file.name, dtype: "fp32", device: "cpu" },
      // Node knows the processors that a container may use; the runtime by itself would count those of the machine.
      session_options: { intraOpNumThreads: availableParallelism() },
    });
  } catch (error) {
    throw new ModelProblem(
      `the model in ${directory} cannot be loaded: ${error instanceof Error ? error.message : error}`,
      "it needs config.json, tokenizer.json and the .onnx file of a cross-encoder (optimum-cli export onnx makes them); " +
        "without MODEL_NAME score-cpu ranks by words",
    );
  }

  const config = configOf(directory);
  const longest = Math.min(tokenizer.model_max_length ?? Infinity, longestInput(config));
  const maxModelLen = Number.isFinite(longest) && longest < 1e9 ? longest : null;
  const isRaw = activationOf(config) === "identity";

  async function scoreSome(pairs: readonly Pair[], options: ScoreOptions): Promise<Scored> {
    const inputs = encode(tokenizer, pairs, options.truncateTokens, maxModelLen);
    const { logits } = await network(inputs);
    if (logits.dims.length !== 2 || logits.dims[0] !== pairs.length || logits.dims[1] !== 1)
      throw new ModelProblem(
        `the model in ${directory} answers ${logits.dims.slice(1).join(" x ")} numbers for a pair`,
        "name a cross-encoder with one label (num_labels = 1): a reranker, no classifier",
      );
    const scores = Array.from(logits.data as Float32Array, (logit) =>
      options.useActivation && !isRaw ? 1 / (1 + Math.exp(-logit)) : logit,
    );
    return { scores, tokens: lengthsOf(inputs).reduce((sum, length) => sum + length, 0) };
  }

  await scoreSome([["ready", "ready"]], { truncateTokens: -1, useActivation: true });
  return {
    model,
    description: `The ONNX cross-encoder in ${directory}, on the processor.`,
    maxModelLen,
    async *slices(pairs, options) {
      for (let from = 0; from < pairs.length; from += PAIRS_AT_ONCE)
        yield await scoreSome(pairs.slice(from, from + PAIRS_AT_ONCE), options);
    },
  };
}

/** Enough to keep a processor busy; more would only pad short texts to the longest of more. */
const PAIRS_AT_ONCE = 8;

function encode(tokenizer: Tokenizer, pairs: readonly Pair[], truncate: number | null, longest: number | null): Inputs {
  const queries = pairs.map(([query]) => query);
  const tokenized = (limit: number | null): Inputs =>
    tokenizer(queries, {
      text_pair: pairs.map(([, document]) => document),
      padding: true,
      ...(limit === null ? { truncation: false } : { truncation: true, max_length: limit }),
    });
  if (truncate !== null) return tokenized(truncate < 1 ? longest : Math.min(truncate, longest ?? truncate));
  const whole = tokenized(null);
  const worst = Math.max(...lengthsOf(whole));
  if (longest !== null && worst > longest)
    throw new Unscorable(
      `This model's maximum context length is ${longest} tokens, and a pair has ${worst}. ` +
        "Shorten the texts, or send truncate_prompt_tokens: -1 to have them cut.",
    );
  return whole;
}

/** Tokens of each pair, without the padding. */
function lengthsOf({ attention_mask: mask }: Inputs): number[] {
  const [rows = 0, width = 0] = mask.dims;
  return Array.from({ length: rows }, (_, row) =>
    mask.data.slice(row * width, (row + 1) * width).reduce((sum: number, one) => sum + Number(one), 0),
  );
}

function configOf(directory: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(join(directory, "config.json"), "utf8")) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function longestInput({ max_position_embeddings: positions, model_type: type }: Record<string, unknown>): number {
  if (typeof positions !== "number") return Infinity;
  // Models of RoBERTa's kind begin to count positions behind their padding token.
  return /roberta|camembert/.test(String(type)) ? positions - 2 : positions;
}

function activationOf(config: Record<string, unknown>): "sigmoid" | "identity" {
  const sentenceTransformers = config["sentence_transformers"] as { activation_fn?: unknown } | undefined;
  const name = sentenceTransformers?.activation_fn ?? config["sbert_ce_default_activation_function"];
  return String(name).endsWith("Identity") ? "identity" : "sigmoid";
}

function load(directory: string, modules: string | undefined): Transformers {
  const places = [import.meta.url, ...(modules ? [pathToFileURL(`${resolve(modules)}/`).href] : [])];
  for (const place of places) {
    const require = createRequire(place);
    try {
      return require("@huggingface/transformers") as Transformers;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "MODULE_NOT_FOUND" && message.startsWith("Cannot find module '@huggingface/transformers'")) continue;
      throw new ModelProblem(
        `@huggingface/transformers is installed and cannot be loaded: ${message}`,
        `install it again: ${INSTALL}`,
      );
    }
  }
  throw new ModelProblem(
    `${directory} has an ONNX model, and @huggingface/transformers, which runs it, is not installed`,
    `${INSTALL}; or unset MODEL_NAME to rank by words`,
  );
}

const INSTALL =
  `npm install --prefix /opt/score-cpu --ignore-scripts ${TRANSFORMERS} (470 MB), ` +
  "and set SCORE_MODULES=/opt/score-cpu";

// --- what is used of the package -----------------------------------------------------------------------------------

interface Tensor<Numbers> {
  readonly dims: readonly number[];
  readonly data: Numbers;
}

interface Inputs {
  readonly attention_mask: Tensor<BigInt64Array>;
}

interface Tokenizer {
  (texts: readonly string[], options: object): Inputs;
  readonly model_max_length?: number;
}

type Network = (inputs: Inputs) => Promise<{ readonly logits: Tensor<ArrayLike<number>> }>;

interface Transformers {
  readonly AutoTokenizer: { from_pretrained(path: string, options: object): Promise<Tokenizer> };
  readonly AutoModelForSequenceClassification: { from_pretrained(path: string, options: object): Promise<Network> };
  readonly env: { allowRemoteModels: boolean; allowLocalModels: boolean };
}
