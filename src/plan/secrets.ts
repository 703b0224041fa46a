/**
 * What may be shown. Hidden are: names and passwords in URLs, what a URL hands over as a token or signature, the values of
 * variables, headers and arguments whose names speak of secrets, wherever they turn up, and tokens that bear the mark of who made them.
 */
import type { Service } from "./plan.ts";

const SECRET = /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH|_KEY$|^KEY$/i;
export const HIDDEN = "(hidden)";

export function isSecret(variable: string): boolean {
  return SECRET.test(variable);
}

/**
 * The same service as it may be shown. A reference to another variable tells nothing and stays.
 */
export function masked(service: Service): Service {
  const environment = Object.fromEntries(
    Object.entries(service.environment).map(([name, value]) => {
      if (value === null || isReference(value)) return [name, value];
      return [name, isSecret(name) ? HIDDEN : redactor({})(value)];
    }),
  );
  const { command, check, on, idle } = service;
  const shown = { ...service, environment, command: inTexts(command), check: inTexts(check), on: inTexts(on) };
  return idle === undefined ? shown : { ...shown, idle: inTexts(idle) };
}

function isReference(value: string): boolean {
  return /^\$\{?\w+\}?$/.test(value);
}

/** Of a command each word by itself says little: `--api-key VALUE` is known by both. */
function inTexts<T>(part: T): T {
  const texts: string[] = [];
  JSON.stringify(part, (_, value: unknown) => {
    if (typeof value === "string") texts.push(value);
    return value;
  });
  const words = texts.flatMap((text) => text.split(/\s+/).map((word) => word.replace(/^["']|["']$/g, "")));
  const redact = redactor(
    {},
    secretArguments(words).filter((word) => !word.startsWith("$")),
  );
  const show = (value: unknown): unknown => {
    if (typeof value === "string") return redact(value);
    if (Array.isArray(value)) return value.map(show);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, show(one)]));
  };
  return show(part) as T;
}

/** Of `--api-key VALUE` and `--token=VALUE`. */
export function secretArguments(argv: readonly string[]): string[] {
  return argv.flatMap((word, index) => {
    const flag = /^--?([a-z][\w-]*)(?:=(.*))?$/is.exec(word);
    if (flag === null || !isSecret(flag[1]!.replaceAll("-", "_"))) return [];
    const next = argv[index + 1];
    return flag[2] === undefined ? (next === undefined || next.startsWith("-") ? [] : [next]) : [flag[2]];
  });
}

export type Redact = (text: string) => string;

/** A shorter value (`1`, `yes`, `auto`) is no secret, and would be found inside of everything. */
const SHORTEST = 5;
const IN_URL = /([a-z][a-z0-9+.-]*:\/\/)[^\s/@"'<>]+@/gi;
const IN_QUERY =
  /([?&;](?:[\w.-]*(?:token|secret|passw(?:or)?d|signature|credential|api[-_]?key|access[-_]?key|auth)[\w.-]*|sig|key)=)[^\s&;"'<>#]+/gi;

/** What is a secret by its looks, though nobody named it: a header written out, tokens with the mark of who made them. */
const IN_HEADER = /\b(Bearer|Basic) +[\w.~+/=-]{8,}/g;
const MARKED =
  /\b(?:hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{20,}|AKIA[0-9A-Z]{16})\b/g;

export function redactor(env: Readonly<Record<string, string | undefined>>, others: readonly string[] = []): Redact {
  const values = new Set<string>();
  for (const [name, value] of Object.entries(env)) if (value !== undefined && isSecret(name)) values.add(value.trim());
  for (const value of others) values.add(value.trim());
  // The longest first: one may be part of another.
  const known = [...values].filter((value) => value.length >= SHORTEST).sort((a, b) => b.length - a.length);
  return (text) => {
    let shown = text;
    for (const value of known) if (shown.includes(value)) shown = shown.replaceAll(value, HIDDEN);
    shown = shown.replace(IN_HEADER, `$1 ${HIDDEN}`).replace(MARKED, HIDDEN);
    return shown.replace(IN_URL, `$1${HIDDEN}@`).replace(IN_QUERY, `$1${HIDDEN}`);
  };
}
