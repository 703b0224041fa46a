/**
 * One answer to `GET /v1/events`: what happens, as server-sent events that a client can resume by id.
 *
 * Nothing is queued for a client. It has a place in what the daemon keeps anyway; when it has room, it gets what came
 * after that place. A client that falls so far behind that its place is no longer kept hears `reset`: look at the
 * services anew and go on from here. One that takes nothing at all hears `overflow` (if it ever reads) and is
 * disconnected. So a slow client costs one buffer of some 64 KiB and slows neither svcd nor the others.
 */
import type { Writable } from "node:stream";
import type { Daemon, Numbered } from "./daemon.ts";

export interface EventPatience {
  /** A comment this often, so that both ends notice when the other is gone. */
  readonly heartbeatMs: number;
  /** A client that takes nothing for this long is disconnected. */
  readonly unreadMs: number;
  /** How long the word about that may take to be delivered. */
  readonly noticeMs: number;
}

export const EVENT_PATIENCE: EventPatience = { heartbeatMs: 15_000, unreadMs: 60_000, noticeMs: 1_000 };

export type EventSource = Pick<Daemon, "eventsSince" | "lastEventId" | "oldestEventId" | "subscribe">;

/** `since` null: whatever comes from now on; "oldest": all that is kept, too. Ends when the client is gone or `stop` is called. */
export function streamEvents(
  source: EventSource,
  since: string | null,
  out: Writable,
  patience: EventPatience = EVENT_PATIENCE,
): { readonly done: Promise<void>; stop(): void } {
  const stream = new EventStream(source, since, out, patience);
  return { done: stream.done, stop: () => stream.stop() };
}

class EventStream {
  readonly done: Promise<void>;
  readonly #source: EventSource;
  readonly #out: Writable;
  readonly #patience: EventPatience;
  /** The last event that was written. */
  #place: string;
  #isFull = false;
  #isOver = false;
  #unread: NodeJS.Timeout | null = null;
  #pending: NodeJS.Immediate | null = null;
  #finished: () => void = () => {};

  constructor(source: EventSource, since: string | null, out: Writable, patience: EventPatience) {
    this.#source = source;
    this.#out = out;
    this.#patience = patience;
    this.#place = since === "oldest" ? source.oldestEventId() : (since ?? source.lastEventId());
    // Without an event a client would have no id to come back with.
    this.#write(`: events of svcd\nid: ${oneLine(this.#place)}\n\n`);
    const unsubscribe = source.subscribe(() => this.#sendSoon());
    const heartbeat = setInterval(() => this.#beat(), patience.heartbeatMs);
    out.on("drain", () => this.#whenDrained());
    this.done = new Promise((resolve) => {
      this.#finished = () => {
        if (this.#isOver) return;
        this.#isOver = true;
        unsubscribe();
        clearInterval(heartbeat);
        if (this.#unread !== null) clearTimeout(this.#unread);
        if (this.#pending !== null) clearImmediate(this.#pending);
        resolve();
      };
      out.on("close", this.#finished);
    });
    this.#send();
  }

  stop(): void {
    if (this.#isOver) return;
    this.#out.end();
    this.#finished();
  }

  /** A burst of events is fetched once, after the burst. */
  #sendSoon(): void {
    if (this.#isFull) return;
    this.#pending ??= setImmediate(() => {
      this.#pending = null;
      this.#send();
    });
  }

  #send(): void {
    if (this.#isOver || this.#isFull) return;
    const events = this.#source.eventsSince(this.#place);
    if (events === null) this.#reset();
    for (const event of events ?? []) {
      this.#place = event.id;
      if (!this.#write(asText(event))) return; // The rest is kept by the daemon until there is room.
    }
  }

  #reset(): void {
    this.#place = this.#source.lastEventId();
    const why = "the events after the one you saw last are no longer kept: look at the services anew";
    this.#write(`id: ${oneLine(this.#place)}\nevent: reset\ndata: ${JSON.stringify({ why })}\n\n`);
  }

  #beat(): void {
    if (!this.#isFull) this.#write(": still here\n\n");
  }

  #write(text: string): boolean {
    if (this.#out.write(text)) return true;
    this.#isFull = true;
    this.#unread = setTimeout(() => this.#disconnect(), this.#patience.unreadMs);
    return false;
  }

  #whenDrained(): void {
    if (!this.#isFull || this.#isOver) return;
    this.#isFull = false;
    if (this.#unread !== null) clearTimeout(this.#unread);
    this.#send();
  }

  #disconnect(): void {
    const why = `nothing was read for ${this.#patience.unreadMs / 1000} s: connect again with the last id you saw`;
    this.#out.end(`event: overflow\ndata: ${JSON.stringify({ why })}\n\n`);
    this.#finished();
    setTimeout(() => this.#out.destroy(), this.#patience.noticeMs).unref();
  }
}

function asText({ id, event }: Numbered): string {
  return `id: ${oneLine(id)}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

/** `since` comes from the client and goes back to it: a line break in it would be a field of its own. */
function oneLine(id: string): string {
  return id.replace(/[\r\n\0]/g, "");
}
