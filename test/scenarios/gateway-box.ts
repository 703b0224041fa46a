/**
 * A real svcd with the real gateway as its service, in front of a server that the story itself is, so that it sees what arrives
 * and decides what is answered.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { resolve } from "node:path";
import type { TestContext } from "node:test";
import { Box } from "./box.ts";

const GATEWAY = resolve(import.meta.dirname, "../../bin/svcd-gateway");

export interface GatewayOptions {
  /** Of the gateway's service. */
  readonly env?: Record<string, string>;
  /** More keys of the entry in `expose`, as YAML: `auth: none, hold: 1m`. */
  readonly expose?: string;
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => void;
  /** More files in services.d. */
  readonly files?: Record<string, string>;
  readonly settings?: string;
}

export interface Answer {
  readonly status: number;
  /** By lower-case name; of several the last. */
  readonly headers: Record<string, string>;
  readonly cookies: string[];
  readonly body: string;
  /** What curl itself ended with. */
  readonly code: number;
}

export class GatewayBox {
  readonly box: Box;
  /** What is open to the outside. */
  readonly port: number;
  readonly statusPort: number;
  /** The story's own server, behind the gateway. */
  readonly behind: Server;
  readonly behindPort: number;

  private constructor(box: Box, ports: readonly [number, number, number], behind: Server) {
    this.box = box;
    [this.port, this.statusPort, this.behindPort] = ports;
    this.behind = behind;
  }

  static async open(t: TestContext, options: GatewayOptions = {}): Promise<GatewayBox> {
    const [port, statusPort, behindPort] = (await freePorts(3)) as [number, number, number];
    const answer = options.answer ?? ((request, response) => void response.end(`${request.method} ${request.url}`));
    const behind = createHttpServer(answer).listen(behindPort, "127.0.0.1");
    t.after(() => {
      behind.closeAllConnections();
      behind.close();
    });
    const box = Box.prepare(t, options.files);
    const gateway = new GatewayBox(box, [port, statusPort, behindPort], behind);
    box.write("gateway.yaml", gateway.service(options.env));
    box.write("app.yaml", gateway.exposed(options.expose));
    await box.start();
    await box.until("gateway", "RUNNING");
    await gateway.isOpen();
    return gateway;
  }

  service(env: Record<string, string> = {}): string {
    const own = {
      GATEWAY_HOST: "127.0.0.1",
      GATEWAY_STATUS_PORT: String(this.statusPort),
      PORTAL_YAML: "/nowhere",
      ...env,
    };
    return `command: ${GATEWAY}
reload_signal: HUP
stop_grace_period: 30s
startsecs: 0s
backoff: { first: 1ms, longest: 10ms }
environment: ${JSON.stringify(own)}
healthcheck: { http: "http://127.0.0.1:${this.statusPort}/health", interval: 100ms, timeout: 5s, retries: 100, start_period: 1m }
`;
  }

  exposed(more = ""): string {
    return `command: sleep 3600\nstartsecs: 0s\nexpose: { port: ${this.port}, to: ${this.behindPort}, name: App${more === "" ? "" : `, ${more}`} }\n`;
  }

  /** Waits until somebody listens. */
  async isOpen(port = this.port): Promise<void> {
    await this.box.becomes(
      `port ${port} is open`,
      () => canConnect(port),
      () => this.box.log("gateway"),
    );
  }

  /** The main token, as svctl prints it. */
  async token(): Promise<string> {
    const { stdout, code, stderr } = await this.box.svctl("token");
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  url(path = "/", scheme = "http"): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** The real curl. The last argument is the URL, or a path of the gateway. */
  async curl(...args: string[]): Promise<Answer> {
    const last = args.at(-1) ?? "/";
    const url = last.startsWith("/") ? this.url(last) : last;
    return curl(this.box, ...args.slice(0, -1), url);
  }

  async status(...args: string[]): Promise<number> {
    return (await this.curl(...args)).status;
  }

  /** Bytes as they are, and everything that comes until the connection ends. */
  async raw(bytes: string, port = this.port): Promise<string> {
    const socket = connect(port, "127.0.0.1");
    let heard = "";
    socket.setEncoding("latin1").on("data", (text: string) => (heard += text));
    socket.on("error", () => {});
    socket.write(bytes, "latin1");
    await new Promise((done) => socket.once("close", done));
    return heard;
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.statusPort}/metrics`)).text();
  }

  async routes(): Promise<Record<string, never>> {
    return (await fetch(`http://127.0.0.1:${this.statusPort}/routes`)).json() as Promise<Record<string, never>>;
  }

  /** Waits until it is in the log of the gateway. */
  async tells(pattern: RegExp): Promise<void> {
    await this.box.becomes(
      `the log tells ${pattern}`,
      () => pattern.test(this.box.log("gateway")),
      () => this.box.log("gateway"),
    );
  }

  /** Lines of the access log so far. */
  accesses(): Record<string, unknown>[] {
    const lines = this.box.log("gateway").split("\n").slice(0, -1);
    return lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ message }) => message === "request");
  }

  /** The process that works, not the one that holds the ports. */
  async worker(): Promise<number> {
    const holder = await this.box.pid("gateway");
    const { stdout } = await this.box.run("pgrep", ["-P", String(holder)]);
    return Number(stdout.trim().split("\n").at(-1));
  }
}

export async function curl(box: Box, ...args: string[]): Promise<Answer> {
  const { stdout, code } = await box.run("curl", ["-sS", "-i", "--http1.1", "--max-time", "60", ...args]);
  // An answer of 100 before the real one is none.
  const text = stdout.replace(/^(HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, "");
  const end = text.indexOf("\r\n\r\n");
  const [first = "", ...lines] = text.slice(0, Math.max(0, end)).split("\r\n");
  const pairs = lines.map(
    (line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const,
  );
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(first)?.[1] ?? 0),
    headers: Object.fromEntries(pairs),
    cookies: pairs.filter(([name]) => name === "set-cookie").map(([, value]) => value),
    body: text.slice(end + 4),
    code,
  };
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export function canConnect(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket: Socket = connect(port, "127.0.0.1");
    socket.once("connect", () => done(true)).once("error", () => done(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** A program in the background; it is ended with the story. */
export function background(
  t: TestContext,
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
) {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env });
  const heard = { text: "", child };
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (heard.text += text));
  t.after(() => child.kill("SIGKILL"));
  return heard;
}
