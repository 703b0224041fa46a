/**
 * How well a document answers a query, by the words they share: for machines without a GPU, where no model can be asked.
 *
 * It follows BM25, except that each pair is scored by itself, as a reranking model does it: the same pair always gets
 * the same score, whatever stands beside it in a request. There is then no collection of documents to count how rare a
 * word is in; in its place a short list of function words ("the", "of", …) weighs little and every other word the same.
 *
 *     score = Σ weight(word) · tf / (tf + K1 · (1 − B + B · length / USUAL_LENGTH))  /  Σ weight(word)
 *
 * over the query's different words, tf being how often the document has the word. A score is 0 if no word is shared and
 * stays below 1. It ranks; it is not a probability, and it knows nothing of meaning: synonyms share no words.
 */

/** How soon more of the same word stops counting. The usual value. */
const K1 = 1.2;
/** How much a long document must have more of a word than a short one. The usual value. */
const B = 0.75;
/** Words in a passage that is neither short nor long: about what people cut documents into for retrieval. */
const USUAL_LENGTH = 100;
const FUNCTION_WORD_WEIGHT = 0.05;

const FUNCTION_WORDS: ReadonlySet<string> = new Set(
  (
    "a an and are as at be been but by can could did do doe for from had has have he her his how i if in into is it its " +
    "me my no not of on or our she should so than that the their them then there these they this to was we were what " +
    "when where which who why will with would you your"
  ).split(" "),
);

/** A query whose words are counted once, for however many documents it is held against. */
export interface Query {
  readonly weights: ReadonlyMap<string, number>;
  /** What a document would get that consisted of nothing but the query's words, endlessly. */
  readonly reachable: number;
  /** Words in it, repetitions included. */
  readonly length: number;
}

export function prepare(text: string): Query {
  const all = words(text);
  const weights = new Map(all.map((word) => [word, FUNCTION_WORDS.has(word) ? FUNCTION_WORD_WEIGHT : 1]));
  let reachable = 0;
  for (const weight of weights.values()) reachable += weight;
  return { weights, reachable, length: all.length };
}

/** The work grows with the document alone, so that a long query with thousands of documents costs no more than its bytes. */
export function scoreOf(query: Query, document: string): { readonly score: number; readonly length: number } {
  const documentWords = words(document);
  const counts = new Map<string, number>();
  for (const word of documentWords) if (query.weights.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const lengthFactor = K1 * (1 - B + (B * documentWords.length) / USUAL_LENGTH);
  let reached = 0;
  for (const [word, count] of counts) reached += (query.weights.get(word)! * count) / (count + lengthFactor);
  return { score: query.reachable === 0 ? 0 : reached / query.reachable, length: documentWords.length };
}

export function score(query: string, document: string): number {
  return scoreOf(prepare(query), document).score;
}

/**
 * Text to words: runs of letters and digits, without case, accents and the English plural's s. Scripts that put no space
 * between words (Chinese, Japanese, Thai, …) give one word for each character.
 */
export function words(text: string): string[] {
  const plain = text.normalize("NFKD").replace(ACCENTS, "").normalize("NFC").toLowerCase();
  return (plain.match(WORD) ?? []).map(singular);
}

const ACCENTS = /[\u0300-\u036f]/g;
const UNSPACED = "\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}";
const WORD = new RegExp(`[${UNSPACED}]|[[\\p{L}\\p{M}\\p{N}]--[${UNSPACED}]]+`, "gv");

/** "cities" and "city", "servers" and "server" are one word; "glass", "status" and "this" keep their s. */
function singular(word: string): string {
  if (word.length > 4 && word.endsWith("ies")) return `${word.slice(0, -3)}y`;
  if (word.length > 3 && /[^siu]s$/.test(word)) return word.slice(0, -1);
  return word;
}
