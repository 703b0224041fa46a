/**
 * The control API's server: HTTP on the Unix socket. It reads a request, finds its route, and writes the answer; what
 * the answer is, the daemon says.
 *
 * A client can do no harm by being slow, rude or many: every wait, size and number has a limit here, and whatever a
 * handler throws ends in an answer, never in the end of the process.
 */
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { OperatorError } from "../ports.ts";
import type { Daemon } from "./daemon.ts";
import { EVENT_PATIENCE, type EventPatience } from "./event-stream.ts";
import { listenAt, type SocketOptions } from "./listen.ts";
import { LOG_PATIENCE, type LogPatience } from "./log-stream.ts";
import { bodyOf, bodyOfBug, type ErrorBody, printable, Refusal } from "./refusal.ts";
import type { Answer, House, Route, Running } from "./route.ts";
import { findRoute } from "./routes.ts";
import { countRuns } from "./run-counts.ts";
import { NODE_NEVER_LOOKS, watchForSlowClients } from "./slow-clients.ts";
import { validated } from "./validate.ts";

export interface Limits {
  /** Each costs a descriptor and some 20 KiB; far more than people, portals and scrapers of one machine need. */
  readonly connections: number;
  /** Answers that go on (events, followed logs). Fewer, so that a plain question always finds a free connection. */
  readonly streams: number;
  /** A local client writes its request in microseconds; one that needs this long holds the connection for nothing. */
  readonly headersMs: number;
  readonly requestMs: number;
  /** A list of all names of a thousand services fits several times. */
  readonly bodyBytes: number;
  /** Path and headers: a selection of many names stands in the path. */
  readonly headerBytes: number;
  /** The daemon answers at once; `why` and `plan` read files. After this long something is stuck. */
  readonly answerMs: number;
  readonly log: LogPatience;
  readonly events: EventPatience;
}

export const LIMITS: Limits = {
  connections: 512,
  streams: 384,
  headersMs: 10_000,
  requestMs: 30_000,
  bodyBytes: 64 * 1024,
  headerBytes: 64 * 1024,
  answerMs: 60_000,
  log: LOG_PATIENCE,
  events: EVENT_PATIENCE,
};

/** What comes and goes in the core beside its clients: files that are read, probes and hooks that are started. */
const DESCRIPTORS_KEPT_FREE = 16;
/** Of a client: its connection, and the log that it follows. */
const DESCRIPTORS_OF_A_CLIENT = 2;

/** As many clients as the limit of open files leaves room for, and never so many that svcd itself could open none. */
export function roomFor(openFiles: {
  readonly most: number;
  readonly now: number;
}): Pick<Limits, "connections" | "streams"> {
  const free = openFiles.most - openFiles.now - DESCRIPTORS_KEPT_FREE;
  const connections = Math.max(Math.min(Math.floor(free / DESCRIPTORS_OF_A_CLIENT), LIMITS.connections), 1);
  return { connections, streams: Math.floor((connections * LIMITS.streams) / LIMITS.connections) };
}

export interface ControlOptions {
  /** OpenAPI as text (`openapi.ts` makes it when svcd is built); null: not built. */
  readonly openapi: string | null;
  /** A bug: the reference is what the client was told. */
  readonly onBug: (reference: string, request: string, error: unknown) => void;
  readonly limits?: Partial<Limits>;
  readonly now?: () => Date;
}

export interface ControlServer {
  /** Throws an OperatorError. */
  listen(socketPath: string, options: SocketOptions): Promise<void>;
  /** Ends every stream, lets answers that are under way finish, and takes the socket away. */
  close(): Promise<void>;
}

export function createControlServer(daemon: Daemon, options: ControlOptions): ControlServer {
  const limits = { ...LIMITS, ...options.limits };
  const house: House = {
    daemon,
    openapi: options.openapi,
    now: options.now ?? (() => new Date()),
    runCounts: countRuns(daemon),
    patience: { log: limits.log, events: limits.events },
  };
  return new HttpServer(house, limits, options.onBug);
}

/** Answers that are under way when the server closes: the core is about to end, and nobody waits long for that. */
const CLOSE_WITHIN_MS = 1_000;

/** What a handler says when it has nothing to stream after all. */
const GONE = new Refusal(404, "no_log", "the log is gone", "ask `svctl status` or `svctl history` what became of it");

class HttpServer implements ControlServer {
  readonly #house: House;
  readonly #limits: Limits;
  readonly #onBug: ControlOptions["onBug"];
  readonly #server: Server;
  readonly #streams = new Set<Running>();
  #release: (() => void) | null = null;

