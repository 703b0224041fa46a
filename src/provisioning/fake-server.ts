/** A web server for tests that misbehaves as asked, and remembers what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Behaviour {
  readonly body?: string | Buffer;
  readonly status?: number;
  readonly type?: string;
  readonly etag?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** It answers 200 whatever range is asked for. */
  readonly ignoresRanges?: boolean;
  /** The connection is torn after so many bytes of each answer's body. */
  readonly cutAfter?: number;
  /** It gives no more than so many bytes of a range at a time. */
  readonly rangeAtMost?: number;
  /** The announced length is larger by so much. */
  readonly lies?: number;
  /** So many bytes, then nothing. */
  readonly stallsAfter?: number;
  /** No length is announced. */
  readonly chunked?: boolean;
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
}

export class FakeServer {
  readonly asked: Asked[] = [];
  readonly #server: Server;
  readonly #files = new Map<string, Behaviour | readonly Behaviour[]>();
  /** How often each path was got. */
  readonly #count = new Map<string, number>();

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  static async open(): Promise<FakeServer> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return new FakeServer(server);
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Several: for the first request, the second …; the last one from then on. */
  on(path: string, ...behaviours: readonly Behaviour[]): string {
    this.#files.set(path, behaviours);
    this.#count.delete(path);
    return `${this.origin}${path}`;
  }

  gets(path: string): Asked[] {
    return this.asked.filter((one) => one.method === "GET" && one.path === path);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = "GET", url = "/" } = request;
    this.asked.push({
      method,
      path: url,
      range: request.headers.range ?? null,
      authorization: request.headers.authorization ?? null,
    });
    const all = this.#files.get(url);
    const count = this.#count.get(url) ?? 0;
    if (method === "GET") this.#count.set(url, count + 1);
    const list = all === undefined ? [{ status: 404, body: "nothing here" }] : ([all].flat() as Behaviour[]);
    const how = list[Math.min(count, list.length - 1)]!;
    const whole = Buffer.from(how.body ?? "");
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const ifRange = request.headers["if-range"];
    const isSame = ifRange === undefined || ifRange === how.etag;
    const isPart = from > 0 && how.ignoresRanges !== true && isSame && (how.status ?? 200) === 200;
    if (isPart && from >= whole.length) {
      response.writeHead(416, { "content-range": `bytes */${whole.length}` }).end();
      return;
    }
    const until = isPart && how.rangeAtMost !== undefined ? from + how.rangeAtMost : whole.length;
    const body = isPart ? whole.subarray(from, until) : whole;
    response.writeHead(isPart ? 206 : (how.status ?? 200), {
      "content-type": how.type ?? "application/octet-stream",
      ...(how.chunked === true ? {} : { "content-length": body.length + (how.lies ?? 0) }),
      ...(how.etag === undefined ? {} : { etag: how.etag }),
      ...(isPart ? { "content-range": `bytes ${from}-${from + body.length - 1}/${whole.length}` } : {}),
      ...how.headers,
    });
    response.flushHeaders();
    if (method === "HEAD") return void response.end();
    const end = how.cutAfter ?? how.stallsAfter;
    if (end === undefined || end >= body.length) {
      if (how.lies === undefined) return void response.end(body);
      response.write(body, () => response.socket?.destroy());
      return;
    }
    response.write(body.subarray(0, end), () => {
      // What is still on its way when the connection ends is lost to whoever reads it by fetch.
      if (how.cutAfter !== undefined) setTimeout(() => response.socket?.destroySoon(), 150);
    });
  }
}
