/**
 * `${VAR}` filled in, in Docker Compose's forms.
 *
 *   $VAR  ${VAR}     its value; nothing when it is not set
 *   ${VAR:-default}  the default when not set or empty          ${VAR-default}  … only when not set
 *   ${VAR:?message}  a mistake when not set or empty            ${VAR?message}  … only when not set
 *   ${VAR:+other}    `other` when set and not empty             ${VAR+other}    … when set
 *   $$               one $
 *
 * What stands after the operator may hold variables itself: `${A:-${B:-c}}`. A value is never read again for more variables.
 *
 * Where the text has a use of its own for `$`, a caller says how to take one that begins none of these: in service files it
 * is a mistake (as in Compose); an env file keeps it, since other programs read that file too; and in a regular
 * expression only `${…}` counts.
 */
import { bad, type Flaw, good, quoted, type Reading } from "./flaw.ts";

/** The value of a variable; undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

/** Which `$` are ours. `strict`: all. `lenient`: one that begins nothing stays. `braces`: only `${`; the rest stays. */
export type Dollars = "strict" | "lenient" | "braces";

export interface Filled {
  readonly text: string;
  /** Variables that were not set and had no default: nothing was put in their place. Each once, in order. */
  readonly unset: readonly string[];
}

/** The first thing wrong with the way it is written, or null. Needs no variables. */
export function checkTemplate(text: string, dollars: Dollars = "strict"): Flaw | null {
  if (!text.includes("$")) return null;
  const parsed = parse(text, dollars);
  return parsed.ok ? null : parsed.flaw;
}

export function interpolate(text: string, lookup: Lookup, dollars: Dollars = "strict"): Reading<Filled> {
  if (!text.includes("$")) return good({ text, unset: [] });
  const parsed = parse(text, dollars);
  if (!parsed.ok) return parsed;
  const unset = new Set<string>();
  const filled = fill(parsed.value, lookup, unset);
  return filled.ok ? good({ text: filled.value, unset: [...unset] }) : filled;
}

/** Names of all variables that a template asks for, in order. A template with a flaw asks for none. */
export function variablesIn(text: string): string[] {
  const names = new Set<string>();
  const parsed = parse(text, "strict");
  const collect = (parts: readonly Part[]): void => {
    for (const part of parts) {
      if (typeof part === "string") continue;
      names.add(part.name);
      collect(part.word);
    }
  };
  if (parsed.ok) collect(parsed.value);
  return [...names];
}

type Operator = "" | ":-" | "-" | ":?" | "?" | ":+" | "+";
type Part =
  | string
  | { readonly name: string; readonly operator: Operator; readonly word: readonly Part[]; readonly at: number };

/** Deeper than anyone writes; the reader calls itself once per level. */
const DEEPEST = 20;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /:?[-?+]/y;

function parse(text: string, dollars: Dollars): Reading<readonly Part[]> {
  const parsed = parseUntil(text, 0, false, dollars, 0);
  return parsed.ok ? good(parsed.value.parts) : parsed;
}

/** Up to the end of the text, or up to the `}` that closes the variable we are inside of. */
function parseUntil(
  text: string,
  from: number,
  inside: boolean,
  dollars: Dollars,
  depth: number,
): Reading<{ parts: Part[]; end: number }> {
  const parts: Part[] = [];
  let plain = "";
  let i = from;
  while (i < text.length) {
    const char = text[i]!;
    if (inside && char === "}") break;
    if (char !== "$") {
      plain += char;
      i++;
      continue;
    }
    const next = text[i + 1];
    if (next === "{") {
      const variable = parseBraced(text, i, dollars, depth);
      if (!variable.ok) return variable;
      parts.push(plain, variable.value.part);
      plain = "";
      i = variable.value.end;
      continue;
    }
    if (dollars === "braces") {
      plain += char;
      i++;
      continue;
    }
    if (next === "$") {
      plain += "$";
      i += 2;
      continue;
    }
    const name = matchAt(NAME, text, i + 1);
    if (name !== null) {
      parts.push(plain, { name, operator: "", word: [], at: i });
      plain = "";
      i += 1 + name.length;
    } else if (dollars === "lenient") {
      plain += char;
      i++;
    } else {
      const shown = quoted(text.slice(i, i + 2));
      const fix =
        next === "("
          ? "no shell reads this; with `shell: true` write `$$(` so that the shell gets its `$`"
          : "write `$$` for a dollar sign";
      return bad(`${shown} begins no variable`, fix, i);
    }
  }
  parts.push(plain);
  return good({ parts: parts.filter((part) => part !== ""), end: i });
}

function parseBraced(text: string, at: number, dollars: Dollars, depth: number): Reading<{ part: Part; end: number }> {
  if (depth >= DEEPEST)
    return bad(`variables are nested more than ${DEEPEST} deep`, "use fewer defaults inside of defaults", at);
  const name = matchAt(NAME, text, at + 2);
  if (name === null) {
    return bad(
      `${quoted(upToBrace(text, at))} names no variable`,
      "write ${NAME}; a name has letters, digits and _ and does not begin with a digit",
      at,
    );
  }
  let i = at + 2 + name.length;
  if (text[i] === "}") return good({ part: { name, operator: "", word: [], at }, end: i + 1 });
  if (i >= text.length) return notClosed(text, at);
  const operator = matchAt(OPERATOR, text, i);
  if (operator === null) {
    return bad(
      `${quoted(upToBrace(text, at))} has something after the name that is not understood`,
      "after the name comes `}`, or one of :- - :? ? :+ +",
      i,
    );
  }
  i += operator.length;
  const word = parseUntil(text, i, true, dollars, depth + 1);
  if (!word.ok) return word;
  if (text[word.value.end] !== "}") return notClosed(text, at);
  return good({ part: { name, operator: operator as Operator, word: word.value.parts, at }, end: word.value.end + 1 });
}

function fill(parts: readonly Part[], lookup: Lookup, unset: Set<string>): Reading<string> {
  let text = "";
  for (const part of parts) {
    const value = typeof part === "string" ? good(part) : variableValue(part, lookup, unset);
    if (!value.ok) return value;
    text += value.value;
  }
  return good(text);
}

function variableValue(part: Exclude<Part, string>, lookup: Lookup, unset: Set<string>): Reading<string> {
  const value = lookup(part.name);
  const counts = part.operator.startsWith(":") ? value !== undefined && value !== "" : value !== undefined;
  switch (part.operator) {
    case "":
      if (value === undefined) unset.add(part.name);
      return good(value ?? "");
    case ":-":
    case "-":
      return counts ? good(value!) : fill(part.word, lookup, unset);
    case ":+":
    case "+":
      return counts ? fill(part.word, lookup, unset) : good("");
    case ":?":
    case "?": {
      if (counts) return good(value!);
      const message = fill(part.word, lookup, unset);
      if (!message.ok) return message;
      const state = value === undefined ? "is not set" : "is empty";
      return bad(
        `${part.name} ${state}${message.value === "" ? "" : `: ${message.value}`}`,
        `set ${part.name}`,
        part.at,
      );
    }
  }
}

function matchAt(pattern: RegExp, text: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? null;
}

function upToBrace(text: string, at: number): string {
  const end = text.indexOf("}", at);
  return end < 0 ? text.slice(at) : text.slice(at, end + 1);
}

function notClosed(text: string, at: number): Reading<never> {
  return bad(`${quoted(text.slice(at))} is not closed`, "add the closing `}`", at);
}
