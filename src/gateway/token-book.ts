/**
 * The named tokens as they are kept: `tokens.json` in svcd's state directory, 0600. The token itself is shown once, when it is
 * made; only its SHA-256 is written down. `svctl token` writes the file, the gateway reads it.
 */
import { createHash, randomBytes } from "node:crypto";

export interface NamedToken {
  readonly name: string;
  /** SHA-256, hex. */
  readonly sha256: string;
  /** ISO 8601 */
  readonly createdAt: string;
  /** Services (or names of routes) that it opens; null: all. */
  readonly services: readonly string[] | null;
  readonly readOnly: boolean;
  /** ISO 8601; null: it does not expire. */
  readonly expiresAt: string | null;
  /** Most requests; null: any number. */
  readonly rate: { readonly requests: number; readonly perSeconds: number } | null;
}

export const TOKENS_FILE = "tokens.json";
/** The token that opens everything, as `svctl token` prints it. */
export const MAIN_TOKEN_FILE = "token";
export const SESSION_SECRET_FILE = "session.key";
/** Below svcd's state directory; 0700. */
export const GATEWAY_STATE = "gateway";

/** 256 bits, in letters that need no escaping anywhere. */
export function newToken(): string {
  return `sv_${randomBytes(32).toString("base64url")}`;
}

export function hashOf(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

/** Throws what is wrong with it, in a sentence. */
export function parseBook(text: string): NamedToken[] {
  const found: unknown = JSON.parse(text);
  const tokens = (found as { tokens?: unknown } | null)?.tokens;
  if (!Array.isArray(tokens)) throw new Error("it has no list `tokens`");
  return tokens.map((one: Partial<NamedToken> | null, index): NamedToken => {
    if (typeof one?.name !== "string" || !/^[0-9a-f]{64}$/.test(String(one.sha256)))
      throw new Error(`its token ${index + 1} has no name or no sha256`);
    const expiresAt = one.expiresAt ?? null;
    if (expiresAt !== null && Number.isNaN(Date.parse(expiresAt)))
      throw new Error(`its token ${one.name} expires at no known time`);
    const services = one.services ?? null;
    if (services !== null && !Array.isArray(services)) throw new Error(`its token ${one.name} has no list of services`);
    return {
      name: one.name,
      sha256: one.sha256!,
      createdAt: one.createdAt ?? "",
      services,
      readOnly: one.readOnly === true,
      expiresAt,
      rate: one.rate ?? null,
    };
  });
}

export function bookText(tokens: readonly NamedToken[]): string {
  return `${JSON.stringify({ tokens }, null, 2)}\n`;
}

/** `10/s`, `100/m`, `1000/h`; null: it is none. */
export function parseRate(text: string): NamedToken["rate"] {
  const match = /^(\d{1,7})\/(s|sec|m|min|h|hour)$/.exec(text.trim());
  const requests = Number(match?.[1]);
  if (match === null || requests < 1) return null;
  return { requests, perSeconds: { s: 1, m: 60, h: 3600 }[match[2]![0] as "s" | "m" | "h"] };
}

export function rateText(rate: NonNullable<NamedToken["rate"]>): string {
  return `${rate.requests}/${{ 1: "s", 60: "m", 3600: "h" }[rate.perSeconds] ?? `${rate.perSeconds}s`}`;
}

export function tokenNameFlaw(name: string): string | null {
  if (name === "main" || name === "password") return `\`${name}\` is the gateway's own name for a token`;
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? null : "use letters, digits, dots, - and _";
}
