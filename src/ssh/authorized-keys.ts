/**
 * The text of `authorized_keys`, OpenSSH's format: one key a line, options in front of it, a comment behind it. A line that is
 * wrong costs itself and is told with its number; the others count.
 */
import { createHash, createPublicKey } from "node:crypto";
import ssh2, { type ParsedKey } from "ssh2";
import { type KeyOptions, NO_OPTIONS, readOptions } from "./key-options.ts";

export interface AuthorizedKey {
  /** From 1. */
  readonly line: number;
  readonly key: ParsedKey;
  /** As it goes over the wire. */
  readonly blob: Buffer;
  /** SHA256:… as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  readonly comment: string;
  readonly options: KeyOptions;
  /** The options as they were written. */
  readonly written: string;
}

export interface BadLine {
  readonly line: number;
  readonly what: string;
  readonly fix: string;
}

/** Longer lines than sshd reads, and more keys than anybody has. */
const LONGEST_LINE = 16_384;
const MOST_KEYS = 10_000;
const LEAST_RSA_BITS = 2_048;
const TYPES: ReadonlySet<string> = new Set([
  ...["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"],
]);

export function readAuthorizedKeys(text: string): {
  readonly keys: readonly AuthorizedKey[];
  readonly badLines: readonly BadLine[];
} {
  const keys: AuthorizedKey[] = [];
  const badLines: BadLine[] = [];
  for (const [index, written] of text.split("\n").entries()) {
    const row = written.trim();
    if (row === "" || row.startsWith("#")) continue;
    const line = index + 1;
    const read = keys.length < MOST_KEYS ? keyIn(row, line) : wrong("there are too many keys before it", "remove some");
    if ("key" in read) keys.push(read);
    else badLines.push({ line, ...read });
  }
  return { keys, badLines };
}

export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

type Wrong = Omit<BadLine, "line">;

function keyIn(row: string, line: number): AuthorizedKey | Wrong {
  if (row.length > LONGEST_LINE) return wrong("the line is too long for a key", "write one key on a line");
  const [first, ...rest] = wordsOf(row);
  const hasOptions = first !== undefined && !isType(first);
  const [type, base64, ...comment] = hasOptions ? rest : [first, ...rest];
  const written = hasOptions ? first : "";
  if (type === undefined || !isType(type))
    return wrong(
      "there is no key in it",
      "write it like in ~/.ssh/id_ed25519.pub: ssh-ed25519 AAAA… comment, with options in front",
    );
  if (!TYPES.has(type)) {
    const reason = type.startsWith("sk-")
      ? "keys in a security device cannot be checked here"
      : "too weak or not known here";
    return wrong(
      `a key of type ${printable(type)}: ${reason}`,
      `make one with ssh-keygen -t ed25519 (${[...TYPES].join(", ")})`,
    );
  }
  const options = hasOptions ? readOptions(first) : { ok: true as const, value: NO_OPTIONS };
  if (!options.ok) return wrong(options.what, options.fix);
  const key = parsed(type, base64 ?? "");
  if (key === null) return wrong("the key itself is broken", "copy the line anew from the .pub file, as one line");
  if (type === "ssh-rsa" && bitsOf(key) < LEAST_RSA_BITS)
    return wrong(`an RSA key of ${bitsOf(key)} bits is too weak`, "make a new one with ssh-keygen -t ed25519");
  const blob = key.getPublicSSH();
  return {
    line,
    key,
    blob,
    fingerprint: fingerprintOf(blob),
    comment: comment.join(" "),
    options: options.value,
    written,
  };
}

function wrong(what: string, fix: string): Wrong {
  return { what, fix };
}

function isType(word: string): boolean {
  return /^(ssh|ecdsa|sk)-[\w@.-]+$/.test(word);
}

/** Blanks separate, but not in the quotes of options. */
function wordsOf(row: string): string[] {
  const words: string[] = [];
  let word = "";
  let isQuoted = false;
  for (let i = 0; i < row.length; i++) {
    const char = row[i]!;
    if (char === "\\" && row[i + 1] === '"') {
      word += '\\"';
      i++;
    } else if (!isQuoted && (char === " " || char === "\t")) {
      if (word !== "") words.push(word);
      word = "";
    } else {
      // In a comment a quote is a character like others.
      if (char === '"' && words.length === 0) isQuoted = !isQuoted;
      word += char;
    }
  }
  if (word !== "") words.push(word);
  return words;
}

function parsed(type: string, base64: string): ParsedKey | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return null;
  try {
    const read = ssh2.utils.parseKey(`${type} ${base64}`);
    if (read instanceof Error) return null;
    const key = Array.isArray(read) ? read[0] : read;
    // What it says it is, and nothing behind it.
    if (key === undefined || key.type !== type || key.isPrivateKey()) return null;
    return key.getPublicSSH().equals(Buffer.from(base64, "base64")) ? key : null;
  } catch {
    return null;
  }
}

function bitsOf(key: ParsedKey): number {
  return createPublicKey(key.getPublicPEM()).asymmetricKeyDetails?.modulusLength ?? 0;
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 60);
}
