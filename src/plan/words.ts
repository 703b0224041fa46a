/**
 * A command line split into words as a POSIX shell splits it, and nothing more that a shell does.
 *
 * - Blanks and newlines separate; a backslash at the end of a line joins it with the next.
 * - 'single quotes' keep everything as it is. "double quotes" keep everything but a backslash before `"`, `\`, `$`, a
 *   backquote or a newline. Outside quotes a backslash keeps the next character as it is. Quotes may join: a"b"'c' is abc.
 * - Nothing expands and nothing is an operator: `#`, `|`, `>`, `;`, `*`, `~` and `$` are ordinary characters. `${…}` was
 *   filled in before.
 */
import { bad, good, type Reading } from "./flaw.ts";

export function splitWords(text: string): Reading<string[]> {
  const words: string[] = [];
  let word: string | null = null; // null: between words. "": a word has begun, as in ''.
  let i = 0;
  while (i < text.length) {
    const char = text[i]!;
    if (char === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) return unclosed("'", i);
      word = (word ?? "") + text.slice(i + 1, end);
      i = end + 1;
    } else if (char === '"') {
      const inside = insideDoubleQuotes(text, i);
      if (inside === null) return unclosed('"', i);
      word = (word ?? "") + inside.text;
      i = inside.end;
    } else if (char === "\\") {
      if (i + 1 === text.length)
        return bad("a backslash at the end escapes nothing", "remove it, or write \\\\ for a backslash", i);
      if (text[i + 1] !== "\n") word = (word ?? "") + text[i + 1];
      i += 2;
    } else if (isBlank(char)) {
      if (word !== null) words.push(word);
      word = null;
      i++;
    } else {
      word = (word ?? "") + char;
      i++;
    }
  }
  if (word !== null) words.push(word);
  return good(words);
}

/** One word, written so that `splitWords` and a shell both read it back. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function insideDoubleQuotes(text: string, start: number): { text: string; end: number } | null {
  let inside = "";
  for (let i = start + 1; i < text.length; i++) {
    const char = text[i]!;
    if (char === '"') return { text: inside, end: i + 1 };
    const next = text[i + 1];
    if (char === "\\" && next !== undefined && '"\\$`\n'.includes(next)) {
      if (next !== "\n") inside += next;
      i++;
    } else {
      inside += char;
    }
  }
  return null;
}

function isBlank(char: string): boolean {
  return char === " " || char === "\t" || char === "\n" || char === "\r";
}

function unclosed(quote: string, at: number): Reading<never> {
  return bad(
    `the quote ${quote} at character ${at + 1} is not closed`,
    `add the closing ${quote}, or write \\${quote} for the character itself`,
    at,
  );
}
