/** What a page of another origin may do with a route: the answer to its preflight, and the headers of the answer itself. */
import { allowsOrigin } from "./origin.ts";

export interface CorsWords {
  /** null: what the page asks for. */
  readonly methods: string | null;
  readonly headers: string | null;
}

export interface Preflight {
  readonly method: string;
  readonly origin: string | undefined;
  readonly askedMethod: string | undefined;
  readonly askedHeaders: string | undefined;
}

const USUAL_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** null: this is no preflight, or its origin is not allowed, and so it is asked for a token like anybody. */
export function preflightHeaders(asked: Preflight, allowed: readonly string[], words: CorsWords): string[] | null {
  const { method, origin, askedMethod, askedHeaders } = asked;
  if (method !== "OPTIONS" || origin === undefined || askedMethod === undefined || !allowsOrigin(allowed, origin))
    return null;
  const headers = words.headers ?? (/^[\w\s,-]{0,1000}$/.test(askedHeaders ?? "") ? askedHeaders : undefined);
  return [
    ...originHeaders(origin, allowed),
    ...["Access-Control-Allow-Methods", words.methods ?? USUAL_METHODS],
    ...(headers === undefined ? [] : ["Access-Control-Allow-Headers", headers]),
    ...["Access-Control-Max-Age", "600"],
  ];
}

/** One origin, never a list: browsers refuse lists. Never with credentials: a page of another origin brings a token. */
export function originHeaders(origin: string | undefined, allowed: readonly string[]): string[] {
  if (origin === undefined || allowed.length === 0) return [];
  if (!allowsOrigin(allowed, origin)) return ["Vary", "Origin"];
  return [
    "Access-Control-Allow-Origin",
    allowed.includes("*") ? "*" : origin,
    "Access-Control-Expose-Headers",
    "*",
    "Vary",
    "Origin",
  ];
}
