/**
 * Asks a URL for a text, once, within bounds of time and size. It is for addresses that the operator wrote down.
 */
import { formatDuration } from "../plan/units.ts";
import { clientFor } from "./http-post.ts";

export type Fetched =
  | { readonly ok: true; readonly text: string }
  /** "HTTP 503", "connection refused". */
  | { readonly ok: false; readonly cause: string };

/** `onDone` is called once, never before this returns. */
export function fetchText(
  url: string,
  { timeoutMs, mostBytes }: { readonly timeoutMs: number; readonly mostBytes: number },
  onDone: (fetched: Fetched) => void,
): void {
  if (!URL.canParse(url)) return void setImmediate(onDone, { ok: false, cause: "it is not a URL" });
  const target = new URL(url);
  let done = false;
  const answer = (fetched: Fetched): void => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    request.destroy();
    onDone(fetched);
  };
  const fail = (cause: string): void => answer({ ok: false, cause });
  const request = clientFor(target).request(target, {
    agent: false,
    headers: { "user-agent": "svcd", accept: "*/*", connection: "close" },
  });
  const timer = setTimeout(() => fail(`no answer within ${formatDuration(timeoutMs)}`), timeoutMs);
  request.on("response", (response) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    response.on("data", (part: Buffer) => {
      parts.push(part);
      bytes += part.length;
      if (bytes > mostBytes) fail(`the answer is larger than ${mostBytes} bytes`);
    });
    response.on("error", (error) => fail(error.message));
    response.on("end", () => {
      const status = response.statusCode ?? 0;
      if (status === 200) answer({ ok: true, text: Buffer.concat(parts).toString("utf8") });
      else fail(`HTTP ${status}`);
    });
  });
  request.on("error", (error: NodeJS.ErrnoException) => {
    fail(error.code === "ECONNREFUSED" ? "connection refused" : error.message || (error.code ?? "failed"));
  });
  request.on("close", () => fail("the connection was closed without an answer"));
  request.end();
}
