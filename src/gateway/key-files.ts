/**
 * The keys as they lie on the disk, below svcd's state directory: the main token (made if there is none), the book of named
 * tokens, and the secret that sessions are proven with. They are looked at again when somebody knocks, at most ten times a
 * second, so that a revoked token opens nothing a moment later and an idle gateway does nothing.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Key, type KeyRing, keyFor, sha256 } from "./keys.ts";
import type { Remark } from "./remark.ts";
import { readOrMake, writeSecret } from "./secret-file.ts";
import {
  MAIN_TOKEN_FILE,
  type NamedToken,
  newToken,
  parseBook,
  SESSION_SECRET_FILE,
  TOKENS_FILE,
} from "./token-book.ts";

export interface KeySettings {
  readonly user: string;
  readonly password: string | null;
  readonly token: string | null;
}

const LOOK_EVERY_MS = 100;

export class KeyFiles {
  readonly #directory: string;
  readonly #settings: KeySettings;
  readonly #sessionSecret: Buffer;
  #ring: KeyRing;
  #named: readonly Key[] = [];
  #remark: Remark | null = null;
  #stamp = "";
  #lookedAt = 0;

  constructor(directory: string, settings: KeySettings) {
    this.#directory = directory;
    this.#settings = settings;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#sessionSecret = Buffer.from(
      readOrMake(join(directory, SESSION_SECRET_FILE), () => randomBytes(32).toString("base64")),
    );
    if (settings.token !== null) writeSecret(join(directory, MAIN_TOKEN_FILE), settings.token);
    this.#ring = this.#read();
  }

  /** Why the book of tokens is not used as it is; null: it is. */
  get remark(): Remark | null {
    return this.#remark;
  }

  /** `true` as second: it is another one than at the last call. */
  ring(now: number): readonly [KeyRing, boolean] {
    if (now - this.#lookedAt < LOOK_EVERY_MS) return [this.#ring, false];
    this.#lookedAt = now;
    const stamp = stampOf(this.#directory);
    if (stamp === this.#stamp) return [this.#ring, false];
    this.#ring = this.#read();
    return [this.#ring, true];
  }

  #read(): KeyRing {
    this.#stamp = stampOf(this.#directory);
    const { user, password, token } = this.#settings;
    const main = token ?? readOrMake(join(this.#directory, MAIN_TOKEN_FILE), newToken);
    const book = join(this.#directory, TOKENS_FILE);
    try {
      this.#named = existsSync(book) ? parseBook(readFileSync(book, "utf8")).map(keyOfToken) : [];
      this.#remark = null;
    } catch (error) {
      // What was good goes on: a half-written file must not lock everybody out.
      const what = `it cannot be used: ${(error as Error).message}`;
      this.#remark = { is: "mistake", where: book, what, fix: "mend it, or remove it and make the tokens anew" };
    }
    const mainKey = keyFor("main", main);
    const passwordKey = keyFor("password", password ?? main);
    return {
      keys: [mainKey, ...(password === null ? [] : [passwordKey]), ...this.#named],
      user: sha256(user),
      password: passwordKey,
      sessionSecret: this.#sessionSecret,
    };
  }
}

function keyOfToken({ name, sha256: hash, services, readOnly, expiresAt, rate }: NamedToken): Key {
  return {
    id: name,
    hash: Buffer.from(hash, "hex"),
    isStrong: true,
    scope: services,
    isReadOnly: readOnly,
    expiresAt: expiresAt === null ? null : Date.parse(expiresAt),
    rate: rate === null ? null : { perSecond: rate.requests / rate.perSeconds, burst: Math.max(1, rate.requests) },
  };
}

function stampOf(directory: string): string {
  return [TOKENS_FILE, MAIN_TOKEN_FILE]
    .map((name) => {
      const stat = statSync(join(directory, name), { throwIfNoEntry: false });
      return stat === undefined ? "none" : `${stat.ino}.${stat.mtimeMs}.${stat.size}`;
    })
    .join(" ");
}
