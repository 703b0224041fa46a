/** Which ranker this machine's environment asks for, and a sentence about it for the log. */
import { lexicalRanker } from "./lexical.ts";
import { onnxRanker } from "./onnx.ts";
import { onnxIn } from "./onnx-files.ts";
import type { Ranker } from "./ranker.ts";

export interface Chosen {
  readonly ranker: Ranker;
  /** null: nothing that anybody would wonder about. */
  readonly remark: string | null;
}

/**
 * VLLM_MODEL before MODEL_NAME, as on a GPU box. A directory with an ONNX model is loaded, and its problem is ours; any other
 * name is for a real vLLM, and here words are counted.
 */
export async function chooseRanker(env: Readonly<Record<string, string | undefined>>): Promise<Chosen> {
  const variable = env["VLLM_MODEL"] ? "VLLM_MODEL" : "MODEL_NAME";
  const name = env[variable];
  if (!name) return { ranker: lexicalRanker, remark: null };
  if (onnxIn(name) !== null) return { ranker: await onnxRanker(name, name, env["SCORE_MODULES"]), remark: null };
  const remark = `${variable} is ${name}, which is no directory with an ONNX model here: words are counted instead`;
  return { ranker: lexicalRanker, remark };
}
