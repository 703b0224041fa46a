/**
 * Reads TypeScript just well enough to know what a file imports and which words its code uses: comments, strings and
 * regular expressions are told apart from code, nothing more is parsed.
 */

export interface Import {
  /** null: not written as a plain string, so nobody can know it without running the program. */
  readonly target: string | null;
  /** `import type` and `export type`: gone when the program runs. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export interface SourceText {
  readonly imports: readonly Import[];
  /** The code with comments, texts and regular expressions blanked, line by line as in the file. */
  readonly code: string;
}

export function readSource(source: string): SourceText {
  const { code, texts } = withoutTexts(source);
  const imports: Import[] = [];
  for (const { pattern, typeOnly } of IMPORTS) {
    for (const match of code.matchAll(pattern)) {
      const index = match.groups?.["text"];
      imports.push({
        target: index === undefined ? null : texts[Number(index)]!,
        typeOnly,
        line: lineAt(code, match.index),
      });
    }
  }
  return { imports: imports.sort((a, b) => a.line - b.line), code: code.replace(/"\d*"/g, '""') };
}

export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** `withoutTexts` leaves `"3"` where the fourth text stood. */
const TEXT = '"(?<text>\\d+)"';
/** Between `import` and `from`: names, braces, commas, but never the start of another statement. */
const NAMES = '(?:(?!\\b(?:import|export)\\b)[^"();=])*?';
const IMPORTS = [
  {
    pattern: new RegExp(`\\b(?:import|export)\\s+type\\b(?!\\s*(?:,|from))${NAMES}\\bfrom\\s*${TEXT}`, "g"),
    typeOnly: true,
  },
  {
    pattern: new RegExp(
      `(?<![.\\w$])(?:import|export)\\b(?!\\s+type\\b(?!\\s*(?:,|from)))\\s*${NAMES}\\bfrom\\s*${TEXT}`,
      "g",
    ),
    typeOnly: false,
  },
  { pattern: new RegExp(`(?<![.\\w$])import\\s*${TEXT}`, "g"), typeOnly: false },
  {
    pattern: new RegExp(`(?<![.\\w$])(?:import|require(?:\\s*\\.\\s*resolve)?)\\s*\\(\\s*(?:${TEXT}\\s*[,)])?`, "g"),
    typeOnly: false,
  },
  { pattern: new RegExp(`\\bgetBuiltinModule\\s*\\(\\s*(?:${TEXT}\\s*\\))?`, "g"), typeOnly: false },
];

/** After one of these a slash begins a regular expression; after anything else it divides. */
const BEFORE_REGEXP = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|do|else|in|of|void|delete|await|yield))$/;
const REGEXP = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
const QUOTED = /(["'])(?:\\[\s\S]|(?!\1)[^\\\n])*\1/y;
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^\\`$])*/y;

function withoutTexts(source: string): { code: string; texts: string[] } {
  const texts: string[] = [];
  let code = "";
  let at = 0;
  /** For each open template expression `${…}`: how many braces are open inside it. */
  const expressions: number[] = [];

  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found === undefined) return null;
    at += found.length;
    return found;
  };
  const blank = (text: string) => {
    code += text.replace(/[^\n]/g, " ");
  };
  const templateText = () => {
    blank(take(TEMPLATE_TEXT) ?? "");
    if (source.startsWith("${", at)) {
      at += 2;
      code += "  ";
      expressions.push(0);
    } else {
      at += 1;
      code += "`";
    }
  };

  while (at < source.length) {
    const char = source[at]!;
    if (source.startsWith("//", at)) blank(take(/[^\n]*/y)!);
    else if (source.startsWith("/*", at)) blank(take(/\/\*[\s\S]*?(?:\*\/|$)/y)!);
    else if (char === '"' || char === "'") {
      const text = take(QUOTED);
      if (text === null) {
        at += 1;
        continue;
      }
      code += `"${texts.length}"`;
      texts.push(text.slice(1, -1));
    } else if (char === "`") {
      at += 1;
      code += "`";
      templateText();
    } else if (char === "/" && BEFORE_REGEXP.test(code.trimEnd())) {
      const regexp = take(REGEXP);
      if (regexp === null) at += 1;
      else blank(regexp);
      code += "0"; // A value stood here, so that a slash after it divides.
    } else {
      at += 1;
      if (char === "{" && expressions.length > 0) expressions[expressions.length - 1]! += 1;
      if (char === "}" && expressions.length > 0) {
        if (expressions.at(-1) === 0) {
          expressions.pop();
          code += " ";
          templateText();
          continue;
        }
        expressions[expressions.length - 1]! -= 1;
      }
      code += char;
    }
  }
  return { code, texts };
}
