/**
 * The keys of the house: who they belong to, what they open, and whether what somebody presents is one of them.
 *
 * Only SHA-256 of a key is kept. What is presented is hashed too, and compared with every key in the same time whether it fits
 * or not. A session cookie holds no key: it names one, and carries a proof that only this gateway can make and that is worth
 * nothing once that key was changed, revoked or has expired.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export interface Key {
  /** `main`, `password`, or the name that somebody gave to a token. */
  readonly id: string;
  readonly hash: Buffer;
  /** Too long to be guessed: who presents it is let in however often others guessed wrong. */
  readonly isStrong: boolean;
  /** What it opens, by service or route; null: everything. */
  readonly scope: readonly string[] | null;
  readonly isReadOnly: boolean;
  /** Milliseconds since 1970; null: never. */
  readonly expiresAt: number | null;
  /** Requests per second and how many at once; null: as many as one likes. */
  readonly rate: { readonly perSecond: number; readonly burst: number } | null;
}

export interface KeyRing {
  readonly keys: readonly Key[];
  /** User and password for Basic. */
  readonly user: Buffer;
  readonly password: Key;
  /** What sessions are proven with. */
  readonly sessionSecret: Buffer;
}

export function sha256(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}

export function keyFor(id: string, secret: string): Key {
  return {
    id,
    hash: sha256(secret),
    isStrong: secret.length >= 20,
    scope: null,
    isReadOnly: false,
    expiresAt: null,
    rate: null,
  };
}

/** The key that this is, expired or not; null: none. */
export function keyOf(ring: KeyRing, presented: string): Key | null {
  const hash = sha256(presented);
  let found: Key | null = null;
  for (const key of ring.keys) if (timingSafeEqual(key.hash, hash)) found = key;
  return found;
}

export function basicKey(ring: KeyRing, user: string, password: string): Key | null {
  const userFits = timingSafeEqual(ring.user, sha256(user));
  const passwordFits = timingSafeEqual(ring.password.hash, sha256(password));
  return userFits && passwordFits ? ring.password : null;
}

export const SESSION_SECONDS = 7 * 86_400;

export function newSession(ring: KeyRing, key: Key, nowMs: number): string {
  const expires = Math.floor(
    Math.min(nowMs / 1000 + SESSION_SECONDS, (key.expiresAt ?? Number.POSITIVE_INFINITY) / 1000),
  );
  const parts = [Buffer.from(key.id).toString("base64url"), String(expires), randomBytes(12).toString("base64url")];
  return [...parts, proof(ring, key, parts)].join(".");
}

/** The key that a session was opened with; null: it is forged, over, or its key is no more. */
export function keyOfSession(ring: KeyRing, session: string, nowMs: number): Key | null {
  const parts = session.split(".");
  if (parts.length !== 4 || session.length > 300) return null;
  const [id = "", expires = "", nonce = "", given = ""] = parts;
  const name = Buffer.from(id, "base64url").toString();
  const key = [...ring.keys, ring.password].find((one) => one.id === name);
  if (key === undefined || !/^\d{1,12}$/.test(expires) || Number(expires) * 1000 <= nowMs) return null;
  const right = Buffer.from(proof(ring, key, [id, expires, nonce]));
  const presented = Buffer.from(given);
  return right.length === presented.length && timingSafeEqual(right, presented) ? key : null;
}

function proof(ring: KeyRing, key: Key, parts: readonly string[]): string {
  return createHmac("sha256", ring.sessionSecret).update(key.hash).update(parts.join(".")).digest("base64url");
}
