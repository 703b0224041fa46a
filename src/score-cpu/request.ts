/**
 * What may be asked of `/score`, in vLLM's words: two texts, one text and a list, or two lists of the same length, under
 * any of the name pairs that vLLM takes. The answer is a list of pairs to score, or what is wrong with the request.
 *
 * Options that only steer a model (`truncate_prompt_tokens`, `use_activation`, `priority`, …) are accepted and mean nothing.
 */

export const MODEL = "lexical-bm25";

export type Pair = readonly [query: string, document: string];

/** vLLM's error shape, so that its clients can read it. */
export interface Refusal {
  readonly message: string;
  readonly type: "BadRequestError" | "NotFoundError";
  readonly param: string | null;
  readonly code: 400 | 404 | 413;
}

export type Understood = { readonly pairs: readonly Pair[] } | { readonly refusal: Refusal };

const NAMES = [
  ["text_1", "text_2"],
  ["queries", "documents"],
  ["queries", "items"],
  ["data_1", "data_2"],
] as const;

export function understand(body: string): Understood {
  let request: unknown;
  try {
    request = JSON.parse(body);
  } catch (error) {
    return refuse(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isRecord(request)) return refuse("the body must be a JSON object with `text_1` and `text_2`");

  const model = request["model"];
  if (model !== undefined && model !== null && model !== "" && model !== MODEL) {
    const refusal = `The model \`${String(model)}\` does not exist. This server has \`${MODEL}\` only.`;
    return { refusal: { message: refusal, type: "NotFoundError", param: "model", code: 404 } };
  }

  const names = NAMES.find(([one, two]) => request[one] !== undefined && request[two] !== undefined);
  if (names === undefined) {
    const lonely = NAMES.find(([one, two]) => request[one] !== undefined || request[two] !== undefined) ?? NAMES[0];
    const absent = request[lonely[0]] === undefined ? lonely[0] : lonely[1];
    return refuse(`\`${absent}\` is missing: \`${lonely[0]}\` and \`${lonely[1]}\` are both needed`, absent);
  }

  const queries = texts(request[names[0]]);
  if (queries === null) return refuse(`\`${names[0]}\` must be a text or a list of texts`, names[0]);
  const documents = texts(request[names[1]]);
  if (documents === null) return refuse(`\`${names[1]}\` must be a text or a list of texts`, names[1]);
  if (queries.length === 0) return refuse(`\`${names[0]}\` is empty: at least one text must be given`, names[0]);
  if (documents.length === 0) return refuse(`\`${names[1]}\` is empty: at least one text must be given`, names[1]);
  if (queries.length !== 1 && queries.length !== documents.length) {
    return refuse(
      `Input lengths must be either 1:1, 1:N or N:N, and these are ${queries.length}:${documents.length}`,
      names[0],
    );
  }
  return { pairs: documents.map((document, i) => [queries.length === 1 ? queries[0]! : queries[i]!, document]) };
}

export function refuse(message: string, param: string | null = null): { refusal: Refusal } {
  return { refusal: { message, type: "BadRequestError", param, code: 400 } };
}

function texts(value: unknown): readonly string[] | null {
  if (typeof value === "string") return [value];
  return Array.isArray(value) && value.every((text) => typeof text === "string") ? value : null;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
