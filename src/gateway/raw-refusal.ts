/** Refusals on the bare connection, and the moment in which one that is over may still be read. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";

const LINGER_MS = 2_000;

/** A body that nobody reads any more is thrown away for a moment, so that the answer arrives. */
export function lingerFor(request: IncomingMessage): void {
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS);
  request.once("end", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
}

export function refuseRaw(socket: Duplex, status: number, what: string): void {
  if (!socket.writable) return void socket.destroy();
  const body = `${JSON.stringify({ error: { message: what } })}\n`;
  const lines = [`HTTP/1.1 ${status} ${what.replace(/[^\x20-\x7e]/g, "?").slice(0, 100)}`, "Connection: close"];
  lines.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(body)}`);
  socket.end(`${lines.join("\r\n")}\r\n\r\n${body}`);
  // What still comes is not read: a moment for the answer to arrive, then it ends.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once("close", () => clearTimeout(timer));
}
