/**
 * One request from its head to the last byte of its answer: is it well-formed, which route, may it pass, is the service ready,
 * then through. Plain requests and WebSockets go the same way until the last step.
 */
import { randomBytes } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { ServiceStatus } from "../control/daemon.ts";
import type { Log } from "./access-log.ts";
import { type Activity, isUse } from "./activity.ts";
import { authorise, type House, type Verdict } from "./authorise.ts";
import { announcedBytes, type Body, bodyOf, hasBody, SHORT, SHORT_AND_REPEATABLE } from "./body.ts";
import { preflightHeaders } from "./cors.ts";
import { type Ending, Forward } from "./forward.ts";
import { clientHeaders, cookieValues, upstreamHeaders } from "./headers.ts";
import { type Key, newSession, SESSION_SECONDS } from "./keys.ts";
import { challenges, type Known, know, patienceMs } from "./known-request.ts";
import { notReady } from "./not-ready-page.ts";
import { lingerFor, refuseRaw } from "./raw-refusal.ts";
import { type Facts, silent } from "./readiness.ts";
import { readTarget } from "./request-target.ts";
import type { Route, Target } from "./routes.ts";
import type { Settings } from "./settings.ts";
import { forwardSocket, type OpenSocket } from "./socket-forward.ts";
import { addressOf, Targets } from "./targets.ts";
import type { ErrorKind, Traffic } from "./traffic.ts";
import type { Upstream, Upstreams } from "./upstreams.ts";
import type { WaitingRoom } from "./waiting-room.ts";

export interface Surroundings {
  readonly routeOf: (port: number) => Route | undefined;
  readonly statusOf: (service: string) => ServiceStatus | undefined;
  readonly startService: (service: string) => Promise<unknown>;
  readonly house: () => House;
  readonly isTlsOn: () => boolean;
  readonly isLeaving: () => boolean;
  readonly upstreams: Upstreams;
  readonly waiting: WaitingRoom;
  readonly traffic: Traffic;
  readonly activity: Activity;
  readonly settings: Settings;
  readonly log: Log;
}

type Through = Extract<Verdict, { is: "through" }>;

const LOOK_EVERY_MS = 1_000;
/** Nobody listens although the service runs: it is asked again. */
const ASK_AGAIN_MS = 250;
/** One that ends a program each time must not end it for ever. */
const MOST_REPEATS = 3;
/** One replica that ended, and others that run: it is asked of those. */
const REPLICA_MS = 2_000;
const CLOSE: readonly string[] = ["Connection", "close"];

