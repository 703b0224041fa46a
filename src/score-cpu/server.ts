/**
 * vLLM's scoring endpoints over HTTP: what speaks to vLLM on a GPU box speaks to this on a laptop, and what this refuses vLLM
 * refuses too. `GET /v1/models` says plainly what ranks.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { modelsAnswer, rerankAnswer, scoreAnswer, unixTime } from "./answer.ts";
import { isDeclaredTooLong, LONGEST_BODY, readBody } from "./body.ts";
import { lineBefore } from "./line.ts";
import { Metrics } from "./metrics.ts";
import { type Ranker, type Scored, Unscorable } from "./ranker.ts";
import { type Refusal, refuse, type ScoreRequest, understandRerank, understandScore } from "./request.ts";

declare const SVCD_VERSION: string | undefined;
const VERSION = typeof SVCD_VERSION === "string" ? SVCD_VERSION : "dev";

/** For a request to arrive whole, and for an answer to be taken. */
const SLOWEST_CLIENT_MS = 30_000;
const MOST_CONNECTIONS = 4096;
/** After an early refusal: so long what is still coming is read away, or the client would see a reset and no answer. */
const LINGER_MS = 5_000;

export function scoreServer(ranker: Ranker, slowestClientMs = SLOWEST_CLIENT_MS): Server {
  const { model } = ranker;
  const began = unixTime();
  const line = lineBefore(ranker);
  const metrics = new Metrics(model);

  const routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
    "/health": { GET: (_, response) => void response.end() },
    "/ping": { GET: (_, response) => void response.end(), POST: (_, response) => void response.end() },
    "/version": { GET: (_, response) => sendJson(response, 200, { version: VERSION }) },
    "/v1/models": { GET: (_, response) => sendJson(response, 200, modelsAnswer(ranker, began)) },
    "/metrics": {
      GET: (_, response) => send(response, 200, "text/plain; version=0.0.4; charset=utf-8", metrics.page(line)),
    },
    ...endpoints(["/score", "/v1/score"], understandScore, (scored) => scoreAnswer(model, scored)),
    ...endpoints(["/rerank", "/v1/rerank", "/v2/rerank"], understandRerank, (scored, request) =>
      rerankAnswer(model, request, scored),
    ),
  };

  /** Both kinds of request differ in how they are read and answered, and in nothing between. */
  function endpoints<R extends ScoreRequest>(
    paths: readonly string[],
    understand: (body: string, model: string) => R | { readonly refusal: Refusal },
    answer: (scored: Scored, request: R) => object,
  ): Record<string, Record<string, Handler>> {
    const handler: Handler = async (request, response) => {
      if (!isJson(request)) return refuseEarly(request, response, NOT_JSON);
      const { body, done } = await readBody(request);
      try {
        if (body === "gone") return;
        if (body === "long") return refuseEarly(request, response, TOO_LONG);
        if (body === "crowded") return refuseEarly(request, response, OVERLOADED);
        const understood = understand(body.text, model);
        if ("refusal" in understood) return sendRefusal(response, understood.refusal);
        const from = performance.now();
        const scored = await line.score(understood.pairs, understood.options, () => response.destroyed);
        if (scored === "gone") return;
        if (scored === "full") return sendRefusal(response, OVERLOADED);
        metrics.scored(scored.tokens, (performance.now() - from) / 1000);
        sendJson(response, 200, answer(scored, understood));
      } catch (error) {
        if (error instanceof Unscorable) return sendRefusal(response, refuse(error.message).refusal);
        console.error(`score-cpu: a request failed: ${error instanceof Error ? error.stack : error}`);
        sendRefusal(response, { message: "scoring failed", type: "InternalServerError", param: null, code: 500 });
      } finally {
        done();
      }
    };
    return Object.fromEntries(paths.map((path) => [path, { POST: handler }]));
  }

  function answerTo(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? "/").replace(/\?.*/s, "");
    const methods = Object.hasOwn(routes, path) ? routes[path] : undefined;
    const method = request.method === "HEAD" ? "GET" : (request.method ?? "");
    // A client that does not read would keep its answer in our memory. The time counts only while nothing moves, and begins
    // with the answer; Node then ends the connection.
    response.on("prefinish", () => request.socket.setTimeout(slowestClientMs));
    response.on("finish", () => {
      metrics.responded(methods?.[method] ? method : "other", methods ? path : "none", response.statusCode);
      // Node's close() waits for connections that were busy when it was called, and clients keep them open for more.
      if (!server.listening) request.socket.end();
    });
    if (methods === undefined) return sendJson(response, 404, { detail: "Not Found" });
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (handler === undefined) {
      response.setHeader("allow", Object.keys(methods).join(", "));
      return sendJson(response, 405, { detail: "Method Not Allowed" });
    }
    handler(request, response);
  }

  const server = createServer(
    {
      requestTimeout: slowestClientMs,
      headersTimeout: slowestClientMs / 2,
      connectionsCheckingInterval: slowestClientMs / 6,
    },
    answerTo,
  );
  // Whoever asks before sending (curl does, from 1 MiB on) need not send what will be refused.
  server.on("checkContinue", (request, response) => {
    if (!isDeclaredTooLong(request)) response.writeContinue();
    answerTo(request, response);
  });
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const NOT_JSON: Refusal = refuse(
  "Unsupported Media Type: Only 'application/json' is allowed. Send the header content-type: application/json",
).refusal;
const TOO_LONG: Refusal = {
  ...refuse(`the body is longer than ${LONGEST_BODY} bytes: send the texts in several requests`).refusal,
  code: 413,
};
const OVERLOADED: Refusal = {
  message: "too many requests are waiting already: come again in a second",
  type: "ServiceUnavailableError",
  param: null,
  code: 503,
};

/** vLLM takes no other, so neither do we: what works here must work there. */
function isJson(request: IncomingMessage): boolean {
  return /^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "");
}

/** Answers before the body has come. The connection ends when the rest of it was read away, or after a moment. */
function refuseEarly(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  if (response.destroyed) return;
  const text = JSON.stringify({ error: refusal });
  if (refusal.code === 503) response.setHeader("retry-after", "1");
  response.writeHead(refusal.code, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
    connection: "close",
  });
  response.write(text);
  const end = (): void => {
    clearTimeout(limit);
    response.end();
  };
  const limit = setTimeout(end, LINGER_MS);
  if (request.complete) return end();
  request.on("end", end).on("close", end).resume();
}

function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  if (refusal.code === 503) response.setHeader("retry-after", "1");
  sendJson(response, refusal.code, { error: refusal });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, "application/json", JSON.stringify(body));
}

function send(response: ServerResponse, status: number, type: string, text: string): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
