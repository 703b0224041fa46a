/** Lists of names as they stand in paths and parameters. */
import type { Selection } from "./daemon.ts";
import { printable, Refusal } from "./refusal.ts";

/** Most words in one list of names: a thousand services, each named, and more than a person ever writes. */
const MOST_WORDS = 2_000;

export function splitWords(text: string): readonly string[] {
  return text.split(",").filter((word) => word !== "");
}

/** Throws a Refusal where a deed is asked of no `thing` ("service", "job"), or of more than are read. */
export function checkCount(words: readonly string[], thing: string): void {
  if (words.length === 0) {
    throw new Refusal(400, "no_names", `no ${thing} is named`, `name ${thing}s, a pattern, \`GROUP:*\` or \`all\``);
  }
  if (words.length > MOST_WORDS) {
    const what = `${words.length} names are more than the ${MOST_WORDS} that are read`;
    throw new Refusal(400, "too_many_names", what, "use a pattern, `GROUP:*` or `all`");
  }
}

export function suggestions(unknown: Selection["unknown"]): string[] {
  return unknown.flatMap(({ word, suggestion: near }) =>
    near === null
      ? []
      : [unknown.length === 1 ? `did you mean “${near}”?` : `${printable(word)}: did you mean “${near}”?`],
  );
}
