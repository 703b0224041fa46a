/**
 * The request line's target, read once and for all: what is decided on is what is forwarded.
 *
 * What could mean two things to two programs is refused: a second host, `//`, dot segments (also encoded), backslashes, NUL.
 * An encoded slash (`%2F`) is let through, since model names have one in paths. Nothing is opened by it: what is open is
 * compared as it is written, and what is blocked is compared after decoding.
 */
export interface Target {
  /** As it is forwarded: `/v1/models?limit=1`. */
  readonly path: string;
  /** Without the query, as written. */
  readonly pathname: string;
  /** Without the question mark; empty when there is none. */
  readonly query: string;
}

export type ReadTarget = { readonly ok: true; readonly target: Target } | { readonly ok: false; readonly why: string };

/** `host`: the Host header. */
export function readTarget(url: string, host: string): ReadTarget {
  let written = url;
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(url);
  if (absolute !== null) {
    if (absolute[1]!.toLowerCase() !== host.toLowerCase())
      return no("the target names another host than the Host header");
    written = absolute[2]!.startsWith("/") ? absolute[2]! : `/${absolute[2]}`;
  }
  if (!written.startsWith("/")) return no("the target is not a path");
  if (!/^[\x21-\x7e\x80-\xff]*$/.test(written)) return no("the target has characters that no path has");
  if (written.includes("#")) return no("the target has a fragment");
  const question = written.indexOf("?");
  const pathname = question === -1 ? written : written.slice(0, question);
  const query = question === -1 ? "" : written.slice(question + 1);
  if (pathname.startsWith("//")) return no("the path begins with two slashes");
  if (pathname.includes("\\") || /%5c|%00/i.test(pathname)) return no("the path has a backslash or NUL");
  if (/%(?![0-9a-f]{2})/i.test(pathname)) return no("the path has a % that is not followed by two hex digits");
  if (pathname.split(/\/|%2f/i).some((segment) => isDots(segment))) return no("the path has . or .. in it");
  return { ok: true, target: { path: written, pathname, query } };
}

/** A segment means what is before a `;` to some servers. */
function isDots(segment: string): boolean {
  const [bare = ""] = segment.replace(/%2e/gi, ".").replace(/%3b/gi, ";").split(";", 1);
  return bare === "." || bare === "..";
}

function no(why: string): ReadTarget {
  return { ok: false, why };
}

/** What the program behind would make of it: decoded once, without doubled or trailing slashes. */
export function decodedPath(pathname: string): string {
  let decoded = pathname;
  try {
    decoded = decodeURIComponent(pathname);
  } catch {
    decoded = pathname.replace(/%[0-9a-f]{2}/gi, (hex) => String.fromCharCode(Number.parseInt(hex.slice(1), 16)));
  }
  return decoded
    .replace(/;[^/]*/g, "")
    .replace(/\/{2,}/g, "/")
    .replace(/(?<=.)\/$/, "");
}

export interface WithoutToken {
  /** The first value; null: there is none. */
  readonly token: string | null;
  /** The path with what is left of the query. */
  readonly rest: string;
}

/** `?token=` taken out; the rest of the query stays byte for byte. */
export function takeToken({ pathname, query }: Target): WithoutToken {
  if (!query.includes("token=")) return { token: null, rest: query === "" ? pathname : `${pathname}?${query}` };
  let token: string | null = null;
  const rest = query.split("&").filter((pair) => {
    if (!pair.startsWith("token=")) return true;
    token ??= decodedValue(pair.slice("token=".length));
    return false;
  });
  return { token, rest: rest.length === 0 ? pathname : `${pathname}?${rest.join("&")}` };
}

function decodedValue(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll("+", " "));
  } catch {
    return value;
  }
}

/** For logs: values that speak of secrets are hidden. */
export function redactedPath(path: string): string {
  const question = path.indexOf("?");
  if (question === -1) return path;
  const query = path
    .slice(question + 1)
    .split("&")
    .map((pair) =>
      /^[^=]*(token|key|secret|passw|auth|sig|credential|session)[^=]*=/i.test(pair)
        ? `${pair.split("=", 1)[0]}=***`
        : pair,
    );
  return `${path.slice(0, question)}?${query.join("&")}`;
}

/** Answered or let through without credentials, when written exactly so. */
const OPEN_FILES: ReadonlySet<string> = new Set([
  "/.well-known/change-password",
  "/.well-known/security.txt",
  "/security.txt",
  "/manifest.json",
  "/manifest.webmanifest",
  "/site.webmanifest",
]);
export const RESOLVER = "/portal-resolver";

export function isOpenPath(method: string, pathname: string): boolean {
  if (method !== "GET" && method !== "HEAD") return false;
  return OPEN_FILES.has(pathname) || /^\/\.well-known\/acme-challenge\/[A-Za-z0-9_-]+$/.test(pathname);
}

/** vLLM's endpoints for developers and operators: they stop, empty or take over the engine. */
const DEV: ReadonlySet<string> = new Set([
  "/sleep",
  "/wake_up",
  "/is_sleeping",
  "/collective_rpc",
  "/reset_prefix_cache",
  "/reset_mm_cache",
  "/reset_encoder_cache",
  "/server_info",
  "/start_profile",
  "/stop_profile",
  "/scale_elastic_ep",
  "/is_scaling_elastic_ep",
  "/init_weight_transfer_engine",
  "/update_weights",
  "/abort_requests",
  "/v1/load_lora_adapter",
  "/v1/unload_lora_adapter",
]);

export function isDevPath(pathname: string): boolean {
  return DEV.has(decodedPath(pathname).toLowerCase());
}
