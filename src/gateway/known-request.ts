/**
 * What is known of a request before anything is decided about it: whether it is well-formed, its route, who asks from where, and
 * whether it may be sent twice.
 */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { originHeaders } from "./cors.ts";
import { headersFlaw } from "./headers.ts";
import { hostName } from "./origin.ts";
import { readTarget } from "./request-target.ts";
import type { Route } from "./routes.ts";
import type { Settings } from "./settings.ts";

export interface Known {
  readonly request: IncomingMessage;
  readonly route: Route;
  readonly address: string;
  readonly isEncrypted: boolean;
  readonly isBrowser: boolean;
  readonly throughCloudflare: boolean;
  readonly startedAt: number;
  /** It may be written twice: nothing is changed by it. */
  readonly isRepeatable: boolean;
  repeats: number;
  /** Where it was sent and not answered, since it last waited. */
  readonly tried: Set<string>;
  readonly cookie: string;
  readonly extra: string[];
}

export interface Around {
  readonly routeOf: (port: number) => Route | undefined;
  readonly isTlsOn: () => boolean;
  readonly settings: Settings;
}

/** What is asked of a service on demand waits at least so long for it. */
const ON_DEMAND_MS = 600_000;

/** Or what to answer at once. */
export function know(
  request: IncomingMessage,
  { routeOf, isTlsOn, settings }: Around,
): Known | { status: number; code: string; what: string; headers?: string[] } {
  const { headers, rawHeaders, socket } = request;
  const flaw = headersFlaw(rawHeaders, request.httpVersion);
  if (flaw !== null) return { status: flaw.status, code: "bad_request", what: flaw.why };
  const host = headers.host ?? "";
  if (hostName(host) === null && host !== "")
    return { status: 400, code: "bad_request", what: "the Host header is not a host" };
  const route = routeOf(socket.localPort ?? 0);
  if (route === undefined) return { status: 404, code: "no_route", what: "nothing is exposed on this port" };
  const peer = (socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  const isEncryptedHere = (socket as TLSSocket).encrypted === true;
  const throughCloudflare = headers["cf-ray"] !== undefined;
  // Only a tunnel that ends on this machine is believed who it speaks for.
  const tunnel = throughCloudflare && (peer.startsWith("127.") || peer === "::1");
  const claimed = headers["cf-connecting-ip"];
  const address = tunnel && typeof claimed === "string" && isIP(claimed) !== 0 ? claimed : peer;
  const saysHttps = tunnel && String(headers["cf-visitor"] ?? headers["x-forwarded-proto"] ?? "").includes("https");
  if (isTlsOn() && !isEncryptedHere && !saysHttps) {
    const target = readTarget(request.url ?? "", host);
    if (!target.ok || host === "") return { status: 400, code: "bad_request", what: "this port speaks HTTPS" };
    const location = ["Location", `https://${host}${target.target.path}`, "Connection", "close"];
    return { status: 308, code: "https", what: "this port speaks HTTPS", headers: location };
  }
  const isEncrypted = isEncryptedHere || saysHttps;
  const { cookieLabel } = settings;
  return {
    request,
    route,
    address,
    isEncrypted,
    isBrowser: headers["sec-fetch-dest"] === "document" || (headers.accept ?? "").includes("text/html"),
    throughCloudflare,
    startedAt: performance.now(),
    isRepeatable:
      (patienceMs(route) > 0 || route.targets.length > 1) &&
      (isSafe(request.method) || isListed(request.url ?? "", route.idempotent)),
    repeats: 0,
    tried: new Set(),
    // Browsers take a cookie of the first name over TLS only, and from nobody but this very host.
    cookie: isEncrypted ? `__Host-${cookieLabel}_auth_token` : `${cookieLabel}_auth_token`,
    extra: originHeaders(headers.origin, route.cors),
  };
}

/** How long a request may wait for its service, in milliseconds. */
export function patienceMs({ holdMs, start }: Route): number {
  return start === "on-demand" && holdMs === 0 ? ON_DEMAND_MS : holdMs;
}

function isSafe(method: string | undefined): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}

function isListed(url: string, paths: readonly string[]): boolean {
  return paths.length > 0 && paths.includes(url.split("?", 1)[0]!);
}

/** Browsers show their box for passwords for the first, and only to a person. */
export function challenges({ isBrowser, route }: Known): string[] {
  const realm = `realm="${route.name.replace(/[^\x20-\x7e]|["\\]/g, "")}"`;
  const basic = ["WWW-Authenticate", `Basic ${realm}, charset="UTF-8"`];
  if (route.auth === "basic" || isBrowser) return basic;
  return ["WWW-Authenticate", `Bearer ${realm}`];
}
