/**
 * Whether a request may go through. One decision for plain requests and upgrades alike, before a byte goes further.
 *
 *   open path ─▶ through       ?token= right: browsers are sent to the address without it, others go straight through
 *   cookie, Bearer, ?token=, Basic right ─▶ through, as far as the key's scope, kind and rate go
 *   anything else ─▶ 401; after too many wrong guesses 429
 *
 * It only decides. Guesses and rates are counted in the allowances that are handed in.
 */
import { ALL_GUESSES, type Allowances, EVERYBODY, GUESSES, neighbourhood } from "./allowance.ts";
import { basicKey, type Key, type KeyRing, keyOf, keyOfSession } from "./keys.ts";
import { foreignPage, isOwnName } from "./origin.ts";
import { isDevPath, isOpenPath, RESOLVER, type Target, takeToken } from "./request-target.ts";
import type { Route } from "./routes.ts";

export interface Asked {
  readonly route: Pick<Route, "auth" | "cors" | "scope" | "name" | "port" | "allowDev">;
  readonly method: string;
  readonly target: Target;
  readonly host: string;
  /** Who asks, for counting guesses. */
  readonly address: string;
  readonly isUpgrade: boolean;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  /** A person looks at the answer. */
  readonly isBrowser: boolean;
  readonly authorization: string | undefined;
  /** Values of the gateway's own cookie. */
  readonly sessions: readonly string[];
}

export interface House {
  readonly ring: KeyRing;
  /** Names of this machine besides its addresses. */
  readonly ownNames: readonly string[];
  readonly guesses: Allowances;
  readonly rates: Allowances;
  /** Milliseconds that only go forward, and the date: keys expire by the latter. */
  readonly now: number;
  readonly wallMs: number;
}

export type Verdict =
  | {
      readonly is: "through";
      /** null: nobody was asked. */
      readonly key: Key | null;
      /** What is forwarded. */
      readonly path: string;
      /** A session begins with the answer. */
      readonly beginSession: boolean;
      readonly dropAuthorization: boolean;
    }
  | { readonly is: "redirect"; readonly key: Key; readonly to: string }
  | { readonly is: "resolver" }
  | {
      readonly is: "refused";
      readonly status: 401 | 403 | 421 | 429;
      /** For programs: stays the same when the words change. */
      readonly code: string;
      readonly what: string;
      readonly fix: string;
      /** Seconds; only of 429. */
      readonly retryAfter?: number;
      readonly key?: Key;
      readonly wasAGuess?: boolean;
    };

export function authorise(asked: Asked, house: House): Verdict {
  const { route, target, method } = asked;
  const { token, rest } = takeToken(target);
  if (!asked.isUpgrade && target.pathname === RESOLVER && (method === "GET" || method === "HEAD"))
    return { is: "resolver" };
  if (!route.allowDev && isDevPath(target.pathname)) {
    const fix = "say `allow_dev: true` in its `expose` (or GATEWAY_ALLOW_DEV with the port) to let it through";
    return refused(403, "dev_endpoint", `${target.pathname} is for developers of the engine and is closed here`, fix);
  }
  const isOpen = route.auth === "none" || (!asked.isUpgrade && isOpenPath(method, target.pathname));
  if (isOpen) return throughOpen(asked, house);

  const found = credential(asked, house, token);
  if (found.is === "refused") return found;
  const { key, by } = found;
  const isAmbient = by === "cookie" || by === "basic";
  const foreign = isAmbient ? foreignPage({ ...asked, allowed: route.cors }, by === "cookie") : null;
  if (foreign !== null) return refused(403, "foreign_page", foreign, "send a token in the Authorization header", key);
  const limited = limits(asked, key, house);
  if (limited !== null) return limited;
  if (by === "query") {
    if (asked.isBrowser && !asked.isUpgrade && (method === "GET" || method === "HEAD"))
      return { is: "redirect", key, to: rest };
    return { is: "through", key, path: rest, beginSession: true, dropAuthorization: false };
  }
  const dropAuthorization = by === "bearer" || by === "basic";
  return { is: "through", key, path: target.path, beginSession: by === "basic", dropAuthorization };
}

function throughOpen(asked: Asked, house: House): Verdict {
  if (!isOwnName(asked.host, house.ownNames)) {
    const fix = "call it by an address, or put the name into GATEWAY_HOSTS";
    return refused(421, "unknown_host", "this machine is not known by that name", fix);
  }
  const foreign = foreignPage({ ...asked, allowed: asked.route.cors }, false);
  if (foreign !== null) return refused(403, "foreign_page", foreign, "allow its origin with `cors:`");
  return { is: "through", key: null, path: asked.target.path, beginSession: false, dropAuthorization: false };
}

