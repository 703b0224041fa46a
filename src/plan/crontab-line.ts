/**
 * The parts of a crontab line besides the schedule, as Debian's cron 3.0pl1-162 takes them apart (`env.c`, `do_command.c`).
 */

/** Characters that C calls space. */
const SPACE = /[ \t\n\v\f\r]/;

/**
 * `name = value`, or null when it is no such line. Nothing is expanded and `#` begins no comment. Quotes around the whole
 * value keep its leading blanks; blanks at its end are cut even inside them. Names may be quoted, and may be anything.
 */
export function environmentOf(line: string): { readonly name: string; readonly value: string } | null {
  const name = readWord(line, /^[ \t]*/.exec(line)![0].length, true);
  if (name === null) return null;
  const equals = skipSpace(line, name.end);
  if (line[equals] !== "=") return null;
  const begin = skipSpace(line, equals + 1);
  if (begin === line.length) return null; // An empty value must be written "".
  const value = readWord(line, begin, false);
  if (value === null || skipSpace(line, value.end) < line.length) return null;
  return { name: name.text, value: value.text.replace(/[ \t\n\v\f\r]+$/, "") };
}

function readWord(line: string, start: number, isName: boolean): { text: string; end: number } | null {
  const quote = line[start];
  if (quote === '"' || quote === "'") {
    const close = line.indexOf(quote, start + 1);
    const text = line.slice(start + 1, close);
    return close < 0 || (isName && text.includes("=")) ? null : { text, end: close + 1 };
  }
  let end = start;
  while (end < line.length && !(isName && (SPACE.test(line[end]!) || line[end] === "="))) end++;
  return { text: line.slice(start, end), end };
}

function skipSpace(line: string, at: number): number {
  let end = at;
  while (end < line.length && SPACE.test(line[end]!)) end++;
  return end;
}

/**
 * The first bare `%` ends the command. What follows is its standard input: each further `%` is a newline, and one is added
 * at the end. `\%` is a `%`; in the command `\\` is one backslash too.
 */
export function splitCommand(text: string): { readonly command: string; readonly stdin: string } {
  const end = firstBarePercent(text);
  const command = text.slice(0, end).replace(/\\([\s\S])/g, (both, next: string) => (/[%\\]/.test(next) ? next : both));
  return { command, stdin: end === text.length ? "" : stdinOf(text.slice(end + 1)) };
}

function firstBarePercent(text: string): number {
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "%") return at;
  }
  return text.length;
}

/** cron's own loop, letter by letter: a backslash is only kept back until it is known that no `%` follows. */
function stdinOf(text: string): string {
  let out = "";
  let isEscaped = false;
  for (const char of text) {
    if (isEscaped && char !== "%") out += "\\";
    if (!isEscaped && char === "%") out += "\n";
    else if (char !== "\\") out += char;
    isEscaped = char === "\\";
  }
  if (isEscaped) out += "\\";
  return out === "" || out.endsWith("\n") ? out : `${out}\n`;
}
