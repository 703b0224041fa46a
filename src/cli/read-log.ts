/**
 * The output of one service, or of one run of a job, as bytes, from some place on. When svcd's core is replaced, reading goes on at the byte where
 * it was: svcd says the position of the first byte, and the rest is counted here.
 */
import type { StreamHandlers } from "../control/client.ts";
import type { Call } from "./call.ts";
import { CORE_IS_AWAY_MS, hasNoLog, ifAnswered, isUnreachable } from "./daemon.ts";

export interface LogWish {
  readonly name: string;
  /** Of the job that has the name; without it, the name is a service's. */
  readonly run?: number;
  readonly stream: "stdout" | "stderr";
  /** all: of a run, everything that is kept. */
  readonly beginning: { readonly lines: number } | { readonly bytes: number } | { readonly all: true };
  /** Of a run, until it is over. */
  readonly follow: boolean;
}

export interface LogReading {
  /** Settled at the end of the log or after `stop`. */
  readonly done: Promise<void>;
  stop(): void;
}

const TRY_AGAIN_MS = 100;

export function readLog(call: Call, wish: LogWish, onBytes: (bytes: Uint8Array) => void): LogReading {
  const reading = new Reading(call, wish, onBytes);
  return { done: reading.run(), stop: () => reading.stop() };
}

class Reading {
  readonly #call: Call;
  readonly #wish: LogWish;
  readonly #onBytes: (bytes: Uint8Array) => void;
  /** Of the next byte; null: nothing was read yet. */
  #position: number | null = null;
  #lostAt: number | null = null;
  #isStopped = false;
  #stopNow: () => void = () => {};

  constructor(call: Call, wish: LogWish, onBytes: (bytes: Uint8Array) => void) {
    this.#call = call;
    this.#wish = wish;
    this.#onBytes = onBytes;
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopNow();
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      const error = await this.#readOn(this.#wish.follow);
      if (this.#isStopped || (error === null && !this.#wish.follow)) return;
      if (error === null && (await this.#runIsOver())) {
        // What was written while no core was there to send it.
        await this.#readOn(false);
        return;
      }
      if (error !== null && !this.#mayComeBack(error)) {
        if (this.#position !== null && hasNoLog(error)) return; // It was removed while we followed it.
        throw error;
      }
      this.#lostAt ??= performance.now();
      await this.#pause();
    }
  }

  /** A core that ends closes its streams too: only of a run that is over is the end of the stream the end of its output. */
  async #runIsOver(): Promise<boolean> {
    const { name, run } = this.#wish;
    if (run === undefined) return false;
    const detail = await ifAnswered(this.#call.daemon.job(name));
    return detail !== null && !detail.status.runs.some((one) => one.run === run);
  }

  /** Until the stream ends: null, or why it ended too early. */
  #readOn(follow: boolean): Promise<Error | null> {
    const { name, run, stream, beginning } = this.#wish;
    const from = this.#position === null ? ("all" in beginning ? {} : beginning) : { from: this.#position };
    return new Promise((resolve) => {
      const handlers: StreamHandlers = {
        onHead: ({ headers }) => {
          this.#position = Number(headers.get("x-log-position") ?? 0);
          this.#lostAt = null;
        },
        onData: (bytes) => {
          this.#position! += bytes.length;
          this.#onBytes(bytes);
        },
        onEnd: resolve,
      };
      const options = { ...from, follow, stream };
      const { daemon } = this.#call;
      const exchange =
        run === undefined ? daemon.log(name, options, handlers) : daemon.runLog(name, run, options, handlers);
      this.#stopNow = () => {
        exchange.stop();
        resolve(null);
      };
    });
  }

  /** Of an svcd that is only away for a moment: it was there when the log was begun, or when the run was named. */
  #mayComeBack(error: Error): boolean {
    const wasThere = this.#position !== null || (this.#wish.run !== undefined && this.#wish.follow);
    if (!wasThere || !isUnreachable(error)) return false;
    return this.#lostAt === null || performance.now() - this.#lostAt < CORE_IS_AWAY_MS;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, TRY_AGAIN_MS);
      this.#stopNow = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
