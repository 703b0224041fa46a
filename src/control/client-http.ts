/**
 * One question to the control socket, asked by hand in HTTP/1.0: the answer is not chunked and ends with the connection,
 * so `node:net` is enough. `node:http` would cost every `svctl` 8 ms of start.
 */
import { connect } from "node:net";

/** Why there is no answer. Each is a different sentence to a person. */
export type UnreachableReason =
  /** No socket there, or nobody behind it: svcd does not run. */
  | "nobody listens"
  | "no permission"
  /** Somebody is there and says nothing. */
  | "no answer in time"
  /** The answer broke off, or is not one of svcd's. */
  | "broken answer";

export class Unreachable extends Error {
  override readonly name = "Unreachable";
  readonly reason: UnreachableReason;
  readonly socketPath: string;

  constructor(reason: UnreachableReason, socketPath: string, detail: string) {
    super(`svcd cannot be asked at ${socketPath}: ${reason} (${detail})`);
    this.reason = reason;
    this.socketPath = socketPath;
  }
}

export interface Question {
  readonly method: "GET" | "POST";
  /** With its query; everything in it escaped. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; undefined: no body. */
  readonly body?: unknown;
}

export interface Head {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

export interface Hearer {
  onHead(head: Head): void;
  onBytes(bytes: Buffer): void;
  /** Exactly once, last; null: the answer is complete. */
  onEnd(error: Unreachable | null): void;
}

export interface Exchange {
  /** Nothing is heard any more, `onEnd` included. */
  stop(): void;
  /** Back-pressure: svcd waits, at no cost to anyone else. */
  pause(): void;
  resume(): void;
}

/** The head of an answer of svcd has a few hundred bytes. */
const LONGEST_HEAD = 16 * 1024;

/** `silenceMs`: the longest time without a byte before it counts as no answer; 0: wait for ever. */
export function ask(socketPath: string, question: Question, silenceMs: number, hearer: Hearer): Exchange {
  const socket = connect({ path: socketPath });
  const head = new HeadReader();
  let missing: number | null = null;
  let isOver = false;

  const end = (error: Unreachable | null): void => {
    if (isOver) return;
    isOver = true;
    socket.destroy();
    hearer.onEnd(error);
  };
  const fail = (reason: UnreachableReason, detail: string): void => end(new Unreachable(reason, socketPath, detail));
  const hear = (bytes: Buffer): void => {
    if (isOver || bytes.length === 0) return;
    if (missing !== null) missing -= bytes.length;
    hearer.onBytes(bytes);
    if (missing !== null && missing <= 0) end(null); // All of it is here; whoever closes the connection may take their time.
  };

  socket.setTimeout(silenceMs, () => fail("no answer in time", `${silenceMs / 1000} s without a word`));
  socket.on("connect", () => socket.write(written(question)));
  socket.on("data", (bytes) => {
    if (isOver) return;
    if (head.isComplete) return hear(bytes);
    const found = head.read(bytes);
    if (found === "more") return;
    if (found === "nonsense") return fail("broken answer", "what listens there does not speak HTTP");
    const length = found.headers.get("content-length");
    missing = length === undefined ? null : Number(length);
    hearer.onHead(found);
    hear(head.rest);
  });
  socket.on("end", () => {
    if (!head.isComplete) fail("broken answer", "the connection was closed without an answer");
    else if (missing !== null && missing > 0) fail("broken answer", `${missing} bytes are missing`);
    else end(null);
  });
  socket.on("error", (error: NodeJS.ErrnoException) => fail(reasonOf(error.code ?? ""), error.code ?? error.message));

  return {
    stop: () => {
      isOver = true;
      socket.destroy();
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

function reasonOf(code: string): UnreachableReason {
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
    case "ECONNREFUSED":
    case "ENOTSOCK":
      return "nobody listens";
    case "EACCES":
    case "EPERM":
      return "no permission";
    case "EAGAIN": // More clients wait to be let in than the kernel holds.
    case "ETIMEDOUT":
      return "no answer in time";
    default:
      return "broken answer";
  }
}

function written({ method, path, headers, body }: Question): string {
  const lines = [`${method} ${path} HTTP/1.0`, "Host: svcd"];
  for (const [name, value] of Object.entries(headers ?? {})) lines.push(`${name}: ${value.replace(/[\r\n\0]/g, "")}`);
  if (body === undefined) return `${lines.join("\r\n")}\r\n\r\n`;
  const text = JSON.stringify(body);
  lines.push("Content-Type: application/json", `Content-Length: ${Buffer.byteLength(text)}`);
  return `${lines.join("\r\n")}\r\n\r\n${text}`;
}

/** Not `performance`: Node loads it when it is first asked for, and that takes a millisecond. */
export function uptimeMs(): number {
  return process.uptime() * 1000;
}

class HeadReader {
  isComplete = false;
  /** What came with the end of the head. */
  rest: Buffer = Buffer.alloc(0);
  #bytes: Buffer = Buffer.alloc(0);

  read(bytes: Buffer): Head | "more" | "nonsense" {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    const end = this.#bytes.indexOf("\r\n\r\n");
    if (end === -1) return this.#bytes.length > LONGEST_HEAD ? "nonsense" : "more";
    const [first = "", ...lines] = this.#bytes.subarray(0, end).toString("latin1").split("\r\n");
    const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1];
    if (status === undefined) return "nonsense";
    this.isComplete = true;
    this.rest = this.#bytes.subarray(end + 4);
    return { status: Number(status), headers: new Map(lines.map(field)) };
  }
}

function field(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
