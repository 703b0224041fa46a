/**
 * The event stream as a client hears it: server-sent events, parsed as they come, and taken up again by id when the core
 * was started anew, so that a listener misses nothing and hears nothing twice.
 */
import { ask, type Exchange, Unreachable, uptimeMs } from "./client-http.ts";
import { refusedBy } from "./client-refused.ts";
import type { DaemonEvent } from "./daemon.ts";

export interface HeardEvent {
  readonly id: string;
  /** reset: what was missed is no longer kept; ask for the services anew. What follows is complete again. */
  readonly event: DaemonEvent | { readonly type: "reset" };
}

export interface EventOptions {
  /** The last id that was seen; null: whatever comes from now on; "oldest": what is kept of before, too. */
  readonly since: string | null;
  /** How long to try to reach svcd, at the start and each time it was lost. Default: for ever. */
  readonly patienceMs?: number;
  /** true: svcd is there. false: it is not, and is looked for. */
  readonly onConnection?: (isThere: boolean) => void;
  /** Listening is over, and not by `stop`: svcd was not there in time, may not be asked, or refused. */
  readonly onEnd?: (error: Error) => void;
}

export interface Listening {
  stop(): void;
}

/** Growing pauses: a core comes back in a fraction of a second, a daemon that is down need not be asked often. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** Three heartbeats: a connection that is silent for longer leads nowhere. */
const SILENCE_MS = 45_000;
/** One event: a plan report of a thousand files is below it. */
const LONGEST_EVENT = 16 * 1024 * 1024;

export function events(socketPath: string, options: EventOptions, onEvent: (heard: HeardEvent) => void): Listening {
  const listener = new Listener(socketPath, options, onEvent);
  listener.connect();
  return { stop: () => listener.stop() };
}

class Listener {
  readonly #socketPath: string;
  readonly #options: EventOptions;
  readonly #onEvent: (heard: HeardEvent) => void;
  #lastId: string | null;
  #exchange: Exchange | null = null;
  #pause: NodeJS.Timeout | null = null;
  #pauseMs = FIRST_PAUSE_MS;
  #lostAt = uptimeMs();
  #isThere = false;
  #isStopped = false;

  constructor(socketPath: string, options: EventOptions, onEvent: (heard: HeardEvent) => void) {
    this.#socketPath = socketPath;
    this.#options = options;
    this.#onEvent = onEvent;
    this.#lastId = options.since;
  }

  connect(): void {
    const parser = new EventParser((fields) => this.#hear(fields));
    let refusal: { readonly status: number; text: string } | null = null;
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.#lastId !== null) headers["Last-Event-ID"] = this.#lastId;
    const exchange = ask(this.#socketPath, { method: "GET", path: "/v1/events", headers }, SILENCE_MS, {
      onHead: ({ status }) => {
        if (status === 200) this.#found();
        else refusal = { status, text: "" };
      },
      onBytes: (bytes) => {
        if (refusal !== null) refusal.text += bytes.toString();
        else if (!understood(parser, bytes)) {
          exchange.stop();
          this.#lost(null);
        }
      },
      onEnd: (error) => {
        if (refusal === null) this.#lost(error);
        else this.#giveUp(refusedBy(refusal.status, refusal.text));
      },
    });
    this.#exchange = exchange;
  }

  stop(): void {
    this.#isStopped = true;
    this.#exchange?.stop();
    if (this.#pause !== null) clearTimeout(this.#pause);
  }

  #found(): void {
    this.#isThere = true;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#options.onConnection?.(true);
  }

  #lost(error: Unreachable | null): void {
    if (this.#isStopped) return;
    if (this.#isThere) {
      this.#isThere = false;
      this.#lostAt = uptimeMs();
      this.#options.onConnection?.(false);
    }
    const patience = this.#options.patienceMs ?? Number.POSITIVE_INFINITY;
    const isTooLate = uptimeMs() - this.#lostAt >= patience;
    if (error?.reason === "no permission" || isTooLate) {
      this.#giveUp(error ?? new Unreachable("broken answer", this.#socketPath, "the event stream ended"));
      return;
    }
    this.#pause = setTimeout(() => this.connect(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #giveUp(error: Error): void {
    this.stop();
    this.#options.onEnd?.(error);
  }

  #hear({ id, type, data }: Fields): void {
    if (this.#isStopped) return;
    if (id !== null) this.#lastId = id;
    if (type === "reset") this.#onEvent({ id: this.#lastId ?? "", event: { type: "reset" } });
    // overflow: the stream ends after it, and is taken up again by id.
    else if (data !== null && type !== "overflow") {
      this.#onEvent({ id: this.#lastId ?? "", event: eventIn(data) });
    }
  }
}

/** What came is not an event of svcd: only a new connection can mend that. */
class Nonsense extends Error {}

function eventIn(data: string): DaemonEvent {
  try {
    return JSON.parse(data) as DaemonEvent;
  } catch {
    throw new Nonsense();
  }
}

function understood(parser: EventParser, bytes: Buffer): boolean {
  try {
    return parser.read(bytes);
  } catch (error) {
    if (error instanceof Nonsense) return false;
    throw error;
  }
}

export interface Fields {
  readonly id: string | null;
  readonly type: string | null;
  readonly data: string | null;
}

/** Bytes in, events out, however the bytes were cut. */
export class EventParser {
  readonly #onFields: (fields: Fields) => void;
  /** Decodes characters that were cut, too. */
  readonly #decoder = new TextDecoder();
  #rest = "";

  constructor(onFields: (fields: Fields) => void) {
    this.#onFields = onFields;
  }

  /** False: this cannot be an event stream of svcd; it has no end of an event within reason. */
  read(bytes: Uint8Array): boolean {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    let from = 0;
    for (let end = this.#rest.indexOf("\n\n", from); end !== -1; end = this.#rest.indexOf("\n\n", from)) {
      this.#onFields(fieldsOf(this.#rest.slice(from, end)));
      from = end + 2;
    }
    this.#rest = this.#rest.slice(from);
    return this.#rest.length <= LONGEST_EVENT;
  }
}

function fieldsOf(block: string): Fields {
  const fields: { id: string | null; type: string | null; data: string | null } = { id: null, type: null, data: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const value = line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    switch (line.slice(0, colon)) {
      case "id":
        fields.id = value;
        break;
      case "event":
        fields.type = value;
        break;
      case "data":
        fields.data = fields.data === null ? value : `${fields.data}\n${value}`;
        break;
    }
  }
  return fields;
}
