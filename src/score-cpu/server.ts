/**
 * vLLM's scoring endpoints over HTTP, answered by counting words: what speaks to vLLM on a GPU box speaks to this on a
 * laptop. `GET /v1/models` says plainly what it is.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { MODEL, type Pair, type Refusal, refuse, understand } from "./request.ts";
import { score, words } from "./score.ts";

/** Thousands of passages. Scoring happens between two events, so a larger body would keep `/health` waiting. */
const LONGEST_BODY = 2 * 1024 * 1024;
const SLOWEST_REQUEST_MS = 30_000;
const MOST_CONNECTIONS = 512;

export function scoreServer(): Server {
  const server = createServer({ requestTimeout: SLOWEST_REQUEST_MS }, (request, response) => {
    answer(request, response);
    // Node's close() waits for connections that were busy when it was called, and clients keep them open for more.
    response.on("finish", () => server.listening || request.socket.end());
  });
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = (request.url ?? "/").replace(/\?.*/s, "");
  switch (path) {
    case "/health":
      if (allow("GET", request, response)) response.end();
      break;
    case "/v1/models":
      if (allow("GET", request, response)) sendJson(response, 200, models());
      break;
    case "/score":
    case "/v1/score":
      if (allow("POST", request, response)) readBody(request, response);
      break;
    default:
      sendJson(response, 404, { detail: "Not Found" });
  }
}

function allow(method: "GET" | "POST", request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method === method || (method === "GET" && request.method === "HEAD")) return true;
  response.setHeader("allow", method);
  sendJson(response, 405, { detail: "Method Not Allowed" });
  return false;
}

function readBody(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  let length = 0;
  request.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length <= LONGEST_BODY) chunks.push(chunk);
    else if (!response.headersSent) refuseLongBody(response);
  });
  request.on("end", () => {
    if (length > LONGEST_BODY) return;
    const understood = understand(Buffer.concat(chunks).toString("utf8"));
    if ("refusal" in understood) sendRefusal(response, understood.refusal);
    else sendJson(response, 200, scored(understood.pairs));
  });
}

/** Answers at once and ends the connection: the rest of the body is not worth waiting for. */
function refuseLongBody(response: ServerResponse): void {
  const { refusal } = refuse(`the body is longer than ${LONGEST_BODY} bytes: send the texts in several requests`);
  response.setHeader("connection", "close");
  sendRefusal(response, { ...refusal, code: 413 });
}

function scored(pairs: readonly Pair[]) {
  const tokens = pairs.reduce((sum, [query, document]) => sum + words(query).length + words(document).length, 0);
  return {
    id: `score-${randomUUID().replaceAll("-", "")}`,
    object: "list",
    created: unixTime(),
    model: MODEL,
    data: pairs.map(([query, document], index) => ({ index, object: "score", score: score(query, document) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens, completion_tokens: 0 },
  };
}

function models() {
  const description = "Counts shared words (BM25). No neural model is behind it: it ranks by words, not by meaning.";
  return {
    object: "list",
    data: [
      { id: MODEL, object: "model", created: unixTime(), owned_by: "svcd", root: MODEL, parent: null, description },
    ],
  };
}

function unixTime(): number {
  return Math.floor(Date.now() / 1000);
}

function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  sendJson(response, refusal.code, { error: refusal });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}
