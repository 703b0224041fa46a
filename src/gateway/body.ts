/**
 * The body of a request on its way to the program behind.
 *
 * A short one is read first: it is sent in one piece, and can be sent again if it never arrived anywhere. Anything longer, or
 * of unknown length, goes through as it comes, at the pace of the slower side. The stream that is handed on is not the request
 * itself, so that whoever gives it up does not take away the client's connection, over which the reason must still be told.
 */
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/** Of a thousand clients at once that is 16 MB. */
export const SHORT = 16 * 1024;
/** Of a request that may be sent again. */
export const SHORT_AND_REPEATABLE = 256 * 1024;

/** All of a short body must be there by then: whoever sends it byte by byte holds a connection and gives nothing. */
const SHORT_MS = 60_000;

export type Body = Buffer | Readable | null;
/** gone: the client left. late: it did not send what it announced. */
export type NoBody = "gone" | "late";

export function hasBody(request: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  return encoding !== undefined || (length !== undefined && length !== "0");
}

/** Bytes that are announced; null: nobody knows. */
export function announcedBytes(request: IncomingMessage): number | null {
  const length = request.headers["content-length"];
  return length === undefined ? null : Number(length);
}

export function bodyOf(request: IncomingMessage, short: number, then: (body: Body | NoBody) => void): void {
  if (!hasBody(request)) return then(null);
  const length = announcedBytes(request);
  if (length !== null && length <= short) readShort(request, then);
  else then(passing(request));
}

function readShort(request: IncomingMessage, then: (body: Buffer | NoBody) => void): void {
  const chunks: Buffer[] = [];
  const end = (body: Buffer | NoBody): void => {
    clearTimeout(timer);
    request.off("data", onData).off("end", onEnd).off("close", onClose);
    then(body);
  };
  const onData = (chunk: Buffer): void => void chunks.push(chunk);
  const onEnd = (): void => end(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  const onClose = (): void => end("gone");
  const timer = setTimeout(() => end("late"), SHORT_MS);
  request.on("data", onData).on("end", onEnd).on("close", onClose);
}

function passing(request: IncomingMessage): Readable {
  const body = new Readable({
    read: () => void request.resume(),
    destroy: (error, done) => {
      // What still comes is thrown away, so that the answer can be read.
      request.off("data", onData);
      request.resume();
      done(error);
    },
  });
  const onData = (chunk: Buffer): void => {
    if (!body.push(chunk)) request.pause();
  };
  request.on("data", onData);
  request.on("end", () => void body.push(null));
  request.on("close", () => {
    if (!request.complete && !body.destroyed)
      body.destroy(new Error("the client left before its request was complete"));
  });
  request.on("error", () => {}); // `close` follows.
  request.pause();
  return body;
}
