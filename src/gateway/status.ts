/** What the gateway tells about itself, on loopback and for this machine only: /health, /metrics, /routes. */
import { createServer, type Server } from "node:http";
import { hostName } from "./origin.ts";

export interface Told {
  readonly metrics: () => string;
  readonly facts: () => unknown;
}

export async function openStatus(port: number, told: Told): Promise<Server> {
  const server = createServer(
    { headersTimeout: 5_000, requestTimeout: 10_000, maxHeaderSize: 8_192 },
    (request, response) => {
      const answer = (status: number, type: string, body: string): void => {
        response.writeHead(status, {
          "Content-Type": type,
          "Cache-Control": "no-store",
          "Content-Length": Buffer.byteLength(body),
        });
        response.end(request.method === "HEAD" ? undefined : body);
      };
      // A page in a browser could have a name of its own point here.
      const name = hostName(request.headers.host ?? "");
      if (name !== "localhost" && name !== "[::1]" && !name?.startsWith("127."))
        return answer(421, "text/plain", "unknown host\n");
      if (request.method !== "GET" && request.method !== "HEAD") return answer(405, "text/plain", "GET only\n");
      switch (request.url) {
        case "/health":
          return answer(200, "application/json", '{"status":"ok"}\n');
        case "/metrics":
          return answer(200, "text/plain; version=0.0.4; charset=utf-8", told.metrics());
        case "/routes":
          return answer(200, "application/json", `${JSON.stringify(told.facts())}\n`);
        default:
          return answer(404, "text/plain", "there are /health, /metrics and /routes\n");
      }
    },
  );
  server.maxConnections = 64;
  await new Promise<void>((opened, failed) => {
    server.once("error", failed);
    server.listen(port, "127.0.0.1", () => opened());
  });
  return server;
}
