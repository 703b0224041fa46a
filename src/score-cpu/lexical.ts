/** The ranker that needs no model: BM25 over words (`score.ts`). */
import type { Pair, Ranker, Scored } from "./ranker.ts";
import { prepare, scoreOf } from "./score.ts";

export const LEXICAL_MODEL = "lexical-bm25";

/** Characters: some milliseconds of work. */
const SLICE_LENGTH = 64 * 1024;

export const lexicalRanker: Ranker = {
  model: LEXICAL_MODEL,
  description: "Counts shared words (BM25). No neural model is behind it: it ranks by words, not by meaning.",
  maxModelLen: null,
  *slices(pairs: readonly Pair[]): Iterable<Scored> {
    let lastText: string | null = null; // One query for all documents is the rule.
    let query = prepare("");
    let scores: number[] = [];
    let tokens = 0;
    let length = 0;
    for (const [text, document] of pairs) {
      if (lastText !== text) {
        lastText = text;
        query = prepare(text);
        length += text.length;
      }
      const scored = scoreOf(query, document);
      scores.push(scored.score);
      tokens += query.length + scored.length;
      length += document.length;
      if (length < SLICE_LENGTH) continue;
      yield { scores, tokens };
      scores = [];
      tokens = 0;
      length = 0;
    }
    if (scores.length > 0) yield { scores, tokens };
  },
};
