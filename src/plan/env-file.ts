/**
 * Env files as Docker Compose reads them, which reads `/etc/environment` too.
 *
 *   # comment            KEY=value            export KEY=value            KEY: value
 *   KEY='as it is'       KEY="with ${OTHER} and \n escapes"       KEY=to the end # a comment after a blank
 *   KEY                  taken from the environment below, when it is set there
 *
 * Quoted values may go over several lines. Variables are filled in in unquoted and double-quoted values, from earlier keys
 * of the same file first and then from below. A `$` that begins no variable stays: other programs read these files too.
 */
import { bad, type Flaw, good, quoted, type Reading } from "./flaw.ts";
import { interpolate, type Lookup } from "./interpolate.ts";

export interface EnvFileFlaw extends Flaw {
  /** From 1. */
  readonly line: number;
}

export type EnvFileReading =
  | { readonly ok: true; readonly values: ReadonlyMap<string, string>; readonly unset: readonly string[] }
  | { readonly ok: false; readonly flaws: readonly EnvFileFlaw[] };

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** The whole file, or everything that is wrong with it. */
export function parseEnvFile(text: string, lookup: Lookup = () => undefined): EnvFileReading {
  const values = new Map<string, string>();
  const unset = new Set<string>();
  const flaws: EnvFileFlaw[] = [];
  const look: Lookup = (name) => values.get(name) ?? lookup(name);
  const source = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  let at = 0;
  let line = 1;
  while (at < source.length) {
    const entry = readEntry(source, at);
    if (entry.flaw !== null) {
      flaws.push({ ...entry.flaw, line });
    } else if (entry.name !== null) {
      const value = finish(entry, look);
      if (!value.ok) flaws.push({ ...value.flaw, line });
      else if (value.value !== null) {
        values.set(entry.name, value.value.text);
        for (const name of value.value.unset) unset.add(name);
      }
    }
    for (let i = at; i < entry.end; i++) if (source[i] === "\n") line++;
    at = entry.end;
  }
  return flaws.length > 0 ? { ok: false, flaws } : { ok: true, values, unset: [...unset] };
}

interface Entry {
  readonly name: string | null;
  /** Between its quotes, not yet filled in; null for a key that stands alone. */
  readonly raw: string | null;
  readonly quote: "'" | '"' | null;
  readonly flaw: Flaw | null;
  /** Just behind the last newline that belongs to it. */
  readonly end: number;
}

function readEntry(source: string, at: number): Entry {
  const end = lineEnd(source, at);
  const line = source.slice(at, end);
  const nothing: Entry = { name: null, raw: null, quote: null, flaw: null, end: end + 1 };
  if (/^\s*(#|$)/.test(line)) return nothing;
  const key = /^\s*(?:export\s+)?([^\s=:#'"]+)[ \t]*(=|:(?=\s|$)|$|(?=#))/.exec(line);
  if (key === null)
    return {
      ...nothing,
      flaw: {
        what: `${quoted(line)} is not \`KEY=value\``,
        fix: "write KEY=value, or begin the line with # to make it a comment",
      },
    };
  const name = key[1]!;
  if (!NAME.test(name)) {
    return {
      ...nothing,
      flaw: {
        what: `${quoted(name)} cannot be the name of a variable`,
        fix: "use letters, digits and _; the first is not a digit",
      },
    };
  }
  if (key[2] === "") return { ...nothing, name };
  let from = at + key[0].length;
  while (source[from] === " " || source[from] === "\t") from++;
  const quote = source[from];
  if (quote === "'" || quote === '"') return readQuoted(source, name, from, quote);
  const raw = source
    .slice(from, end)
    .replace(/(^|[ \t])#.*$/, "")
    .trim();
  return { ...nothing, name, raw };
}

function readQuoted(source: string, name: string, from: number, quote: "'" | '"'): Entry {
  let close = from + 1;
  while (close < source.length && source[close] !== quote) close += source[close] === "\\" ? 2 : 1;
  const entry: Entry = { name, raw: source.slice(from + 1, close), quote, flaw: null, end: source.length };
  if (close >= source.length) {
    // The file is read on behind this line, so that the mistakes further down are told as well.
    const end = lineEnd(source, from) + 1;
    return {
      ...entry,
      end,
      flaw: {
        what: `the value of ${name} has no closing ${quote}`,
        fix: `add the closing ${quote}, or escape it: \\${quote}`,
      },
    };
  }
  const end = lineEnd(source, close);
  const rest = source.slice(close + 1, end).trim();
  if (rest === "" || rest.startsWith("#")) return { ...entry, end: end + 1 };
  return {
    ...entry,
    end: end + 1,
    flaw: {
      what: `${quoted(rest)} stands behind the closing ${quote} of ${name}`,
      fix: `put all of the value inside the quotes`,
    },
  };
}

function finish(entry: Entry, look: Lookup): Reading<{ text: string; unset: readonly string[] } | null> {
  if (entry.raw === null) {
    const inherited = look(entry.name!);
    return good(inherited === undefined ? null : { text: inherited, unset: [] });
  }
  if (entry.quote === "'") return good({ text: entry.raw.replaceAll("\\'", "'"), unset: [] });
  const filled = interpolate(entry.quote === '"' ? withoutEscapes(entry.raw) : entry.raw, look, "lenient");
  return filled.ok ? filled : bad(`${entry.name}: ${filled.flaw.what}`, filled.flaw.fix);
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", '"': '"', "\\": "\\", $: "$$" };

/** What escapes mean; an escaped `$` becomes `$$`, which filling in turns into one. Unknown escapes stay as they are. */
function withoutEscapes(raw: string): string {
  return raw.replace(/\\([\s\S])/g, (whole, char: string) => ESCAPES[char] ?? whole);
}

function lineEnd(source: string, at: number): number {
  const end = source.indexOf("\n", at);
  return end < 0 ? source.length : end;
}
