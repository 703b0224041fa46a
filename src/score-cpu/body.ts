/**
 * Bodies of requests, read within bounds: of each, and of all that are being read or worked on at a time, so that clients
 * who send slowly or all at once cost a known amount of memory.
 */
import type { IncomingMessage } from "node:http";

/** A thousand long passages. */
export const LONGEST_BODY = 16 * 1024 * 1024;
const MOST_BYTES_AT_ONCE = 96 * 1024 * 1024;

/** "long": longer than LONGEST_BODY. "crowded": too much of others is here. "gone": the client left before its end. */
export type Body = { readonly text: string } | "long" | "crowded" | "gone";

let bytesHere = 0;

/** Whether its header already tells that it is too long. */
export function isDeclaredTooLong(request: IncomingMessage): boolean {
  return Number(request.headers["content-length"] ?? 0) > LONGEST_BODY;
}

/** What has been read counts until `done` is called. */
export function readBody(request: IncomingMessage): Promise<{ readonly body: Body; readonly done: () => void }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const done = (): void => {
      bytesHere -= length;
      length = 0;
    };
    const settle = (body: Body): void => {
      request.off("data", take).off("end", whole).off("close", gone);
      if (typeof body === "string") done();
      resolve({ body, done });
    };
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      bytesHere += chunk.length;
      chunks.push(chunk);
      if (length > LONGEST_BODY) settle("long");
      else if (bytesHere > MOST_BYTES_AT_ONCE) settle("crowded");
    };
    const whole = (): void => settle({ text: Buffer.concat(chunks).toString("utf8") });
    const gone = (): void => settle("gone");
    if (isDeclaredTooLong(request)) return settle("long");
    request.on("data", take).on("end", whole).on("close", gone).on("error", gone);
  });
}
