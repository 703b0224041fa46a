/**
 * Which headers go through, both ways.
 *
 * Nothing that says who a client is, or how it came here, is believed when it comes from outside: all such names are dropped,
 * also under their spelling with underscores, and set anew. What a client names in `Connection` is dropped first, so that it
 * cannot take away what is set here. Headers are lists of names and values in turn, as Node has them.
 */
export type RawHeaders = readonly string[];

export interface Client {
  /** Who it is, as far as it can be known. */
  readonly address: string;
  readonly isEncrypted: boolean;
  /** As it called this machine. */
  readonly host: string;
  readonly port: number;
}

export interface UpstreamOptions {
  readonly client: Client;
  /** What the program behind is told as host. */
  readonly host: string;
  /** The client's own Authorization was for the gateway. */
  readonly dropAuthorization: boolean;
  /** Cookies of the gateway, which nobody behind it needs to know. */
  readonly ownCookies: readonly string[];
  /** Leaves `Connection: Upgrade` and `Upgrade` in. */
  readonly isUpgrade: boolean;
}

const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "expect",
]);

/** `Connection` may not take these away: they say where a message goes and where it ends. */
const NEVER_BY_HOP = new Set(["host", "content-length", "content-type", "authorization", "cookie", "origin"]);

const IDENTITY =
  /^(x-forwarded-.*|forwarded|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|x-original-.*|x-rewrite-.*|x-remote-user|remote-user|x-auth-.*|x-svcd-.*|cf-connecting-ip|cf-connecting-ipv6|cf-ipcountry|cf-visitor|client-ip|via)$/;

export function upstreamHeaders(raw: RawHeaders, options: UpstreamOptions): string[] {
  const named = namedInConnection(raw);
  const { client } = options;
  const kept: string[] = ["host", options.host];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const lower = name.toLowerCase();
    if (lower === "host" || name.includes("_") || HOP_BY_HOP.has(lower) || IDENTITY.test(lower)) continue;
    if (named.has(lower) && !NEVER_BY_HOP.has(lower)) continue;
    if (lower === "authorization" && options.dropAuthorization) continue;
    if (lower === "cookie") {
      const cookies = withoutCookies(value, options.ownCookies);
      if (cookies !== "") kept.push(name, cookies);
      continue;
    }
    kept.push(name, value);
  }
  if (options.isUpgrade) kept.push("Connection", "Upgrade", "Upgrade", headerOf(raw, "upgrade") ?? "websocket");
  kept.push("X-Forwarded-For", client.address, "X-Forwarded-Proto", client.isEncrypted ? "https" : "http");
  kept.push("X-Forwarded-Host", client.host, "X-Forwarded-Port", String(client.port), "X-Real-IP", client.address);
  return kept;
}

/** Only the gateway says this: the page that somebody sees is not that of the program behind. */
export const PLACEHOLDER = "x-portal-placeholder";

export interface ClientOptions {
  readonly ownCookies: readonly string[];
  /** Access-Control-* are the gateway's own. */
  readonly corsIsOurs: boolean;
}

export function clientHeaders(raw: RawHeaders, { ownCookies, corsIsOurs }: ClientOptions): string[] {
  const named = namedInConnection(raw);
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!;
    const value = raw[i + 1]!;
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || lower === PLACEHOLDER) continue;
    if (named.has(lower) && !NEVER_BY_HOP.has(lower)) continue;
    if (corsIsOurs && lower.startsWith("access-control-")) continue;
    if (lower === "set-cookie" && ownCookies.includes(value.split("=", 1)[0]!.trim())) continue;
    kept.push(name, value);
  }
  return kept;
}

/** Why a request is refused for its headers alone, or null. */
export function headersFlaw(raw: RawHeaders, httpVersion: string): { status: 400 | 431; why: string } | null {
  const count = raw.length / 2;
  if (count > MOST_HEADERS) return { status: 431, why: `more than ${MOST_HEADERS} headers` };
  let hosts = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const lower = raw[i]!.toLowerCase();
    if (lower === "host") hosts++;
    if (lower === "transfer-encoding" && httpVersion === "1.0") return { status: 400, why: "chunks in HTTP/1.0" };
    if (lower === "transfer-encoding" && raw[i + 1]!.trim().toLowerCase() !== "chunked")
      return { status: 400, why: "a transfer encoding besides chunked" };
  }
  if (hosts > 1) return { status: 400, why: "more than one Host" };
  return null;
}

/** Browsers and API clients send thirty. */
const MOST_HEADERS = 200;

export function headerOf(raw: RawHeaders, name: string): string | null {
  for (let i = 0; i + 1 < raw.length; i += 2) if (raw[i]!.toLowerCase() === name) return raw[i + 1]!;
  return null;
}

function namedInConnection(raw: RawHeaders): ReadonlySet<string> {
  const names = new Set<string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]!.length !== 10 || raw[i]!.toLowerCase() !== "connection") continue;
    for (const name of raw[i + 1]!.split(",")) names.add(name.trim().toLowerCase());
  }
  return names;
}

/** The values of one cookie, in the order sent: a name can be there more than once. */
export function cookieValues(header: string | undefined, name: string): string[] {
  if (header === undefined || !header.includes(name)) return [];
  const values: string[] = [];
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals !== -1 && pair.slice(0, equals).trim() === name) values.push(pair.slice(equals + 1).trim());
  }
  return values;
}

function withoutCookies(header: string, names: readonly string[]): string {
  if (!names.some((name) => header.includes(name))) return header;
  const others = header.split(";").filter((pair) => !names.includes(pair.split("=", 1)[0]!.trim()));
  return others.map((pair) => pair.trim()).join("; ");
}
