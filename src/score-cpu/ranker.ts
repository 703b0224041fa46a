/**
 * What puts a number on a pair of texts. There are two: the lexical one counts words and is always there, the neural one
 * loads an ONNX cross-encoder from a directory. The server knows neither; it asks for slices, so that no request keeps
 * `/health` or another request waiting for longer than one slice takes.
 */

export type Pair = readonly [query: string, document: string];

export interface ScoreOptions {
  /** Longest input of a model, in its tokens; -1: what the model takes. null: an input that is longer is refused. */
  readonly truncateTokens: number | null;
  /** false: the model's raw number (a logit) instead of one between 0 and 1. Lexical scores have no other form. */
  readonly useActivation: boolean;
}

export interface Scored {
  readonly scores: readonly number[];
  /** Of these pairs together, as the ranker counts them. */
  readonly tokens: number;
}

export interface Ranker {
  /** The name that clients see and may ask for. */
  readonly model: string;
  /** One sentence: what kind of thing it is. */
  readonly description: string;
  /** Tokens; null: no limit of its own. */
  readonly maxModelLen: number | null;
  /** The scores of all pairs in their order, in slices of some milliseconds of work. Whoever wants no more stops asking. */
  slices(pairs: readonly Pair[], options: ScoreOptions): Iterable<Scored> | AsyncIterable<Scored>;
}

/** The request asks for what this model cannot do; the sentence is for the client. */
export class Unscorable extends Error {
  override readonly name = "Unscorable";
}
