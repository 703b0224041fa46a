/** Lists of names as they stand in paths and parameters. */
import type { Selection } from "./daemon.ts";
import { printable } from "./refusal.ts";

/** Most words in one list of names: a thousand services, each named, and more than a person ever writes. */
export const MOST_WORDS = 2_000;

export function splitWords(text: string): readonly string[] {
  return text.split(",").filter((word) => word !== "");
}

export function suggestions(unknown: Selection["unknown"]): string[] {
  return unknown.flatMap(({ word, suggestion: near }) =>
    near === null
      ? []
      : [unknown.length === 1 ? `did you mean “${near}”?` : `${printable(word)}: did you mean “${near}”?`],
  );
}
