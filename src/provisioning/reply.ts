/**
 * What an HTTP reply means for a download of which some bytes are here already. Pure: it decides what to write where, what is
 * tried again, and what no repetition will change.
 */
export interface Reply {
  readonly status: number;
  readonly statusText: string;
  /** By lower-case name. */
  readonly header: (name: string) => string | null;
}

export type Verdict =
  /** Its body goes to this offset of the file; what was there from here on is overwritten. */
  | { readonly kind: "body"; readonly from: number; readonly total: number | null }
  /** Nothing is missing. */
  | { readonly kind: "complete" }
  /** What is here does not fit what is there: from the beginning. */
  | { readonly kind: "start over" }
  | {
      readonly kind: "failed";
      readonly cause: string;
      readonly fix: string | null;
      readonly permanent: boolean;
      /** The server says when to come again. */
      readonly afterMs: number | null;
    };

export interface Expected {
  readonly url: string;
  /** Bytes that are here; the request asked for what follows. */
  readonly have: number;
  /** As it was when those came; null: nobody knew. */
  readonly total: number | null;
  readonly html: boolean;
}

export function judge(reply: Reply, { url, have, total, html }: Expected): Verdict {
  const { status } = reply;
  if (status === 416 && have > 0) {
    const size = /^bytes \*\/(\d+)$/.exec(reply.header("content-range") ?? "")?.[1];
    return size !== undefined && Number(size) === have ? { kind: "complete" } : { kind: "start over" };
  }
  if (status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(reply.header("content-range") ?? "");
    const whole = range?.[2] === "*" || range === null ? null : Number(range[2]);
    if (range === null || Number(range[1]) !== have) return { kind: "start over" };
    if (total !== null && whole !== null && whole !== total) return { kind: "start over" };
    return pageOrBody(reply, html, url) ?? { kind: "body", from: have, total: whole };
  }
  if (status === 200) return pageOrBody(reply, html, url) ?? { kind: "body", from: 0, total: lengthOf(reply) };
  return failed(reply, url);
}

/** Whether bytes are the beginning of a page for people. */
export function looksLikeHtml(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 512))
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "")
    .trimStart();
  return /^<(?:!doctype\s+html|html|head|body|title)\b|^<!--[\s\S]{0,300}?-->\s*<(?:!doctype\s+html|html)\b/i.test(
    start,
  );
}

export function isHtmlPage(url: string): { readonly cause: string; readonly fix: string } {
  return {
    cause: "the server sent a page of HTML instead of the file",
    fix:
      rawUrl(url) ??
      "open the URL in a browser: it may be a page about the file, a login or an error; use the direct link",
  };
}

/** Places that show a file in a page, and where the file itself is. */
function rawUrl(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { host, pathname } = new URL(url);
  const parts = pathname.split("/");
  if (host === "github.com" && (parts[3] === "blob" || parts[3] === "tree")) {
    return `use the raw file: https://raw.githubusercontent.com/${[parts[1], parts[2], ...parts.slice(4)].join("/")}`;
  }
  if (host === "gist.github.com") return `use the raw file: https://gist.githubusercontent.com${pathname}/raw`;
  if (host === "huggingface.co" && pathname.includes("/blob/")) {
    return `use the file itself: https://huggingface.co${pathname.replace("/blob/", "/resolve/")}`;
  }
  if (/(^|\.)gitlab\./.test(host) && pathname.includes("/-/blob/")) {
    return `use the raw file: https://${host}${pathname.replace("/-/blob/", "/-/raw/")}`;
  }
  if (/dropbox\.com$/.test(host)) return "put ?dl=1 at the end of the URL";
  return null;
}

function pageOrBody(reply: Reply, html: boolean, url: string): Verdict | null {
  const type = (reply.header("content-type") ?? "").toLowerCase();
  if (html || !/^\s*(text\/html|application\/xhtml\+xml)\b/.test(type)) return null;
  return { kind: "failed", ...isHtmlPage(url), permanent: true, afterMs: null };
}

function lengthOf(reply: Reply): number | null {
  // Of something packed on the way, the length says nothing about the file.
  if (![null, "", "identity"].includes(reply.header("content-encoding"))) return null;
  const written = reply.header("content-length") ?? "";
  return /^\d{1,15}$/.test(written) ? Number(written) : null;
}

function failed(reply: Reply, url: string): Verdict {
  const { status, statusText } = reply;
  const cause = `HTTP ${status}${statusText === "" ? "" : ` ${statusText}`}: ${url}`;
  const passes = status === 408 || status === 425 || status === 429 || status >= 500;
  const seconds = Number(reply.header("retry-after") ?? Number.NaN);
  const afterMs = passes && seconds >= 0 && seconds <= LONGEST_WAIT_S ? seconds * 1000 : null;
  return { kind: "failed", cause, fix: fixOf(status), permanent: !passes, afterMs };
}

/** A server that says "in a day" means "not today". */
const LONGEST_WAIT_S = 300;

function fixOf(status: number): string | null {
  switch (status) {
    case 401:
    case 403:
      return "the server wants to know who asks: add `headers: { Authorization: Bearer ${TOKEN} }`, or a signed URL that is still valid";
    case 404:
    case 410:
      return "correct the URL: the server has nothing there";
    default:
      return null;
  }
}