  constructor(house: House, limits: Limits, onBug: ControlOptions["onBug"]) {
    this.#house = house;
    this.#limits = limits;
    this.#onBug = onBug;
    this.#server = createServer(
      {
        ...NODE_NEVER_LOOKS,
        maxHeaderSize: limits.headerBytes,
        keepAliveTimeout: 5_000,
      },
      (request, response) => void this.#answer(request, response),
    );
    this.#server.maxConnections = limits.connections;
    this.#server.on("clientError", (error: NodeJS.ErrnoException, socket) =>
      refuseNonsense(error.code ?? "", socket as Socket),
    );
    watchForSlowClients(this.#server, limits, (socket) => refuseNonsense(TOO_SLOW, socket));
  }

  async listen(socketPath: string, options: SocketOptions): Promise<void> {
    this.#release = await listenAt(this.#server, socketPath, options);
    // From here on an error of the listening socket (out of descriptors) concerns one client, not svcd.
    this.#server.on("error", (error) => this.#onBug("listen", "accepting a connection", error));
  }

  async close(): Promise<void> {
    this.#house.runCounts.stop();
    this.#release?.();
    this.#release = null;
    for (const stream of this.#streams) stream.stop();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeIdleConnections();
      setTimeout(() => this.#server.closeAllConnections(), CLOSE_WITHIN_MS).unref();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A client that leaves in the middle is nothing to report.
    request.on("error", () => {});
    response.on("error", () => {});
    const where = whereOf(request);
    try {
      const answer = await this.#ask(request);
      if (response.destroyed) return;
      if (answer.is === "stream") await this.#stream(answer.run, response);
      else this.#send(response, answer, where);
    } catch (error) {
      this.#tell(error, where, response);
    }
  }

  async #ask(request: IncomingMessage): Promise<Answer> {
    refuseBrowsers(request);
    const url = request.url ?? "/";
    const queryAt = url.indexOf("?");
    const { route, name, run } = findRoute(request.method ?? "", queryAt === -1 ? url : url.slice(0, queryAt));
    const query = validated(route.query, queryAt === -1 ? {} : queryOf(url.slice(queryAt + 1)), "parameter");
    const body = await this.#body(request, route);
    const lastEventId = header(request, "last-event-id");
    const answer = route.answer({ name, run, query, body, lastEventId, house: this.#house });
    return answer instanceof Promise ? this.#inTime(answer) : answer;
  }

  async #body(request: IncomingMessage, route: Route): Promise<unknown> {
    const length = Number(request.headers["content-length"] ?? 0);
    const hasBody = length > 0 || request.headers["transfer-encoding"] !== undefined;
    if (route.body === null) {
      if (!hasBody) return null;
      throw new Refusal(400, "body_not_wanted", `${route.method} takes no body here`, "leave the body out", CLOSE);
    }
    if (!hasBody) return validated(route.body, {}, "field");
    if (!isJson(header(request, "content-type") ?? "")) {
      const fix = "send JSON, with the header Content-Type: application/json";
      throw new Refusal(415, "not_json", "the body is not said to be JSON", fix, CLOSE);
    }
    const text = await this.#read(request, length);
    return text === "" ? validated(route.body, {}, "field") : validated(route.body, parsed(text), "field");
  }

  async #read(request: IncomingMessage, length: number): Promise<string> {
    const limit = this.#limits.bodyBytes;
    const tooLarge = new Refusal(413, "too_large", `the body has more than ${limit} bytes`, "send less at once", CLOSE);
    if (length > limit) throw tooLarge;
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request) {
      bytes += (chunk as Buffer).length;
      if (bytes > limit) throw tooLarge;
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks).toString();
  }

  #inTime(answer: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const seconds = this.#limits.answerMs / 1000;
      const refusal = new Refusal(
        504,
        "too_slow",
        `svcd had no answer within ${seconds} s`,
        "try again; `svctl doctor` may know why",
      );
      const timer = setTimeout(() => reject(refusal), this.#limits.answerMs);
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  async #stream(
    run: (client: { out: ServerResponse; head(headers: Record<string, string>): void }) => Running,
    response: ServerResponse,
  ): Promise<void> {
    if (this.#streams.size >= this.#limits.streams) {
      const what = `${this.#limits.streams} clients follow events or logs already`;
      throw new Refusal(503, "too_many_streams", what, "close some of them, or ask without `follow`");
    }
    const head = (headers: Record<string, string>): void => {
      if (response.headersSent) return; // Closed before it began.
      // A connection that carried a stream carries nothing else afterwards.
      response.writeHead(200, { ...COMMON, Connection: "close", ...headers });
      response.flushHeaders();
    };
    const running = run({ out: response, head });
    this.#streams.add(running);
    try {
      if ((await running.done) === false) throw GONE;
    } finally {
      this.#streams.delete(running);
    }
  }

  #send(response: ServerResponse, answer: Exclude<Answer, { is: "stream" }>, where: string): void {
    if (answer.is === "text") {
      sendText(response, 200, answer.type, answer.text);
      return;
    }
    const { afterwards } = answer;
    if (afterwards !== undefined) this.#onceHandedOver(response, afterwards, where);
    sendText(response, answer.status, "application/json", JSON.stringify(answer.body), answer.headers);
  }

  /** A client that leaves before it has the answer still gets what it asked for. */
  #onceHandedOver(response: ServerResponse, action: () => void, where: string): void {
    let isDone = false;
    const once = (): void => {
      if (isDone) return;
      isDone = true;
      try {
        action();
      } catch (error) {
        this.#report(where, error);
      }
    };
    response.on("finish", once);
    response.on("close", once);
  }

  #tell(error: unknown, where: string, response: ServerResponse): void {
    if (response.destroyed) return;
    if (error instanceof Refusal) this.#refuse(response, error.status, error.body(where), error.headers);
    else if (error instanceof OperatorError) this.#refuse(response, 409, bodyOf(error));
    else this.#refuse(response, 500, bodyOfBug(this.#report(where, error), where));
  }

  #report(where: string, error: unknown): string {
    const reference = randomBytes(4).toString("hex");
    this.#onBug(reference, where, error);
    return reference;
  }

  #refuse(
    response: ServerResponse,
    status: number,
    body: ErrorBody,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    if (response.headersSent) {
      response.destroy(); // In the middle of a stream: a cut is all that can still be said.
      return;
    }
    sendText(response, status, "application/json", JSON.stringify(body), headers);
  }
}

