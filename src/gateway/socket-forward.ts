/**
 * A WebSocket through to the program behind. The handshake is asked of it like any request; once it agrees, bytes go both ways
 * at the pace of the slower side, and when either side ends, both end.
 */
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import type { Target } from "./routes.ts";

export interface SocketForwarding {
  readonly target: Target;
  readonly path: string;
  readonly headers: readonly string[];
  readonly answerHeaders: (raw: readonly string[]) => string[];
  /** Exactly once. `status`: 101 if it was opened; null: nobody answered, and `why`. */
  readonly end: (ending: { readonly status: number | null; readonly why: string | null } & Bytes) => void;
}

export interface Bytes {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface OpenSocket {
  cut(): void;
}

const HANDSHAKE_MS = 30_000;

/** `head`: what the client sent right behind its request. */
export function forwardSocket(client: Duplex, head: Buffer, forwarding: SocketForwarding): OpenSocket {
  const { target, path, headers } = forwarding;
  let behind: Duplex | null = null;
  let isOver = false;
  let bytesIn = 0;
  let bytesOut = 0;
  let status: number | null = null;
  const over = (why: string | null): void => {
    if (isOver) return;
    isOver = true;
    forwarding.end({ status, why, bytesIn, bytesOut });
  };
  const asking = request({
    host: target.host,
    port: target.port,
    method: "GET",
    path,
    headers: headers as never,
    setHost: false,
    agent: false,
    timeout: HANDSHAKE_MS,
  });
  client.on("error", () => client.destroy());
  client.on("close", () => {
    asking.destroy();
    behind?.destroy();
    over(status === null ? "the client left" : null);
  });
  asking.on("timeout", () => asking.destroy(new Error("it did not answer the handshake")));
  asking.on("error", (error) => {
    if (status !== null) return;
    over(error.message);
  });
  asking.on("upgrade", (answer: IncomingMessage, socket: Duplex, first: Buffer) => {
    status = 101;
    behind = socket;
    (socket as import("node:net").Socket).setTimeout(0);
    (socket as import("node:net").Socket).setNoDelay(true);
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "Connection: Upgrade",
      `Upgrade: ${answer.headers.upgrade ?? "websocket"}`,
    ];
    client.write(
      `${[...lines, ...inLines(forwarding.answerHeaders(answer.rawHeaders))].join("\r\n")}\r\n\r\n`,
      "latin1",
    );
    if (first.length > 0) client.write(first);
    if (head.length > 0) socket.write(head);
    bytesOut += first.length;
    bytesIn += head.length;
    client.on("data", (chunk: Buffer) => (bytesIn += chunk.length));
    socket.on("data", (chunk: Buffer) => (bytesOut += chunk.length));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      client.end();
      client.destroy();
    });
    client.pipe(socket);
    socket.pipe(client);
  });
  // It does not want to: its answer is passed on, and the connection ends.
  asking.on("response", (answer) => {
    status = answer.statusCode ?? 502;
    const first = `HTTP/1.1 ${status} ${answer.statusMessage ?? ""}`;
    const lines = [...inLines(forwarding.answerHeaders(answer.rawHeaders)), "Connection: close"];
    client.write(`${[first, ...lines].join("\r\n")}\r\n\r\n`, "latin1");
    answer.on("data", (chunk: Buffer) => (bytesOut += chunk.length));
    answer.on("error", () => client.destroy());
    answer.pipe(client);
  });
  asking.end();
  return { cut: () => client.destroy() };
}

function inLines(headers: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
  return lines;
}
