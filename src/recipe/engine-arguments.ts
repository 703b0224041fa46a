/**
 * Arguments that a person hands to a model server in a variable or a file: text that was once spliced into a shell's command
 * line, read without a shell.
 *
 * Words are split as a shell does. Two things differ, because no shell reads them: a JSON value keeps its quotes even where nobody
 * put others around it (`--hf-overrides {"architectures": ["X"]}`), and what only a shell could carry out is refused.
 */
import { type Flaw, quoted, type Reading } from "../plan/flaw.ts";
import { splitWords } from "../plan/words.ts";

export function argumentsIn(text: string): Reading<readonly string[]> {
  const safe = withQuotedJson(text);
  const flaw = shellFlaw(safe);
  return flaw === null ? splitWords(safe) : { ok: false, flaw };
}

/** Of a file: lines that begin with # are for people. */
export function withoutComments(text: string): string {
  return text
    .split(/\r?\n/)
    .filter((line) => !/^\s*#/.test(line))
    .join("\n")
    .trim();
}

/**
 * The value of the last of these flags, as Python's argparse takes the last; null: none is there. `names` without dashes in
 * front: "tensor-parallel-size" is also `--tensor_parallel_size` and `--tensor-parallel-size=4`; a short name is `-tp`, `-tp=4`.
 * A flag without a value ("--no-…", the end of the words) has the value "".
 */
export function flagValue(words: readonly string[], names: readonly string[]): string | null {
  let value: string | null = null;
  for (const [index, word] of words.entries()) {
    const match = /^(--?)([A-Za-z][\w.-]*)(?:=(.*))?$/s.exec(word);
    if (match === null) continue;
    const [, , name, given] = match;
    if (!names.includes(name!.replaceAll("_", "-"))) continue;
    const next = words[index + 1];
    value = given ?? (next === undefined || /^--?[A-Za-z]/.test(next) ? "" : next);
  }
  return value;
}

export function hasFlag(words: readonly string[], names: readonly string[]): boolean {
  return flagValue(words, names) !== null;
}

// --- JSON --------------------------------------------------------------------------------------------------------------

/** A JSON object or list that begins a word, or comes after `=`, in single quotes. */
function withQuotedJson(text: string): string {
  let safe = "";
  let quote: string | null = null;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (quote === null && (char === "{" || char === "[") && /(^|[\s=])$/.test(safe)) {
      const end = endOfJson(text, at);
      if (end !== null) {
        safe += `'${text.slice(at, end).replaceAll("'", `'\\''`)}'`;
        at = end - 1;
        continue;
      }
    }
    if (quote === null && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = null;
    else if (char === "\\" && quote !== "'" && at + 1 < text.length) {
      safe += char + text[++at]!;
      continue;
    }
    safe += char;
  }
  return safe;
}

/** Just behind the bracket that closes the one at `start`; null: what lies between is not JSON. */
function endOfJson(text: string, start: number): number | null {
  let depth = 0;
  let inString = false;
  for (let at = start; at < text.length; at++) {
    const char = text[at]!;
    if (inString) {
      if (char === "\\") at++;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === "{" || char === "[") depth++;
    else if ((char === "}" || char === "]") && --depth === 0) {
      return isJson(text.slice(start, at + 1)) ? at + 1 : null;
    }
  }
  return null;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

// --- what a shell would have done ------------------------------------------------------------------------------------------

function shellFlaw(text: string): Flaw | null {
  let quote: string | null = null;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\" && quote !== "'") at++;
    else if (quote === null && (char === "'" || char === '"')) quote = char;
    else if (char === quote) quote = null;
    else if (quote !== "'" && (char === "`" || (char === "$" && text[at + 1] === "("))) {
      return forAShell(char === "`" ? "`" : "$(", at);
    } else if (quote === null && ";|&<>".includes(char)) return forAShell(char, at);
  }
  return null;
}

function forAShell(what: string, at: number): Flaw {
  return {
    what: `${quoted(what)} at character ${at + 1} is for a shell, and no shell reads this`,
    fix: `put single quotes around the argument if ${quoted(what)} belongs to it, else remove it`,
    at,
  };
}