const COMMON = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" } as const;
/** The rest of the request is not read, so nothing after it can be understood. */
const CLOSE = { Connection: "close" } as const;

function sendText(
  response: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const length = { "Content-Type": type, "Content-Length": Buffer.byteLength(text) };
  response.writeHead(status, { ...COMMON, ...length, ...headers });
  response.end(text);
}

/** Programs on this machine send no Origin; a browser that got here was sent by a page, and pages have no business here. */
function refuseBrowsers(request: IncomingMessage): void {
  if (request.headers.origin === undefined) return;
  throw new Refusal(
    403,
    "browser",
    "requests of web pages are refused on this socket",
    "use svctl or the portal",
    CLOSE,
  );
}

function queryOf(text: string): Record<string, string> {
  const query: Record<string, string> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (name in query) throw new Refusal(400, "bad_request", `\`${printable(name)}\` is given twice`, "give it once");
    query[name] = value;
  }
  return query;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = printable(error instanceof Error ? error.message : String(error));
    throw new Refusal(400, "bad_json", `the body is not JSON: ${why}`, "check it with a JSON tool such as jq");
  }
}

function isJson(type: string): boolean {
  return /^application\/json\s*(;|$)/i.test(type.trim());
}

function header(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" ? value : null;
}

function whereOf(request: IncomingMessage): string {
  return `${request.method ?? "?"} ${printable(request.url ?? "?", 200)}`;
}

/** Not HTTP, or too slow, or too large: one answer in svcd's form, then the connection is over. */
function refuseNonsense(problem: string, socket: Socket): void {
  if (!socket.writable || problem === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, code, what, fix] = NONSENSE.get(problem) ?? [
    "400 Bad Request",
    "not_http",
    "this is not an HTTP request",
    "speak HTTP/1.1: curl --unix-socket does",
  ];
  const body = JSON.stringify(new Refusal(400, code, what, fix).body("the control socket"));
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`, () => socket.destroy());
}

const TOO_SLOW = "too slow";
const NONSENSE: ReadonlyMap<string, readonly [status: string, code: string, what: string, fix: string]> = new Map([
  [TOO_SLOW, ["408 Request Timeout", "too_slow", "the request did not arrive in time", "send it at once"]],
  [
    "HPE_HEADER_OVERFLOW",
    ["431 Request Header Fields Too Large", "too_large", "path and headers are too long", "use a pattern or `all`"],
  ],
]);
