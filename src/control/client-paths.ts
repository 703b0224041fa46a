/** How words and options of a question stand in its path. */

export function selection(words: readonly string[]): string {
  return words.map(encodeURIComponent).join(",");
}

/** With its question mark; empty where nothing is asked for. */
export function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  return given.length === 0 ? "" : `?${given.join("&")}`;
}
