/**
 * The core, as the keeper keeps it: started, listened to, started again whenever it ends. A core that ends again and again
 * is started with growing pauses, while services and their logs go on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import { BEAT_MS, toBeat } from "../beat.ts";
import { apart } from "./apart.ts";
import { encode, messageReader, type Order, type Report } from "./messages.ts";
import { monotonicMs, readStat } from "./process-identity.ts";

const FIRST_PAUSE_MS = 50;
/** For cores that never come up: a broken installation. */
const LONGEST_PAUSE_MS = 10_000;
/** For cores that were in charge: nobody shall be without one for long, however often it is killed. */
const LONGEST_PAUSE_AFTER_READY_MS = 250;
/** A core that lived this long has proven itself: the next end is a first one. Ending each time after it costs a fifth of a CPU. */
const PROVEN_AFTER_MS = 1_000;
/**
 * A core that is well answers a ping within milliseconds; one whose event loop stands still for so long (a bug, a hung file
 * system, SIGSTOP) supervises nobody and is replaced: it is made for that. Asked no more often than on each beat, because what
 * matters at once (a stop of svcd) has a shorter limit of its own.
 */
const ANSWERS_WITHIN_MS = BEAT_MS;
/** The first round may be longer, so that the next ping is on the beat, and hardly shorter. */
const LONGEST_ROUND_MS = 2 * ANSWERS_WITHIN_MS - 1_000;
/** When our own alarm is so late, we did not run either (a suspended machine): the silence proves nothing. */
const ASLEEP_MS = 2_000;
/** Growth of logs is told only while the core keeps up; it will be told again. */
const MOST_UNREAD_BYTES = 262_144;

export interface CoreProcessOptions {
  readonly execArgv: readonly string[];
  readonly file: string;
  readonly args: readonly string[];
  readonly onStart: (pid: number) => void;
  readonly onOrders: (orders: Order[]) => void;
  /** It ended and will be started again. */
  readonly onEnd: () => void;
  readonly say: (line: string) => void;
  readonly answersWithinMs?: number;
}

export class CoreProcess {
  starts = 0;
  /** Has any core been in charge? */
  hadOne = false;
  #options: CoreProcessOptions;
  #child: ChildProcess | null = null;
  #channel: Socket | null = null;
  #startedAt = 0;
  #endsInRow = 0;
  /** Those of them, the last ones, that never were in charge. */
  #failuresInRow = 0;
  #isReady = false;
  #isLeaving = false;
  /** When the ping that is not answered yet was sent; null: none is under way. */
  #pingedAt: number | null = null;
  /** An older core (svcd was downgraded) does not know the question. */
  #hasAnswered = false;
  #nextPing: NodeJS.Timeout | null = null;

  constructor(options: CoreProcessOptions) {
    this.#options = options;
  }

