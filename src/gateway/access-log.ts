/**
 * What the gateway says, as JSON lines on its output, where svcd keeps it: one line for each request, and one for each thing
 * that a person should know. No token, cookie or body is ever in it; values in addresses that speak of secrets are hidden.
 *
 * Lines are written together a few times a second: a reader that is slow for a moment must not hold up requests.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";
import { Writable } from "node:stream";
import { createLogger, format, type Logger, transports } from "winston";
import { redactedPath } from "./request-target.ts";

export interface Access {
  readonly route: string;
  readonly client: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly ms: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly token: string | null;
  /** What went wrong, if something did. */
  readonly error: string | null;
  readonly agent: string | null;
}

export interface Log {
  access(access: Access): void;
  info(message: string): void;
  warn(message: string): void;
  flush(): void;
}

const MESSAGE = Symbol.for("message");
const FLUSH_EVERY_MS = 200;
/** More than that and lines are lost, and counted, rather than held. */
const MOST_HELD = 1024 * 1024;

export function createLog(file: number, writesAccess: boolean): Log {
  const sink = new Sink(file);
  const lines = format((info) => {
    const { level, message, ...rest } = info;
    info[MESSAGE as never] = JSON.stringify({ time: new Date().toISOString(), level, message, ...rest }) as never;
    return info;
  });
  const logger: Logger = createLogger({
    format: lines(),
    transports: [new transports.Stream({ stream: sink, eol: "\n" })],
  });
  return {
    access: ({ path, agent, token, error, ...rest }) => {
      if (!writesAccess) return;
      const shown = { ...rest, path: redactedPath(path).slice(0, 2_000), ...(agent && { agent: agent.slice(0, 200) }) };
      logger.info("request", { ...shown, ...(token !== null && { token }), ...(error !== null && { error }) });
    },
    info: (message) => void logger.info(message),
    warn: (message) => void logger.warn(message),
    flush: () => sink.flush(),
  };
}

class Sink extends Writable {
  readonly #file: number;
  #held: string[] = [];
  #size = 0;
  #lost = 0;
  /** What the output has not taken yet. */
  #rest: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | null = null;

  constructor(file: number) {
    super({ decodeStrings: false });
    this.#file = file;
  }

  override _write(line: string | Buffer, _: string, done: () => void): void {
    const text = String(line);
    if (this.#size + text.length > MOST_HELD) this.#lost++;
    else {
      this.#held.push(text);
      this.#size += text.length;
    }
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_EVERY_MS);
    done();
  }

  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#rest.length === 0) {
      const lost =
        this.#lost > 0 ? `{"level":"warn","message":"${this.#lost} lines were lost: the output is not read"}\n` : "";
      this.#rest = Buffer.from(`${this.#held.join("")}${lost}`);
      this.#held = [];
      this.#size = 0;
      this.#lost = 0;
    }
    try {
      while (this.#rest.length > 0) this.#rest = this.#rest.subarray(writeSync(this.#file, this.#rest));
    } catch (error) {
      // Nobody reads just now: tried again. A disk or a pipe that is gone takes the lines with it, and requests go on.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") this.#rest = Buffer.alloc(0);
      else this.#timer = setTimeout(() => this.flush(), FLUSH_EVERY_MS).unref();
    }
  }
}

/** The output as one that never makes us wait: a pipe that is full must not hold up requests. */
export function openOutput(): number {
  try {
    return fstatSync(1).isFIFO() ? openSync("/proc/self/fd/1", constants.O_WRONLY | constants.O_NONBLOCK) : 1;
  } catch {
    return 1;
  }
}
