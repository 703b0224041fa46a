/**
 * One request through to the program behind and its answer back, a piece at a time: whoever is slower sets the pace, and
 * nothing is kept but what is in the sockets.
 *
 * `end` is called exactly once. As long as nothing was answered to the client, it says so, and the caller may try again or
 * answer itself. A request that was written is never written twice from here.
 */
import type { ServerResponse } from "node:http";
import type { Dispatcher, Pool } from "undici";
import type { Body } from "./body.ts";

export interface Forwarding {
  readonly pool: Pool;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Body;
  readonly maxBodyBytes: number | null;
  /** What goes to the client, made from what came. */
  readonly answerHeaders: (raw: readonly string[]) => string[];
  readonly end: (ending: Ending) => void;
}

export type Ending =
  /** The answer is through, to the end. */
  | { readonly is: "answered"; readonly status: number }
  /** Nothing was written: whatever it was, it can be tried again. */
  | { readonly is: "not reached"; readonly why: string }
  /** It was written and not answered. */
  | { readonly is: "unanswered"; readonly why: string }
  /** The answer ended before its end; the client's connection was cut, so that it notices. */
  | { readonly is: "cut"; readonly status: number; readonly why: string }
  | { readonly is: "too large" }
  | { readonly is: "stalled"; readonly why: string }
  | { readonly is: "client left"; readonly status: number | null };

const SHORT = 2_048;
/** A client that takes nothing for so long is not reading. */
const UNREAD_MS = 300_000;
/** A client that sends nothing of its body for so long is not sending. */
const UNSENT_MS = 60_000;

export class Forward implements Dispatcher.DispatchHandler {
  bytesIn = 0;
  bytesOut = 0;
  readonly #response: ServerResponse;
  readonly #forwarding: Forwarding;
  #controller: Dispatcher.DispatchController | null = null;
  #status: number | null = null;
  #isOver = false;
  #bodyIsSent: boolean;
  #lastSentAt = 0;
  #waitsSince: number | null = null;
  #givenUp: Ending | null = null;
  readonly #onClose = (): void => this.#clientClosed();

  constructor(response: ServerResponse, forwarding: Forwarding, now: number) {
    this.#response = response;
    this.#forwarding = forwarding;
    this.#bodyIsSent = forwarding.body === null || Buffer.isBuffer(forwarding.body);
    this.#lastSentAt = now;
    response.on("close", this.#onClose);
    const { pool, method, path, headers, body } = forwarding;
    try {
      pool.dispatch({ method: method as Dispatcher.HttpMethod, path, headers: headers as string[], body }, this);
    } catch (error) {
      this.#over({ is: "unanswered", why: (error as Error).message });
    }
  }

  /** Looked at now and then: cuts off clients that neither send nor read. */
  look(now: number): void {
    if (!this.#bodyIsSent && this.#status === null && this.#waitsForClient() && now - this.#lastSentAt > UNSENT_MS)
      this.#giveUp({ is: "stalled", why: "the rest of the request did not come" });
    if (this.#waitsSince !== null && now - this.#waitsSince > UNREAD_MS) {
      this.#giveUp({ is: "stalled", why: "the client does not read" });
      this.#response.destroy();
    }
  }

  /** Ends it from here: its token was revoked, or the gateway ends. */
  cut(): void {
    this.#giveUp({ is: "cut", status: this.#status ?? 0, why: "ended by the gateway" });
    this.#response.destroy();
  }

  // What undici says.

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error("the client left"));
  }

  onBodySent(chunk: Uint8Array): void {
    this.bytesIn += chunk.length;
    this.#lastSentAt = performance.now();
    const most = this.#forwarding.maxBodyBytes;
    if (most !== null && this.bytesIn > most) this.#giveUp({ is: "too large" });
  }

  onRequestSent(): void {
    this.#bodyIsSent = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, message?: string): void {
    if (status < 200) return; // 100 and 103 are between it and us.
    this.#status = status;
    const raw = (controller.rawHeaders as unknown as Buffer[]).map((part) => part.toString("latin1"));
    const said = message !== undefined && /^[\x20-\x7e]{0,100}$/.test(message) ? message : undefined;
    const response = this.#response;
    response.writeHead(status, said, this.#forwarding.answerHeaders(raw) as never);
    // With the first piece of the body if that is there already, else at once: who waits for events must hear that it began.
    process.nextTick(() => {
      if (this.bytesOut === 0 && !response.writableEnded) response.flushHeaders();
    });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    // A short beginning goes out together with the head, which only text does: half the cost of writing.
    const isShort = this.bytesOut === 0 && chunk.length <= SHORT;
    this.bytesOut += chunk.length;
    if (isShort ? this.#response.write(chunk.toString("latin1"), "latin1") : this.#response.write(chunk)) return;
    controller.pause();
    this.#waitsSince = performance.now();
    this.#response.once("drain", () => {
      this.#waitsSince = null;
      controller.resume();
    });
  }

  onResponseEnd(): void {
    this.#response.end();
    this.#over({ is: "answered", status: this.#status ?? 0 });
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.#isOver) return;
    if (this.#givenUp !== null) return this.#over(this.#givenUp);
    const why = inWords(error);
    if (this.#status !== null) {
      this.#over({ is: "cut", status: this.#status, why });
      this.#response.destroy();
      return;
    }
    this.#over({ is: this.#controller === null ? "not reached" : "unanswered", why });
  }

  #clientClosed(): void {
    if (this.#response.writableFinished) return;
    const ending: Ending = { is: "client left", status: this.#status };
    this.#giveUp(ending);
    this.#over(ending);
  }

  #giveUp(ending: Ending): void {
    if (this.#isOver) return;
    this.#givenUp ??= ending;
    this.#controller?.abort(new Error(ending.is));
  }

  #over(ending: Ending): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#response.off("close", this.#onClose);
    this.#forwarding.end(ending);
  }

  #waitsForClient(): boolean {
    const { body } = this.#forwarding;
    return body !== null && !Buffer.isBuffer(body) && body.readableLength === 0;
  }
}

function inWords(error: Error): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ECONNREFUSED":
      return "nobody listens there";
    case "UND_ERR_CONNECT_TIMEOUT":
    case "ETIMEDOUT":
      return "it does not take the connection";
    case "ECONNRESET":
    case "EPIPE":
    case "UND_ERR_SOCKET":
      return "it closed the connection";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "its host is not known";
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return "it said nothing for an hour";
    default:
      return message.slice(0, 200);
  }
}
