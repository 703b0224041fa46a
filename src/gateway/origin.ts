/**
 * Who a page in a browser belongs to, and by which name this machine was called.
 *
 * A browser sends cookies, and whatever an address lets in without asking, for any page that somebody has open. So a request
 * that changes something, or opens a WebSocket, must come from a page of this same address unless it proves itself by
 * something that a foreign page cannot have (a token in a header or in the address). And where nothing is asked, the name
 * must be one of this machine, or a page could have its own name point here (DNS rebinding).
 */
export interface Asking {
  readonly method: string;
  readonly isUpgrade: boolean;
  /** Host header. */
  readonly host: string;
  /** Origin header; undefined: none was sent. */
  readonly origin: string | undefined;
  /** Sec-Fetch-Site. */
  readonly fetchSite: string | undefined;
  /** Origins whose pages may call this route. */
  readonly allowed: readonly string[];
}

/** Why a request with nothing but ambient credentials is not let through, or null. */
export function foreignPage(asking: Asking, hasCookieOnly: boolean): string | null {
  const isSafe = ["GET", "HEAD", "OPTIONS"].includes(asking.method) && !asking.isUpgrade;
  if (isSafe) return null;
  const { origin, host, allowed } = asking;
  if (origin !== undefined) {
    if (isSameOrigin(origin, host) || allowsOrigin(allowed, origin)) return null;
    return `a page of ${shortened(origin)} may not do this here`;
  }
  if (asking.fetchSite === "cross-site" || asking.fetchSite === "same-site")
    return "a page of another site may not do this here";
  // Every browser names the page that opens a WebSocket.
  if (asking.isUpgrade && hasCookieOnly) return "a WebSocket with nothing but a cookie must name its page (Origin)";
  return null;
}

export function isSameOrigin(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (page.protocol !== "http:" && page.protocol !== "https:") return false;
  const here = `${page.protocol}//${host}`;
  return URL.canParse(here) && new URL(here).host === page.host;
}

export function allowsOrigin(allowed: readonly string[], origin: string): boolean {
  return allowed.includes("*") ? origin !== "null" : allowed.includes(origin.toLowerCase());
}

/** Host without its port, in lower case; null: it is no host at all. */
export function hostName(host: string): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9._-]*[a-z0-9])?)(:\d{1,5})?$/i.exec(host);
  return match === null ? null : match[1]!.toLowerCase();
}

/** Whether a host is a name of this machine: an address, localhost, a quick tunnel, or one of `names` (`*.example.com`, `*`). */
export function isOwnName(host: string, names: readonly string[]): boolean {
  const name = hostName(host);
  if (name === null) return false;
  if (name.startsWith("[") || /^\d{1,3}(\.\d{1,3}){3}$/.test(name)) return true;
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  // Nobody but Cloudflare decides where these lead.
  if (name.endsWith(".trycloudflare.com")) return true;
  return names.some((own) => own === "*" || own === name || (own.startsWith("*.") && name.endsWith(own.slice(1))));
}

function shortened(origin: string): string {
  return origin.replace(/[^\x21-\x7e]/g, "?").slice(0, 100);
}
