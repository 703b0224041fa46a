/**
 * Tells something to a URL. What it has to say beyond its status is not read; and as the path of a URL is often its secret, no
 * failure shows more than the host.
 */
import type { ClientRequest } from "node:http";
import { formatDuration } from "../plan/units.ts";
import type { OnDone } from "./errands.ts";

export interface Post {
  readonly url: string;
  readonly contentType: string;
  readonly body: string | Buffer;
}

/** `onDone` is called once, never before this returns. The function that is returned ends it without an answer. */
export function post({ url, contentType, body }: Post, timeoutMs: number, onDone: OnDone): () => void {
  const target = new URL(url);
  const { host } = target;
  let done = false;
  const answer: OnDone = (failure) => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    onDone(failure);
  };
  const request: ClientRequest = clientFor(target).request(target, {
    method: "POST",
    agent: false,
    headers: {
      "content-type": contentType,
      "content-length": Buffer.byteLength(body),
      "user-agent": "svcd",
      connection: "close",
    },
  });
  const timer = setTimeout(() => {
    request.destroy();
    answer(`${host} did not answer within ${formatDuration(timeoutMs)}`);
  }, timeoutMs);
  request.on("response", (response) => {
    response.on("error", () => {}).resume();
    response.once("data", () => response.destroy());
    const status = response.statusCode ?? 0;
    answer(status >= 200 && status < 300 ? null : `${host} answered with HTTP ${status}`);
  });
  request.on("error", (error: NodeJS.ErrnoException) => answer(`${host}: ${error.message || error.code}`));
  request.on("close", () => answer(`${host} closed the connection without an answer`));
  request.end(body);
  return () => {
    done = true;
    clearTimeout(timer);
    request.destroy();
  };
}

/** Loaded by the first that there is. */
export function clientFor({ protocol }: URL): typeof import("node:http") | typeof import("node:https") {
  return protocol === "https:" ? process.getBuiltinModule("node:https") : process.getBuiltinModule("node:http");
}
