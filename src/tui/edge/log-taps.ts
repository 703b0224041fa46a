/**
 * The streams of logs that the screen wants, and no others. A stream that breaks off (a core that is replaced) is taken up again
 * where it ended; one that brings more than a person can read waits for us, which costs svcd nothing.
 */
import type { Control, Exchange, StreamHandlers } from "../../control/client.ts";
import type { Message } from "../model/message.ts";
import type { LogWish } from "../model/wanted.ts";
import { isRefused } from "./errors.ts";

/** Whoever holds down a key wants no log of those that pass by. */
const SETTLES_AFTER_MS = 80;
const TRY_AGAIN_MS = 300;
/** What comes later than this was written while we watched. */
const BACKLOG_WITHIN_MS = 250;
/** Of all logs together, and then a pause: 5 MB/s are read, and the person is still answered. */
const BYTES_AT_A_TIME = 256 * 1024;
const PAUSE_MS = 50;

type Client = Pick<Control, "log" | "runLog">;

export class LogTaps {
  readonly #client: Client;
  readonly #send: (message: Message) => void;
  readonly #taps = new Map<string, Tap>();
  #wanted: readonly LogWish[] = [];
  #settling: NodeJS.Timeout | null = null;
  #bytes = 0;
  #pause: NodeJS.Timeout | null = null;
  #isHeld = false;

  constructor(client: Client, send: (message: Message) => void) {
    this.#client = client;
    this.#send = send;
  }

  want(wishes: readonly LogWish[]): void {
    this.#wanted = wishes;
    const keys = new Set(wishes.map(({ key }) => key));
    for (const [key, tap] of this.#taps) {
      if (keys.has(key)) continue;
      tap.close();
      this.#taps.delete(key);
    }
    if (wishes.every(({ key }) => this.#taps.has(key))) return;
    this.#settling ??= setTimeout(() => this.#settle(), SETTLES_AFTER_MS);
  }

  /** The terminal takes nothing: nothing is read for it. */
  hold(isHeld: boolean): void {
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    for (const tap of this.#taps.values()) tap.pause(isHeld || this.#pause !== null);
    if (!isHeld) this.want(this.#wanted);
  }

  close(): void {
    if (this.#settling !== null) clearTimeout(this.#settling);
    if (this.#pause !== null) clearTimeout(this.#pause);
    for (const tap of this.#taps.values()) tap.close();
    this.#taps.clear();
  }

  #settle(): void {
    this.#settling = null;
    if (this.#isHeld) return; // What is wanted when the terminal takes again is begun then.
    for (const wish of this.#wanted) {
      if (!this.#taps.has(wish.key))
        this.#taps.set(wish.key, new Tap(this.#client, wish, this.#send, (bytes) => this.#count(bytes)));
    }
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < BYTES_AT_A_TIME || this.#pause !== null) return;
    for (const tap of this.#taps.values()) tap.pause(true);
    this.#pause = setTimeout(() => {
      this.#pause = null;
      this.#bytes = 0;
      for (const tap of this.#taps.values()) tap.pause(this.#isHeld);
    }, PAUSE_MS);
  }
}

class Tap {
  readonly #client: Client;
  readonly #wish: LogWish;
  readonly #send: (message: Message) => void;
  readonly #count: (bytes: number) => void;
  readonly #decoder = new TextDecoder();
  #exchange: Exchange | null = null;
  #again: NodeJS.Timeout | null = null;
  #position: number | null;
  #isOver = false;

  constructor(client: Client, wish: LogWish, send: (message: Message) => void, count: (bytes: number) => void) {
    this.#client = client;
    this.#wish = wish;
    this.#send = send;
    this.#count = count;
    this.#position = wish.position;
    this.#open();
  }

  pause(on: boolean): void {
    if (on) this.#exchange?.pause();
    else this.#exchange?.resume();
  }

  close(): void {
    this.#isOver = true;
    this.#exchange?.stop();
    if (this.#again !== null) clearTimeout(this.#again);
  }

  #open(): void {
    const { key, source } = this.#wish;
    const until = source.kind === "service" ? source.until : null;
    let headAt = 0;
    let hasCome = false;
    const handlers: StreamHandlers = {
      onHead: ({ headers }) => {
        headAt = performance.now();
        this.#position = Number(headers.get("x-log-position") ?? 0);
        // A log that is empty is open, too.
        this.#send({ type: "output", key, text: "", position: this.#position, isNew: false });
      },
      onData: (bytes) => {
        hasCome = true;
        const position = this.#position ?? 0;
        const wanted = until === null ? bytes : bytes.subarray(0, Math.max(0, until - position));
        this.#position = position + wanted.length;
        const text = this.#decoder.decode(wanted, { stream: true });
        const isNew = performance.now() - headAt > BACKLOG_WITHIN_MS;
        this.#send({ type: "output", key, text, position: this.#position, isNew });
        if (until !== null && this.#position >= until) this.#end(null);
        else this.#count(bytes.length);
      },
      onEnd: (error) => {
        if (this.#isOver) return;
        if (isRefused(error)) this.#end(error.what);
        else if (error === null && (until !== null || (source.kind === "job" && !hasCome && this.#position !== null)))
          this.#end(null);
        else this.#again = setTimeout(() => this.#open(), TRY_AGAIN_MS);
      },
    };
    this.#exchange = this.#ask(handlers);
  }

  #ask(handlers: StreamHandlers): Exchange {
    const { source } = this.#wish;
    const from = this.#position;
    if (source.kind === "job") {
      return this.#client.runLog(
        source.name,
        source.run,
        { follow: true, ...(from === null ? {} : { from }) },
        handlers,
      );
    }
    const begin = from === null ? source.begin : { from };
    return this.#client.log(source.name, { ...begin, follow: source.until === null }, handlers);
  }

  #end(flaw: string | null): void {
    this.close();
    this.#send({ type: "log over", key: this.#wish.key, flaw });
  }
}
