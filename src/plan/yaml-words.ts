/**
 * The YAML parser's complaints in words for someone who has never read the YAML specification.
 */
import type { YAMLError } from "yaml";
import { type Flaw, quoted } from "./flaw.ts";

export const UNFINISHED_MERGE = "the file holds the marks of an unfinished merge";

/** To YAML the brace of an unquoted `${` begins another map. */
const VARIABLE_IN_BRACKETS = /^[^"'#]*(?:\[|(?<!\$)\{)[^"']*?\$\{/;

/** A schedule that begins with a star and is not quoted. */
const STAR_AND_MORE = /^\s*(?:- +)*(?:[\w.-]+: +)?(?:\[ *)?(?=\*\S*\s+\S)/;

const ALIAS: Flaw = {
  what: "a value that begins with * or & is an alias or an anchor to YAML",
  fix: "put the value in quotes",
};

/** `line` is the line it points at; `source` the whole file. `at` in the answer counts from the start of that line. */
export function wordsForPeople(error: Pick<YAMLError, "code" | "message" | "pos">, line: string, source: string): Flaw {
  if (/^(<{7}|={7}|>{7})( |$)/.test(line))
    return { what: UNFINISHED_MERGE, fix: "resolve the conflict between <<<<<<< and >>>>>>>" };
  const star = STAR_AND_MORE.exec(line);
  if (star !== null) return { ...ALIAS, at: star[0].length };
  const variable = VARIABLE_IN_BRACKETS.exec(line);
  if (variable !== null) {
    return {
      what: "inside of { } and [ ] a value with `${…}` needs quotes",
      fix: 'write it like "${NAME}"',
      at: variable[0].length - 2,
    };
  }
  const message = error.message;
  switch (error.code) {
    case "TAB_AS_INDENT":
      return { what: "the line is indented with a tab", fix: "indent with spaces" };
    case "BAD_INDENT":
      return message.startsWith("Flow ")
        ? openBracket(message)
        : {
            what: "the line is not indented like the lines it belongs to",
            fix: "give the keys of one map the same number of spaces before them",
          };
    case "MISSING_CHAR":
      if (message.startsWith("Missing closing")) {
        const quote = message.includes('"') ? '"' : "'";
        return { what: `the quote ${quote} is not closed`, fix: `add the closing ${quote}` };
      }
      if (message.startsWith("Implicit map keys"))
        return { what: `${quoted(line)} is not \`key: value\``, fix: "write a colon and a space behind the key" };
      if (message.startsWith("Sequence item"))
        return { what: "an item of the list has no `-`", fix: "begin each item with `- `" };
      if (message.startsWith("Missing , "))
        return { what: "a comma is missing between two items", fix: "put commas between the items in brackets" };
      if (message.includes("end with a")) return openBracket(message);
      break;
    case "BLOCK_AS_IMPLICIT_KEY":
      if (/:\s.*:(\s|$)/.test(line))
        return { what: "a value with `: ` in it looks like a second key", fix: "put the value in quotes" };
      return {
        what: "a key stands where a value was begun",
        fix: "indent the keys of a map below the key that holds them, or put the value in quotes",
      };
    case "MULTILINE_IMPLICIT_KEY":
      return {
        what: `${quoted(line)} is not \`key: value\``,
        fix: "write a colon and a space behind the key; a value of several lines begins with `|` or `>`",
      };
    case "BAD_SCALAR_START": {
      const char = source[error.pos[0]] ?? "";
      return { what: `a value cannot begin with ${char}`, fix: "put the value in quotes" };
    }
    case "BAD_DQ_ESCAPE":
      return {
        what: `${message.replace(/^Invalid escape sequence /, "")} means nothing inside of double quotes`,
        fix: "write \\\\ for a backslash, or use single quotes",
      };
    case "MULTIPLE_DOCS":
      return {
        what: "the file holds more than one YAML document",
        fix: "remove the line `---`; several services go under `services:`",
      };
    case "RESOURCE_EXHAUSTION":
      return { what: "the file is nested too deep", fix: "no key needs more than a few levels" };
    case "TAG_RESOLVE_FAILED":
      return { what: "tags such as `!name` have no meaning here", fix: "remove the tag, or put the value in quotes" };
    case "BAD_ALIAS":
    case "ALIAS_PROPS":
      return ALIAS;
    case "UNEXPECTED_TOKEN":
      if (message.includes("at node end"))
        return {
          what: "there is something behind the closing quote or bracket",
          fix: "put the whole value in quotes: '…' around it keeps every \" in it",
        };
      if (message.includes("block-seq-ind on same line"))
        return {
          what: "a list begins on the line of its key",
          fix: "put the first `- ` on a line of its own, or write [a, b]",
        };
      if (message.startsWith("Block scalar header"))
        return {
          what: "there is text behind `|` or `>`",
          fix: "begin the text on the next line, or put the value in quotes",
        };
      break;
  }
  return {
    what: `not YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`,
    fix: "put values with special characters in quotes, and check the indentation",
  };
}

function openBracket(message: string): Flaw {
  const bracket = /end with a (.)/.exec(message)?.[1] ?? "]";
  return {
    what: `a bracket is not closed with ${bracket}`,
    fix: `add ${bracket}, and indent what is inside`,
  };
}
