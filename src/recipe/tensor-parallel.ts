/**
 * How many GPUs a model is spread over (`--tensor-parallel-size`), and the reason in one line.
 *
 * Each GPU takes an equal share of the attention heads, so the size must divide their number. Where there are fewer key-value
 * heads they are copied, which works if one number divides the other (vLLM: QKVParallelLinear in model_executor/layers/linear.py).
 */
export interface AttentionHeads {
  readonly heads: number;
  /** null: the configuration says nothing, so there are as many as heads. */
  readonly keyValueHeads: number | null;
}

export interface TensorParallel {
  readonly size: number;
  /** "6 GPUs, 32 heads: TP 4, 2 GPUs idle; set VLLM_ARGS to choose" */
  readonly why: string;
}

/** `model` null: its configuration is not at hand yet, and all GPUs are taken. */
export function tensorParallel(gpus: number, model: AttentionHeads | null): TensorParallel {
  const have = `${gpus} GPU${gpus === 1 ? "" : "s"}`;
  if (gpus <= 1) return { size: 1, why: `${have}: nothing to spread` };
  if (model === null) {
    return { size: gpus, why: `${have}: TP ${gpus}; how many heads the model has is known once it is downloaded` };
  }
  let size = gpus;
  while (size > 1 && !divides(size, model)) size--;
  const heads = `${have}, ${model.heads} heads`;
  if (size === gpus) return { size, why: `${heads}: TP ${size}` };
  const idle = gpus - size;
  const rest = `${idle} GPU${idle === 1 ? "" : "s"} idle`;
  return { size, why: `${heads}: TP ${size}, ${rest}; set VLLM_ARGS to choose` };
}

function divides(size: number, { heads, keyValueHeads }: AttentionHeads): boolean {
  if (heads % size !== 0) return false;
  return keyValueHeads === null || keyValueHeads % size === 0 || size % keyValueHeads === 0;
}