export class Requests {
  readonly #around: Surroundings;
  readonly #targets: Targets;
  readonly #forwards = new Map<Forward, Key | null>();
  readonly #sockets = new Map<OpenSocket, Key | null>();
  #timer: NodeJS.Timeout | null = null;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#targets = new Targets(around);
  }

  get underWay(): number {
    return this.#forwards.size;
  }

  get sockets(): number {
    return this.#sockets.size;
  }

  serve(server: Server): void {
    server.on("request", (request, response) => this.#request(request, response, false));
    server.on("checkContinue", (request, response) => this.#request(request, response, true));
    server.on(
      "checkExpectation",
      (_, response) => void this.#say(response, 417, "expectation", "only 100-continue is expected here"),
    );
    server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    server.on("connect", (_, socket: Duplex) => void refuseRaw(socket, 405, "Method Not Allowed"));
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => this.#clientError(error, socket));
  }

  /** Ends what was let in by a key that is no more. */
  cutWhere(isGone: (key: Key) => boolean): void {
    for (const [forward, key] of [...this.#forwards]) if (key !== null && isGone(key)) forward.cut();
    for (const [socket, key] of [...this.#sockets]) if (key !== null && isGone(key)) socket.cut();
  }

  // --- the way of every request --------------------------------------------------------------------------------------

  #request(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    if (this.#around.isLeaving()) response.setHeader("Connection", "close");
    response.sendDate = true;
    const known = know(request, this.#around);
    if ("status" in known)
      return this.#say(response, known.status, known.code, known.what, undefined, undefined, known.headers);
    const { route } = known;
    const refuse = (status: number, code: string, what: string, fix?: string, headers?: readonly string[]): void =>
      this.#say(response, status, code, what, fix, known, headers);

    const preflight = preflightHeaders(
      {
        method: request.method ?? "",
        origin: request.headers.origin,
        askedMethod: request.headers["access-control-request-method"],
        askedHeaders: request.headers["access-control-request-headers"],
      },
      route.cors,
      this.#around.settings.cors,
    );
    if (preflight !== null) {
      response.writeHead(204, preflight as never).end();
      return this.#note(known, 204, null, 0, 0, null);
    }
    const verdict = this.#authorise(known, false);
    switch (verdict.is) {
      case "resolver":
        response.writeHead(200, {
          "Access-Control-Allow-Origin": "*",
          "Content-Type": "text/plain",
          "Cache-Control": "no-store",
        });
        response.end("ok\n");
        return this.#note(known, 200, null, 0, 0, null);
      case "redirect": {
        const headers = ["Location", verdict.to, "Set-Cookie", this.#cookie(known, verdict.key)];
        headers.push("Cache-Control", "no-store", "Referrer-Policy", "no-referrer", "Content-Length", "0");
        response.writeHead(302, headers as never).end();
        return this.#note(known, 302, verdict.key, 0, 0, null);
      }
      case "refused": {
        if (verdict.wasAGuess === true) this.#around.traffic.guesses++;
        const headers = verdict.retryAfter === undefined ? [] : ["Retry-After", String(verdict.retryAfter)];
        if (verdict.status === 401) headers.push(...challenges(known));
        return refuse(verdict.status, verdict.code, verdict.what, verdict.fix, headers);
      }
      case "through":
        break;
    }
    const most = route.maxBodyBytes ?? this.#around.settings.maxBodyBytes;
    const announced = announcedBytes(request);
    if (most !== null && announced !== null && announced > most)
      return refuse(413, "too_large", `a request may have ${most} bytes here`);
    if (request.method === "TRACE") return refuse(405, "method", "TRACE tells secrets");
    this.#whenReady(known, response, (ready) => {
      if (ready.is === "not") return this.#sayNotReady(known, response, ready.facts, verdict.key);
      if (expectsContinue && hasBody(request)) response.writeContinue();
      bodyOf(request, known.isRepeatable ? SHORT_AND_REPEATABLE : SHORT, (body) => {
        if (body === "gone") return this.#note(known, 499, verdict.key, 0, 0, "the client left");
        if (body === "late") return refuse(408, "stalled", "the rest of the request did not come", undefined, CLOSE);
        this.#forward(known, response, verdict, ready.upstream, body, most);
      });
    });
  }

  #upgrade(request: IncomingMessage, client: Duplex, head: Buffer): void {
    client.on("error", () => client.destroy());
    const known = know(request, this.#around);
    if ("status" in known) return refuseRaw(client, known.status, known.what);
    const verdict = this.#authorise(known, true);
    if (verdict.is !== "through") {
      const status = verdict.is === "refused" ? verdict.status : 400;
      if (verdict.is === "refused" && verdict.wasAGuess === true) this.#around.traffic.guesses++;
      this.#note(known, status, null, 0, 0, verdict.is === "refused" ? verdict.code : "bad_request");
      return refuseRaw(client, status, verdict.is === "refused" ? verdict.what : "not a WebSocket's path");
    }
    if (this.#around.isLeaving()) return refuseRaw(client, 503, "the gateway is being restarted");
    this.#whenReady(known, client, (ready) => {
      if (ready.is === "not") {
        this.#note(known, 503, verdict.key, 0, 0, "not_ready");
        return refuseRaw(client, 503, ready.facts.phase ?? ready.facts.why);
      }
      this.#openSocket(known, client, head, verdict, ready.upstream);
    });
  }

  #authorise(known: Known, isUpgrade: boolean): Verdict {
    const { request, route, address, isBrowser } = known;
    const { headers } = request;
    const read = readTarget(request.url ?? "", headers.host ?? "");
    if (!read.ok)
      return { is: "refused", status: 400 as never, code: "bad_request", what: read.why, fix: "send another path" };
    return authorise(
      {
        route,
        method: request.method ?? "",
        target: read.target,
        host: headers.host ?? "",
        address,
        isUpgrade,
        origin: headers.origin,
        fetchSite: headers["sec-fetch-site"] as string | undefined,
        isBrowser,
        authorization: headers.authorization,
        sessions: cookieValues(headers.cookie, known.cookie),
      },
      this.#around.house(),
    );
  }

  // --- waiting for the service ------------------------------------------------------------------------------------------

  #whenReady(
    known: Known,
    client: ServerResponse | Duplex,
    then: (ready: { is: "ready"; upstream: Upstream } | { is: "not"; facts: Facts }) => void,
  ): void {
    const { route } = known;
    const seen = this.#targets.ready(route);
    if (seen.is === "ready") return then(seen);
    if (route.start === "on-demand") this.#targets.demand(route);
    const holdMs = patienceMs(route);
    // A person is shown what it is busy with instead of an empty page.
    if (holdMs === 0 || (known.isBrowser && known.request.method === "GET")) return then(seen);
    const leave = this.#around.waiting.enter(
      () => this.#targets.lookAt(route),
      holdMs,
      () => {
        client.off("close", leave!);
        then(this.#targets.ready(route));
      },
    );
    if (leave === null) return then(seen);
    client.on("close", leave);
  }

  // --- through -----------------------------------------------------------------------------------------------------------

  #forward(
    known: Known,
    response: ServerResponse,
    verdict: Through,
    upstream: Upstream,
    body: Body,
    maxBodyBytes: number | null,
  ): void {
    const { request } = known;
    const { activity } = this.#around;
    const service = isUse(verdict.path) ? upstream.target.service : null;
    if (service !== null) activity.began(service);
    upstream.outstanding++;
    const forward = new Forward(
      response,
      {
        pool: upstream.pool,
        method: request.method ?? "GET",
        path: verdict.path,
        headers: this.#headersFor(known, verdict, upstream.target, false),
        body,
        maxBodyBytes,
        answerHeaders: (raw) => this.#answerHeaders(known, verdict, raw),
        end: (ending) => {
          upstream.outstanding--;
          if (service !== null) activity.ended(service);
          // Called from inside the constructor when it cannot even begin.
          queueMicrotask(() => {
            this.#forwards.delete(forward);
            this.#ended(known, response, verdict, forward, ending, () => {
              this.#tryAgain(known, response, verdict, upstream, body, maxBodyBytes);
            });
          });
        },
      },
      performance.now(),
    );
    this.#forwards.set(forward, verdict.key);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  #ended(
    known: Known,
    response: ServerResponse,
    { key }: Through,
    { bytesIn, bytesOut }: Forward,
    ending: Ending,
    again: () => void,
  ): void {
    const note = (status: number, kind: ErrorKind | null, why: string | null): void => {
      if (kind !== null) this.#around.traffic.failed(known.route.name, kind);
      this.#note(known, status, key, bytesIn, bytesOut, why);
    };
    switch (ending.is) {
      case "answered":
        return note(ending.status, null, null);
      case "client left":
        return note(499, "client_left", "the client left");
      case "cut":
        return note(ending.status, "broken_answer", ending.why);
      case "too large":
        note(413, "bad_request", "too large");
        if (response.headersSent) return void response.destroy();
        return this.#say(response, 413, "too_large", "the request has more bytes than it may have here");
      case "stalled":
        note(408, "timeout", ending.why);
        if (response.headersSent) return void response.destroy();
        return this.#say(response, 408, "stalled", ending.why);
      case "not reached":
        return again();
      case "unanswered": {
        // It ended while the request was on its way; with `hold` the next one answers it.
        if (known.isRepeatable && known.repeats++ < MOST_REPEATS) return again();
        note(502, "broken_answer", ending.why);
        const what = `${known.route.name} ended before it answered: ${ending.why}`;
        return this.#say(
          response,
          502,
          "bad_gateway",
          what,
          "what was asked may have been done: look before you ask again",
        );
      }
    }
  }

  /** Nothing was written: with patience left it is asked once more, else the client is told what the service is doing. */
  #tryAgain(
    known: Known,
    response: ServerResponse,
    verdict: Through,
    upstream: Upstream,
    body: Body,
    maxBodyBytes: number | null,
  ): void {
    const { route } = known;
    // Another replica may answer at once.
    const holdMs = Math.max(patienceMs(route), route.targets.length > 1 ? REPLICA_MS : 0);
    const waited = performance.now() - known.startedAt;
    const isWhole = body === null || Buffer.isBuffer(body) || !body.destroyed;
    // One that refuses has nothing to do and would be the first choice again.
    known.tried.add(addressOf(upstream.target));
    const others = this.#targets.good(route).filter((target) => !known.tried.has(addressOf(target)));
    if (others.length > 0 && isWhole && !response.destroyed) {
      const next = this.#around.upstreams.leastBusy(others);
      return this.#forward(known, response, verdict, next, body, maxBodyBytes);
    }
    if (!isWhole || waited >= holdMs || response.destroyed) {
      this.#around.traffic.failed(route.name, "unreachable");
      const { service, host, port } = upstream.target;
      const status = service === null ? undefined : this.#around.statusOf(service);
      const facts = silent(route, status, `nobody answers at ${host}:${port}`);
      return this.#sayNotReady(known, response, facts, verdict.key);
    }
    known.tried.clear();
    const askAgainAt = performance.now() + ASK_AGAIN_MS;
    const look = () => (performance.now() >= askAgainAt ? this.#targets.lookAt(route) : "wait");
    const leave = this.#around.waiting.enter(look, Math.max(0, holdMs - waited) + ASK_AGAIN_MS, () => {
      response.off("close", leave!);
      const ready = this.#targets.ready(route);
      if (ready.is === "not") return this.#sayNotReady(known, response, ready.facts, verdict.key);
      this.#forward(known, response, verdict, ready.upstream, body, maxBodyBytes);
    });
    if (leave !== null) return void response.on("close", leave);
    this.#sayNotReady(known, response, silent(route, undefined, "too many requests wait already"), verdict.key);
  }

  #openSocket(known: Known, client: Duplex, head: Buffer, verdict: Through, upstream: Upstream): void {
    const { service } = upstream.target;
    if (service !== null) this.#around.activity.began(service);
    upstream.outstanding++;
    const socket: OpenSocket = forwardSocket(client, head, {
      target: upstream.target,
      path: verdict.path,
      headers: this.#headersFor(known, verdict, upstream.target, true),
      answerHeaders: (raw) => this.#answerHeaders(known, verdict, raw),
      end: ({ status, why, bytesIn, bytesOut }) => {
        upstream.outstanding--;
        if (service !== null) this.#around.activity.ended(service);
        queueMicrotask(() => this.#sockets.delete(socket));
        this.#note(known, status ?? 502, verdict.key, bytesIn, bytesOut, why);
        if (status !== null || client.destroyed) return;
        this.#around.traffic.failed(known.route.name, "unreachable");
        refuseRaw(client, 502, `${known.route.name} does not answer`);
      },
    });
    this.#sockets.set(socket, verdict.key);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  #headersFor(known: Known, { dropAuthorization }: Through, target: Target, isUpgrade: boolean): string[] {
    const { request, route, address, isEncrypted, cookie } = known;
    const host = request.headers.host ?? "";
    return upstreamHeaders(request.rawHeaders, {
      client: { address, isEncrypted, host, port: route.port },
      host: route.hostIsLocal || host === "" ? `localhost:${target.port}` : host,
      dropAuthorization,
      ownCookies: [cookie],
      isUpgrade,
    });
  }

  #answerHeaders(known: Known, { key, beginSession }: Through, raw: readonly string[]): string[] {
    const headers = clientHeaders(raw, { ownCookies: [known.cookie], corsIsOurs: known.route.cors.length > 0 });
    if (known.extra.length > 0) headers.push(...known.extra);
    if (beginSession && key !== null) headers.push("Set-Cookie", this.#cookie(known, key));
    if (this.#around.isLeaving()) headers.push("Connection", "close");
    return headers;
  }

  #cookie({ cookie, isEncrypted }: Known, key: Key): string {
    const { ring, wallMs } = this.#around.house();
    const secure = isEncrypted ? "; Secure" : "";
    return `${cookie}=${newSession(ring, key, wallMs)}; Path=/; Max-Age=${SESSION_SECONDS}; HttpOnly; SameSite=Lax${secure}`;
  }

  // --- what is answered from here -----------------------------------------------------------------------------------------

  #say(
    response: ServerResponse,
    status: number,
    code: string,
    what: string,
    fix?: string,
    known?: Known,
    headers: readonly string[] = [],
  ): void {
    if (response.headersSent || response.destroyed) return void response.destroy();
    const body = `${JSON.stringify({ error: { code, message: what, what, ...(fix !== undefined && { fix }) } })}\n`;
    const all = ["Content-Type", "application/json; charset=utf-8", "Cache-Control", "no-store", ...headers];
    all.push("Content-Length", String(Buffer.byteLength(body)), ...(known?.extra ?? []));
    // A body that nobody reads any more is thrown away for a moment, so that the answer arrives; then the connection ends.
    const { req } = response;
    const isShort = (announcedBytes(req) ?? Number.POSITIVE_INFINITY) <= 65_536;
    if (hasBody(req) && !req.complete && !isShort) lingerFor(req);
    try {
      response.writeHead(status, all as never);
      response.end(req.method === "HEAD" ? undefined : body);
    } catch {
      response.destroy();
    }
    if (known !== undefined) this.#note(known, status, null, 0, 0, code);
  }

  #sayNotReady(known: Known, response: ServerResponse, facts: Facts, key: Key | null): void {
    if (response.headersSent || response.destroyed) return void response.destroy();
    const { status, headers, body } = notReady(known.route.name, facts, known, randomBytes(12).toString("base64"));
    const all = [...headers, "Content-Length", String(Buffer.byteLength(body)), ...known.extra];
    response.writeHead(status, all as never).end(known.request.method === "HEAD" ? undefined : body);
    this.#note(known, status, key, 0, 0, "not_ready");
  }

  #clientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
    const [status, words] =
      error.code === "HPE_HEADER_OVERFLOW"
        ? [431, "Request Header Fields Too Large"]
        : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
          ? [408, "Request Timeout"]
          : [400, "Bad Request"];
    const port = (socket as Socket).localPort ?? 0;
    this.#around.traffic.failed(this.#around.routeOf(port)?.name ?? "", status === 408 ? "timeout" : "bad_request");
    refuseRaw(socket, status as number, words as string);
  }

  #note(known: Known, status: number, key: Key | null, bytesIn: number, bytesOut: number, error: string | null): void {
    const { request, route, address, startedAt } = known;
    const ms = performance.now() - startedAt;
    const token = key?.id ?? null;
    this.#around.traffic.passed({ route: route.name, token, status, seconds: ms / 1000, bytesIn, bytesOut });
    this.#around.log.access({
      route: route.name,
      client: address,
      method: request.method ?? "",
      path: request.url ?? "",
      status,
      ms: Math.round(ms * 10) / 10,
      bytesIn,
      bytesOut,
      token,
      error,
      agent: request.headers["user-agent"] ?? null,
    });
  }

  /** While something is under way: clients that stand still, and keys that are no more. */
  #look(): void {
    if (this.#forwards.size + this.#sockets.size === 0 && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
      return;
    }
    const { wallMs, now } = this.#around.house();
    for (const forward of [...this.#forwards.keys()]) forward.look(now);
    this.cutWhere(({ expiresAt }) => expiresAt !== null && expiresAt <= wallMs);
  }
}