type Found =
  | { readonly is: "key"; readonly key: Key; readonly by: "cookie" | "bearer" | "query" | "basic" }
  | Extract<Verdict, { is: "refused" }>;

function credential(asked: Asked, { ring, wallMs, guesses, now }: House, token: string | null): Found {
  const { authorization, route } = asked;
  const takesTokens = route.auth === "token";
  let wasPresented = false;
  const isGood = (key: Key | null): key is Key => key !== null && (key.expiresAt === null || key.expiresAt > wallMs);
  const candidates: { readonly key: Key; readonly by: "bearer" | "query" | "basic" }[] = [];
  if (token !== null && takesTokens) {
    wasPresented = true;
    const key = keyOf(ring, token);
    if (isGood(key)) candidates.push({ key, by: "query" });
  }
  const bearer = takesTokens ? /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] : undefined;
  if (bearer !== undefined) {
    wasPresented = true;
    const key = keyOf(ring, bearer);
    if (isGood(key)) candidates.push({ key, by: "bearer" });
  }
  const basic = /^Basic +(\S+)$/i.exec(authorization ?? "")?.[1];
  if (basic !== undefined) {
    wasPresented = true;
    const text = Buffer.from(basic, "base64").toString("utf8");
    const colon = text.indexOf(":");
    const key = colon === -1 ? null : basicKey(ring, text.slice(0, colon), text.slice(colon + 1));
    if (isGood(key)) candidates.push({ key, by: "basic" });
  }
  const [explicit] = candidates;
  if (explicit?.key.isStrong === true) return { is: "key", ...explicit };
  for (const session of asked.sessions.slice(0, MOST_SESSIONS)) {
    const key = keyOfSession(ring, session, wallMs);
    // A session of a token says nothing about who knows the password.
    if (isGood(key) && (takesTokens || key.id === ring.password.id)) {
      return explicit === undefined ? { is: "key", key, by: "cookie" } : { is: "key", ...explicit };
    }
  }
  if (!wasPresented) {
    const wasForged = asked.sessions.length > 0;
    const what = wasForged ? "the session is over or unknown here" : "this needs a token";
    return { ...refused(401, wasForged ? "bad_session" : "no_token", what, HOW_TO_GET_IN), wasAGuess: false };
  }
  const who = neighbourhood(asked.address);
  const waitMs = Math.max(guesses.waitMs(who, GUESSES, now), guesses.waitMs(EVERYBODY, ALL_GUESSES, now));
  if (waitMs > 0) {
    const what = "too many wrong tokens or passwords came from there";
    const retryAfter = Math.ceil(waitMs / 1000);
    return { ...refused(429, "too_many_guesses", what, `wait ${retryAfter} s`), retryAfter, wasAGuess: true };
  }
  if (explicit !== undefined) return { is: "key", ...explicit };
  guesses.take(who, GUESSES, now);
  guesses.take(EVERYBODY, ALL_GUESSES, now);
  return { ...refused(401, "wrong_token", "the token or password is not right", HOW_TO_GET_IN), wasAGuess: true };
}

/** A browser sends one; a header full of them is an attempt to make the gateway work. */
const MOST_SESSIONS = 4;
const HOW_TO_GET_IN =
  "`svctl token` on the machine prints it; send it as Authorization: Bearer TOKEN, or as ?token=TOKEN";

function limits(asked: Asked, key: Key, { rates, now }: House): Extract<Verdict, { is: "refused" }> | null {
  const { route, method, isUpgrade } = asked;
  const { scope, rate } = key;
  if (scope !== null && ![route.scope, route.name, String(route.port)].some((name) => scope.includes(name))) {
    const what = `the token “${key.id}” does not open ${route.name}`;
    return refused(403, "out_of_scope", what, `it opens ${scope.join(", ")}`, key);
  }
  if (key.isReadOnly && (isUpgrade || !["GET", "HEAD", "OPTIONS"].includes(method))) {
    return refused(403, "read_only", `the token “${key.id}” may only read`, "use another token", key);
  }
  if (rate === null) return null;
  const waitMs = rates.waitMs(key.id, rate, now);
  if (waitMs > 0) {
    const retryAfter = Math.ceil(waitMs / 1000);
    const what = `the token “${key.id}” is used more often than it may be`;
    return { ...refused(429, "rate", what, `wait ${retryAfter} s`, key), retryAfter };
  }
  rates.take(key.id, rate, now);
  return null;
}

function refused(status: 401 | 403 | 421 | 429, code: string, what: string, fix: string, key?: Key) {
  return { is: "refused" as const, status, code, what, fix, ...(key === undefined ? {} : { key }) };
}
