/**
 * Rerankers that vLLM serves as such only when it is told how: the originals are generative models whose score is the
 * probability of one word ("yes"). Without these arguments there is no /score, or its numbers are noise.
 *
 * Source: vLLM's documentation of supported models (cross-encoder and reranker models), its examples for score templates, and
 * the model cards for the wording of the prompts.
 */
import { flagValue, hasFlag } from "./engine-arguments.ts";

export interface RerankerPreset {
  readonly label: string;
  readonly matches: RegExp;
  /** `--hf-overrides`; null: it was converted already. */
  readonly overrides: object | null;
  /** File name among the templates that come with svcd; null: the model brings its own. */
  readonly template: string | null;
}

/** The first that matches counts. */
const PRESETS: readonly RerankerPreset[] = [
  {
    label: "Qwen3-Reranker, converted",
    matches: /qwen3-reranker-[\d.]+b[-_]seq[-_]?cls/i,
    overrides: null,
    template: "qwen3-reranker.jinja",
  },
  {
    label: "Qwen3-Reranker",
    matches: /(^|\/)qwen3-reranker-[\d.]+b(?![a-z])/i,
    overrides: {
      architectures: ["Qwen3ForSequenceClassification"],
      classifier_from_token: ["no", "yes"],
      is_original_qwen3_reranker: true,
    },
    template: "qwen3-reranker.jinja",
  },
  {
    label: "bge-reranker-v2-gemma",
    matches: /(^|\/)bge-reranker-v2-gemma$/i,
    overrides: {
      architectures: ["GemmaForSequenceClassification"],
      classifier_from_token: ["Yes"],
      method: "no_post_processing",
    },
    template: "bge-reranker-v2-gemma.jinja",
  },
  {
    label: "mxbai-rerank-v2",
    matches: /(^|\/)mxbai-rerank-(base|large)-v2$/i,
    overrides: {
      architectures: ["Qwen2ForSequenceClassification"],
      classifier_from_token: ["0", "1"],
      method: "from_2_way_softmax",
    },
    template: "mxbai-rerank-v2.jinja",
  },
];

export interface RerankerArguments {
  readonly words: readonly string[];
  readonly note: string | null;
  readonly warning: string | null;
}

const RUNNER = ["runner", "task", "convert"];

/**
 * What is missing to serve `model` as a reranker; what the person said already stays.
 *
 * @param architectures of the model's config.json; null: it is not at hand
 * @param templateDir folder of the templates that come with svcd
 */
export function rerankerArguments(
  model: string,
  said: readonly string[],
  { architectures, templateDir }: { readonly architectures: readonly string[] | null; readonly templateDir: string },
): RerankerArguments {
  const preset = PRESETS.find(({ matches }) => matches.test(model.replace(/\/+$/, "")));
  if (preset === undefined) return { words: [], note: null, warning: scoreWarning(model, said, architectures) };
  const words: string[] = [];
  const kept: string[] = [];
  const add = (flags: readonly string[], ...more: string[]): void => {
    if (hasFlag(said, flags)) kept.push(`--${flags.find((flag) => flagValue(said, [flag]) !== null)}`);
    else words.push(...more);
  };
  add(RUNNER, "--runner", "pooling");
  if (preset.overrides !== null && !isConverted(architectures)) {
    add(["hf-overrides"], "--hf-overrides", JSON.stringify(preset.overrides));
  }
  if (preset.template !== null) add(["chat-template"], "--chat-template", `${templateDir}/${preset.template}`);
  const yours = kept.length === 0 ? "" : `; yours is kept: ${kept.join(", ")}`;
  return { words, note: `${preset.label}: served as a reranker${yours}`, warning: null };
}

/** Somebody converted it, whatever it is called. */
function isConverted(architectures: readonly string[] | null): boolean {
  return architectures?.some((name) => name.endsWith("ForSequenceClassification")) ?? false;
}

function scoreWarning(model: string, said: readonly string[], architectures: readonly string[] | null): string | null {
  if (!/rerank/i.test(model) || architectures === null) return null;
  if (hasFlag(said, ["hf-overrides", "convert"]) || flagValue(said, ["task"]) !== null) return null;
  const generative = architectures.find((name) => name.endsWith("ForCausalLM"));
  if (generative === undefined) return null;
  return `${model} is called a reranker, but its config.json says ${generative}: vLLM will serve no /score; its model card says which --hf-overrides it needs`;
}
