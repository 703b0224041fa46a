/** Answers in the shapes that vLLM gives them, field by field in its order. */
import { randomUUID } from "node:crypto";
import type { Ranker, Scored } from "./ranker.ts";
import type { RerankRequest } from "./request.ts";

export function scoreAnswer(model: string, { scores, tokens }: Scored) {
  return {
    id: newId("score"),
    object: "list",
    created: unixTime(),
    model,
    data: scores.map((score, index) => ({ index, object: "score", score })),
    usage: { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0 },
  };
}

/** The best first; of two that are as good the earlier one (sorting is stable). `index` is the document's place in the request. */
export function rerankAnswer(model: string, { documents, topN }: RerankRequest, { scores, tokens }: Scored) {
  const order = scores.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]!);
  return {
    id: newId("rerank"),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    results: order.slice(0, topN).map((index) => ({
      index,
      document: { text: documents[index]!, multi_modal: null },
      relevance_score: scores[index]!,
    })),
  };
}

/** `created`: when this server began to serve it, in seconds since 1970. */
export function modelsAnswer({ model, description, maxModelLen }: Ranker, created: number) {
  const entry = { id: model, object: "model", created, owned_by: "svcd", root: model, parent: null };
  return { object: "list", data: [{ ...entry, max_model_len: maxModelLen, description }] };
}

export function unixTime(): number {
  return Math.floor(Date.now() / 1000);
}

function newId(kind: string): string {
  return `${kind}-${randomUUID().replaceAll("-", "")}`;
}
