/**
 * Names as people give them: `web`, `web-*`, `GROUP:*`, `all`. Which services they mean is svcd's to say.
 */

export function isAll(words: readonly string[]): boolean {
  return words.length === 0 || words.includes("all");
}

/** What to ask svcd for: undefined means every service. */
export function asked(words: readonly string[]): readonly string[] | undefined {
  return isAll(words) ? undefined : words;
}
