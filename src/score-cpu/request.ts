/**
 * What may be asked, in vLLM's words. `/score`: two texts, one text and a list, or two lists of the same length, under any of
 * the name pairs that vLLM takes. `/rerank`: a query and a list of documents, as Jina and Cohere have it. The answer is what
 * to score, or what is wrong with the request.
 *
 * Options that mean nothing here (`priority`, `user`, `mm_processor_kwargs`, …) are accepted.
 */
import type { Pair, ScoreOptions } from "./ranker.ts";

/** vLLM's error shape, so that its clients can read it. */
export interface Refusal {
  readonly message: string;
  readonly type: "BadRequestError" | "NotFoundError" | "ServiceUnavailableError" | "InternalServerError";
  readonly param: string | null;
  readonly code: 400 | 404 | 413 | 500 | 503;
}

export interface ScoreRequest {
  readonly pairs: readonly Pair[];
  readonly options: ScoreOptions;
}

export interface RerankRequest extends ScoreRequest {
  readonly documents: readonly string[];
  /** How many of the best are wanted; all of them for 0 and less, as in vLLM. */
  readonly topN: number;
}

/** `model`: the name of the one that this server has. */
export function understandScore(body: string, model: string): ScoreRequest | { readonly refusal: Refusal } {
  const request = read(body, model, "`text_1` and `text_2`");
  if ("refusal" in request) return request;
  const { fields, options } = request;

  const names = NAMES.find(([one, two]) => fields[one] !== undefined && fields[two] !== undefined);
  if (names === undefined) {
    const lonely = NAMES.find(([one, two]) => fields[one] !== undefined || fields[two] !== undefined) ?? NAMES[0];
    const absent = fields[lonely[0]] === undefined ? lonely[0] : lonely[1];
    return refuse(`\`${absent}\` is missing: \`${lonely[0]}\` and \`${lonely[1]}\` are both needed`, absent);
  }

  const queries = texts(fields[names[0]]);
  if (queries === null) return refuse(`\`${names[0]}\` must be a text or a list of texts`, names[0]);
  const documents = texts(fields[names[1]]);
  if (documents === null) return refuse(`\`${names[1]}\` must be a text or a list of texts`, names[1]);
  if (queries.length === 0) return refuse(`\`${names[0]}\` is empty: at least one text must be given`, names[0]);
  if (documents.length === 0) return refuse(`\`${names[1]}\` is empty: at least one text must be given`, names[1]);
  if (queries.length !== 1 && queries.length !== documents.length) {
    const lengths = `${queries.length}:${documents.length}`;
    return refuse(`Input lengths must be either 1:1, 1:N or N:N, and these are ${lengths}`, names[0]);
  }
  return (
    tooMuch(queries, documents, names[1]) ?? {
      pairs: documents.map((document, i) => [queries.length === 1 ? queries[0]! : queries[i]!, document]),
      options,
    }
  );
}

export function understandRerank(body: string, model: string): RerankRequest | { readonly refusal: Refusal } {
  const request = read(body, model, "`query` and `documents`");
  if ("refusal" in request) return request;
  const { fields, options } = request;

  const { query, documents } = fields;
  if (query === undefined) return refuse("`query` is missing: `query` and `documents` are both needed", "query");
  if (documents === undefined)
    return refuse("`documents` is missing: `query` and `documents` are both needed", "documents");
  if (typeof query !== "string") return refuse("`query` must be a text", "query");
  const list = Array.isArray(documents) ? texts(documents) : null;
  if (list === null) return refuse("`documents` must be a list of texts", "documents");
  if (list.length === 0) return refuse("`documents` is empty: at least one text must be given", "documents");

  const topN = fields["top_n"] ?? 0;
  if (!isInteger(topN)) return refuse("`top_n` must be a whole number: how many of the best, 0 for all", "top_n");
  return (
    tooMuch([query], list, "documents") ?? {
      pairs: list.map((document) => [query, document]),
      options,
      documents: list,
      topN: topN > 0 ? topN : list.length,
    }
  );
}

export function refuse(message: string, param: string | null = null): { refusal: Refusal } {
  return { refusal: { message, type: "BadRequestError", param, code: 400 } };
}

const NAMES = [
  ["text_1", "text_2"],
  ["queries", "documents"],
  ["queries", "items"],
  ["data_1", "data_2"],
] as const;

/** Each text costs an entry of some 60 bytes in the answer, so the limit of the body alone would not bound it. */
const MOST_TEXTS = 50_000;
/** Characters. No model takes nearly as much, and one text is scored in one go, while all others wait. */
const LONGEST_TEXT = 1_000_000;

function tooMuch(queries: readonly string[], documents: readonly string[], name: string): { refusal: Refusal } | null {
  const tell = (message: string) => ({ refusal: { ...refuse(message, name).refusal, code: 413 as const } });
  if (documents.length > MOST_TEXTS)
    return tell(`\`${name}\` has ${documents.length} texts: send ${MOST_TEXTS} at most at a time`);
  const long = [...queries, ...documents].find((text) => text.length > LONGEST_TEXT);
  return long === undefined ? null : tell(`a text has ${long.length} characters: ${LONGEST_TEXT} at most, cut it up`);
}

/** What is common to all requests: an object, the model, the options. */
function read(
  body: string,
  model: string,
  needed: string,
): { readonly fields: Fields; readonly options: ScoreOptions } | { readonly refusal: Refusal } {
  let fields: unknown;
  try {
    fields = JSON.parse(body);
  } catch (error) {
    return refuse(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isFields(fields)) return refuse(`the body must be a JSON object with ${needed}`);

  const asked = fields["model"];
  if (asked !== undefined && asked !== null && asked !== "" && asked !== model) {
    if (typeof asked !== "string") return refuse("`model` must be the name of a model", "model");
    const message = `The model \`${asked.slice(0, 200)}\` does not exist. This server has \`${model}\` only.`;
    return { refusal: { message, type: "NotFoundError", param: "model", code: 404 } };
  }

  const truncate = fields["truncate_prompt_tokens"] ?? null;
  if (truncate !== null && !(isInteger(truncate) && truncate >= -1))
    return refuse(
      "`truncate_prompt_tokens` must be a whole number of tokens, or -1 for what the model takes",
      "truncate_prompt_tokens",
    );
  const activation = fields["use_activation"] ?? fields["activation"] ?? true;
  if (typeof activation !== "boolean") return refuse("`use_activation` must be true or false", "use_activation");
  return { fields, options: { truncateTokens: truncate, useActivation: activation } };
}

type Fields = Readonly<Record<string, unknown>>;

function texts(value: unknown): readonly string[] | null {
  if (typeof value === "string") return [value];
  return Array.isArray(value) && value.every((text) => typeof text === "string") ? value : null;
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
