/**
 * The keys that may sign in, from `authorized_keys`, read anew whenever it has changed. A file that cannot be trusted lets nobody
 * in; what was wrong is told once for each state of the file.
 */
import { timingSafeEqual } from "node:crypto";
import { isFrom } from "./address.ts";
import { type AuthorizedKey, readAuthorizedKeys } from "./authorized-keys.ts";
import type { Say } from "./log-line.ts";
import { readSafely, signature } from "./safe-file.ts";

const LARGEST_BYTES = 1024 * 1024;

export class KeyRing {
  readonly #path: string;
  readonly #uid: number;
  readonly #say: Say;
  #seen: string | null = null;
  #keys: readonly AuthorizedKey[] = [];

  constructor(path: string, uid: number, say: Say) {
    this.#path = path;
    this.#uid = uid;
    this.#say = say;
  }

  get size(): number {
    this.#lookAgain();
    return this.#keys.length;
  }

  /** The first line that lets this key in from there now. */
  find(blob: Buffer, address: string, now: number): AuthorizedKey | null {
    this.#lookAgain();
    return this.#keys.find((key) => isSame(key.blob, blob) && isValid(key, address, now)) ?? null;
  }

  /** A line that says the same still lets it in. */
  stillHas(known: AuthorizedKey, address: string, now: number): boolean {
    return this.find(known.blob, address, now)?.written === known.written;
  }

  #lookAgain(): void {
    const seen = signature(this.#path);
    if (seen === this.#seen) return;
    const isFirst = this.#seen === null;
    this.#seen = seen;
    const read = readSafely(this.#path, { uid: this.#uid, isSecret: false, mostBytes: LARGEST_BYTES });
    if (read.is === "refused") {
      this.#keys = [];
      this.#say(`${this.#path} lets nobody in: ${read.what}\n  where: ${read.where}\n  fix:   ${read.fix}`);
      return;
    }
    const { keys, badLines } = readAuthorizedKeys(read.is === "text" ? read.text : "");
    this.#keys = keys;
    for (const { line, what, fix } of badLines) this.#say(`${what}\n  where: ${this.#path}:${line}\n  fix:   ${fix}`);
    if (!isFirst || badLines.length > 0)
      this.#say(`${this.#path}: ${keys.length} ${keys.length === 1 ? "key" : "keys"} now`);
  }
}

function isValid({ options }: AuthorizedKey, address: string, now: number): boolean {
  if (options.expiresAt !== null && now >= options.expiresAt) return false;
  return options.from === null || isFrom(options.from, address);
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