  start(): void {
    const { execArgv, file, args, onStart, onOrders } = this.#options;
    this.starts++;
    this.#startedAt = monotonicMs();
    this.#isReady = false;
    let child: ChildProcess;
    try {
      child = apart(() =>
        spawn(process.execPath, [...execArgv, file, ...args], {
          // Its own session: Ctrl-C on the terminal is the keeper's to interpret.
          detached: true,
          stdio: ["ignore", "inherit", "inherit", "pipe"],
        }),
      );
    } catch (error) {
      this.#endsInRow++;
      this.#failuresInRow++;
      this.#startLater(`could not be started: ${(error as Error).message}`);
      return;
    }
    this.#child = child;
    child.on("error", (error) => this.#ended(`could not be started: ${error.message}`));
    child.on("exit", (code, signal) => this.#ended(signal === null ? `exit ${code}` : `killed by ${signal}`));
    // Without descriptors to spare Node makes no channel, and tells "error" later.
    const channel = child.stdio?.[3] as unknown as Socket | undefined;
    if (channel === undefined || channel === null) return;
    this.#channel = channel;
    channel.setEncoding("utf8");
    channel.on("data", messageReader<Order>(onOrders));
    channel.on("error", () => {}); // It ended: "exit" follows.
    if (child.pid !== undefined) onStart(child.pid);
    this.#hasAnswered = false;
    this.#ping();
  }

  /** Its event loop turns. */
  answered(): void {
    this.#hasAnswered = true;
    this.#pingedAt = null;
  }

  /** A core that hears nothing any more (stopped, or lost in a hung file system) is replaced: it is made for that. */
  kill(): void {
    this.#child?.kill("SIGKILL");
  }

  /** Nothing is queued for a core that is not there: the next one is told everything in its hello. */
  tell(report: Report): void {
    const channel = this.#channel;
    if (!channel?.writable) return;
    if (channel.writableCorked === 0) {
      // What happens in one turn is told at once: each write wakes the core, which is slower than a start.
      channel.cork();
      process.nextTick(() => channel.uncork());
    }
    channel.write(encode(report));
  }

  get keepsUp(): boolean {
    return this.#channel !== null && this.#channel.writableLength < MOST_UNREAD_BYTES;
  }

  /** The next end is on purpose. */
  expectEnd(): void {
    this.#endsInRow = -1;
  }

  /** The present core is in charge. */
  ready(): void {
    this.#isReady = true;
    this.hadOne = true;
    this.#failuresInRow = 0;
  }

  /** Ends of cores that were well say nothing about what is asked of the core from now on. */
  forgiveEnds(): void {
    this.#endsInRow = this.#failuresInRow;
  }

  /** One after the other ended, and none is in charge. */
  get isCrashLooping(): boolean {
    return this.#endsInRow >= 3 && !this.#isReady;
  }

  /** `then`: it has ended. */
  leave(then: () => void): void {
    this.#isLeaving = true;
    this.#endPings();
    if (this.#child === null) return then();
    this.#child.once("exit", then);
    this.#channel?.end();
  }

  #ping(): void {
    const now = monotonicMs();
    const withinMs = this.#options.answersWithinMs ?? toBeat(now, LONGEST_ROUND_MS);
    this.#pingedAt = now;
    this.tell({ is: "ping" });
    this.#nextPing = setTimeout(() => this.#replaceIfSilent(now + withinMs), withinMs);
  }

  #replaceIfSilent(dueAt: number): void {
    const isSilent = this.#pingedAt !== null && (this.#hasAnswered || !this.#isReady);
    if (!isSilent) return this.#ping();
    const state = this.#child?.pid === undefined ? null : (readStat(this.#child.pid)?.state ?? null);
    const isHeldByADebugger = state === "t";
    if (isHeldByADebugger || monotonicMs() - dueAt > ASLEEP_MS) return this.#ping();
    const seconds = Math.round((monotonicMs() - (this.#pingedAt ?? dueAt)) / 1000);
    this.#options.say(
      `svcd: the core has not answered for ${seconds} s (its process is in state ${state}); replacing it`,
    );
    this.kill();
  }

  #endPings(): void {
    if (this.#nextPing !== null) clearTimeout(this.#nextPing);
    this.#nextPing = null;
    this.#pingedAt = null;
  }

  #ended(how: string): void {
    if (this.#child === null) return;
    this.#child = null;
    this.#endPings();
    this.#channel?.destroy();
    this.#channel = null;
    if (this.#isLeaving) return;
    const wasProven = monotonicMs() - this.#startedAt >= PROVEN_AFTER_MS;
    this.#endsInRow = wasProven && this.#endsInRow > 0 ? 1 : this.#endsInRow + 1;
    if (!this.#isReady) this.#failuresInRow++;
    this.#startLater(how);
    this.#options.onEnd();
  }

  #startLater(how: string): void {
    const pause = Math.max(
      pauseMs(this.#endsInRow, LONGEST_PAUSE_AFTER_READY_MS),
      pauseMs(this.#failuresInRow, LONGEST_PAUSE_MS),
    );
    this.#isReady = false;
    if (this.#endsInRow > 0) {
      this.#options.say(`svcd: the core ended (${how}); services go on; next core in ${pause} ms`);
    }
    setTimeout(() => this.start(), pause);
  }
}

function pauseMs(inRow: number, longest: number): number {
  return inRow <= 1 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (inRow - 2), longest);
}
