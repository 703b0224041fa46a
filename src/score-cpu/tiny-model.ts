/**
 * For tests: a cross-encoder of a kilobyte, written down byte by byte, so that no test downloads a model. Its one rule: the
 * logit of a pair is the number of equal words in query and document, less 1.5.
 *
 * ONNX is protobuf (onnx.proto3); of it stands here what such a graph needs. Dimensions are `batch` and `words`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface TinyModel {
  /** Numbers for each pair: 1 is a reranker, more is a classifier. */
  readonly labels?: number;
  /** Tokens, [CLS] and two [SEP] included. */
  readonly longest?: number;
  /** Added to `config.json`. */
  readonly config?: object;
}

/** What it knows; anything else is [UNK], which equals nothing. */
const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
const VOCABULARY =
  "what is the capital of france paris a large city in berlin germany bread needs flour water and salt ready".split(
    " ",
  );

/** Makes the directory as `optimum-cli export onnx` would leave it. */
export function writeTinyModel(directory: string, { labels = 1, longest = 48, config = {} }: TinyModel = {}): void {
  mkdirSync(join(directory, "onnx"), { recursive: true });
  const json = (name: string, value: object) => writeFileSync(join(directory, name), JSON.stringify(value));
  json("config.json", {
    model_type: "bert",
    architectures: ["BertForSequenceClassification"],
    max_position_embeddings: longest,
    id2label: Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `LABEL_${i}`])),
    ...config,
  });
  json("tokenizer_config.json", {
    tokenizer_class: "BertTokenizer",
    model_max_length: longest,
    do_lower_case: true,
    ...{ pad_token: "[PAD]", unk_token: "[UNK]", cls_token: "[CLS]", sep_token: "[SEP]" },
  });
  json("tokenizer.json", tokenizer());
  writeFileSync(join(directory, "onnx/model.onnx"), network(labels));
}

function tokenizer() {
  const piece = (id: string, type: number) => ({
    [id.length === 1 ? "Sequence" : "SpecialToken"]: { id, type_id: type },
  });
  const known = (token: string) => ({ id: token, ids: [SPECIAL.indexOf(token)], tokens: [token] });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [piece("[CLS]", 0), piece("A", 0), piece("[SEP]", 0)],
      pair: [piece("[CLS]", 0), piece("A", 0), piece("[SEP]", 0), piece("B", 1), piece("[SEP]", 1)],
      special_tokens: { "[CLS]": known("[CLS]"), "[SEP]": known("[SEP]") },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      ...{ type: "WordPiece", unk_token: "[UNK]", continuing_subword_prefix: "##", max_input_chars_per_word: 100 },
      vocab: Object.fromEntries([...SPECIAL, ...VOCABULARY].map((word, id) => [word, id])),
    },
  };
}

const FLOAT = 1;
const INT64 = 7;

function network(labels: number): Buffer {
  const inputs = ["input_ids", "attention_mask", "token_type_ids"];
  const nodes = [
    node("Greater", ["input_ids", "last_special"], "is_word_"),
    node("Cast", ["is_word_"], "is_word", int("to", FLOAT)),
    node("Cast", ["token_type_ids"], "side", int("to", FLOAT)),
    node("Mul", ["is_word", "side"], "in_document"),
    node("Sub", ["is_word", "in_document"], "in_query"),
    node("Unsqueeze", ["input_ids", "axis_2"], "ids_down"),
    node("Unsqueeze", ["input_ids", "axis_1"], "ids_across"),
    node("Equal", ["ids_down", "ids_across"], "same_"),
    node("Cast", ["same_"], "same", int("to", FLOAT)),
    node("Unsqueeze", ["in_query", "axis_2"], "query_down"),
    node("Unsqueeze", ["in_document", "axis_1"], "document_across"),
    node("Mul", ["same", "query_down"], "same_in_query"),
    node("Mul", ["same_in_query", "document_across"], "same_in_both"),
    node("ReduceSum", ["same_in_both", "axes_1_2"], "count", int("keepdims", 0)),
    node("Sub", ["count", "threshold"], "logit"),
    node("Unsqueeze", ["logit", "axis_1"], "one"),
    node("Concat", Array(labels).fill("one"), "logits", int("axis", 1)),
  ];
  const constants = [
    integers("last_special", [SPECIAL.length - 1]),
    integers("axis_1", [1]),
    integers("axis_2", [2]),
    integers("axes_1_2", [1, 2]),
    floats("threshold", [1.5]),
  ];
  const graph = [
    ...nodes.map((one) => field(1, one)),
    field(2, "tiny"),
    ...constants.map((one) => field(5, one)),
    ...inputs.map((name) => field(11, tensorOf(name, INT64, ["batch", "words"]))),
    field(12, tensorOf("logits", FLOAT, ["batch", "labels"])),
  ];
  const opset = field(2, 13);
  return Buffer.concat([field(1, 8), field(2, "svcd tests"), field(7, Buffer.concat(graph)), field(8, opset)]);
}

function node(type: string, inputs: readonly string[], output: string, ...attributes: Buffer[]): Buffer {
  const parts = [...inputs.map((name) => field(1, name)), field(2, output), field(4, type)];
  return Buffer.concat([...parts, ...attributes.map((one) => field(5, one))]);
}

function int(name: string, value: number): Buffer {
  const TYPE_INT = 2;
  return Buffer.concat([field(1, name), field(3, value), field(20, TYPE_INT)]);
}

function integers(name: string, values: readonly number[]): Buffer {
  return constant(name, INT64, values.length, Buffer.from(BigInt64Array.from(values.map(BigInt)).buffer));
}

function floats(name: string, values: readonly number[]): Buffer {
  return constant(name, FLOAT, values.length, Buffer.from(Float32Array.from(values).buffer));
}

function constant(name: string, type: number, length: number, raw: Buffer): Buffer {
  return Buffer.concat([field(1, length), field(2, type), field(8, name), field(9, raw)]);
}

function tensorOf(name: string, type: number, dimensions: readonly string[]): Buffer {
  const shape = Buffer.concat(dimensions.map((dimension) => field(1, field(2, dimension))));
  return Buffer.concat([field(1, name), field(2, field(1, Buffer.concat([field(1, type), field(2, shape)])))]);
}

/** One field of protobuf: its number and kind, then a number, or the length and the bytes of a text or a message. */
function field(number: number, value: number | string | Buffer): Buffer {
  const isNumber = typeof value === "number";
  const key = varint((number << 3) | (isNumber ? 0 : 2));
  if (isNumber) return Buffer.concat([key, varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([key, varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return Buffer.from([...bytes, value]);
}
