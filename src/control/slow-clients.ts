/**
 * Clients that say nothing, or say it slowly, are sent away: each holds one of a bounded number of connections. Node looks for
 * them itself, but with a timer that runs for as long as the server does; here one runs only while a client is there, and an
 * idle svcd is not woken.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface Slowness {
  /** From connecting, or from the answer before, to the end of the headers. */
  readonly headersMs: number;
  /** From there to the end of the body. */
  readonly requestMs: number;
}

/** So that Node's own look never comes: the longest timer there is. */
export const NODE_NEVER_LOOKS = { headersTimeout: 0, requestTimeout: 0, connectionsCheckingInterval: 2 ** 31 - 1 };

/** `sendAway` gets the socket of a client that was too slow. */
export function watchForSlowClients(server: Server, slowness: Slowness, sendAway: (socket: Socket) => void): void {
  const underWay = new WeakMap<Socket, number>();
  server.on("connection", (socket: Socket) => {
    underWay.set(socket, 0);
    expectHeaders(socket);
    socket.once("close", () => stopWaiting(socket));
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    underWay.set(socket, (underWay.get(socket) ?? 0) + 1);
    stopWaiting(socket);
    if (hasBody(request)) wait(socket, slowness.requestMs, () => request.complete);
    response.once("close", () => {
      const others = (underWay.get(socket) ?? 1) - 1;
      underWay.set(socket, others);
      if (others === 0 && !socket.destroyed) expectHeaders(socket);
    });
  });

  const timers = new WeakMap<Socket, NodeJS.Timeout>();
  function expectHeaders(socket: Socket): void {
    wait(socket, slowness.headersMs, () => false);
  }
  function wait(socket: Socket, ms: number, isThere: () => boolean): void {
    stopWaiting(socket);
    const timer = setTimeout(() => {
      if (!isThere()) sendAway(socket);
    }, ms);
    timers.set(socket, timer.unref());
  }
  function stopWaiting(socket: Socket): void {
    const timer = timers.get(socket);
    if (timer !== undefined) clearTimeout(timer);
    timers.delete(socket);
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return Number(headers["content-length"] ?? 0) > 0 || headers["transfer-encoding"] !== undefined;
}
