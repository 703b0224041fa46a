/**
 * Text as it may be shown and kept. Hidden are: names and passwords in URLs, what a URL hands over as a token or signature, and
 * the values of variables and headers whose names speak of secrets, wherever they turn up.
 */
import { isSecret } from "../plan/secrets.ts";

export type Redact = (text: string) => string;

const HIDDEN = "(hidden)";
/** A shorter value (`1`, `yes`, `auto`) is no secret, and would be found inside of everything. */
const SHORTEST = 6;
const IN_URL = /([a-z][a-z0-9+.-]*:\/\/)[^\s/@"'<>]+@/gi;
const IN_QUERY =
  /([?&;](?:[\w.-]*(?:token|secret|passw(?:or)?d|signature|credential|api[-_]?key|access[-_]?key|auth)[\w.-]*|sig|key)=)[^\s&;"'<>#]+/gi;

/** What is a secret by its looks, though nobody named it: a header written out, tokens with the mark of who made them. */
const IN_HEADER = /\b(Bearer|Basic) +[\w.~+/=-]{8,}/g;
const MARKED =
  /\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{20,}|AKIA[0-9A-Z]{16})\b/g;

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

/** What a header hands over: `Bearer abc` is `Bearer abc`, and `abc`. */
export function secretsInHeaders(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers)
    .filter(([name]) => /^(proxy-)?authorization$|cookie|token|key|secret/i.test(name))
    .flatMap(([, value]) => [value, value.split(" ").at(-1) ?? ""]);
}
