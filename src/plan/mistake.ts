/**
 * Something wrong in a file that an operator wrote, said so that it can be put right: what, exactly where, the line
 * itself, and what to do.
 */
export interface Mistake {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** One sentence with the real names in it: "unknown key `enviroment`". */
  readonly what: string;
  /** What to do: "did you mean `environment`?". */
  readonly fix: string;
  /** The offending line, without its newline. */
  readonly text: string;
}

/**
 * A mistake as people read it:
 *
 *     services.d/web.yaml:3:1: unknown key `enviroment`
 *       3 | enviroment: { PORT: 8000 }
 *         | ^
 *       fix: did you mean `environment`?
 */
export function formatMistake(mistake: Mistake): string {
  const number = String(mistake.line);
  const gutter = " ".repeat(number.length);
  // Tabs stay tabs under the line, so that the caret stands where the eye looks.
  const indent = visible(mistake.text.slice(0, mistake.column - 1)).replace(/[^\t]/g, " ");
  const what = `${mistake.file}:${mistake.line}:${mistake.column}: ${mistake.what}`;
  // About a whole file or directory there is no line to show.
  if (mistake.text === "") return [what, `  fix: ${mistake.fix}`].map(visible).join("\n");
  return [what, `  ${number} | ${mistake.text}`, `  ${gutter} | ${indent}^`, `  fix: ${mistake.fix}`]
    .map(visible)
    .join("\n");
}

/** A file may hold anything, and no terminal that shows it shall obey: control characters are shown as `\x1b`. */
function visible(line: string): string {
  return line.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}
