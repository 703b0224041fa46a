/**
 * One answer to `GET /v1/services/NAME/logs` (or about a run of a job, see `run-log.ts`): the bytes of a log from some place on, and with `follow` whatever is written
 * afterwards.
 *
 * The file is the buffer: a chunk is read when the reader has taken the one before, so a slow reader costs one chunk of
 * memory and slows nobody. Followers are told how far the log has grown and read it themselves. Across a rotation the
 * file that is open is finished first, then the next one is found by its position, with care (see `log-names.ts`):
 * names move while we look. What is no longer there when its turn
 * comes is replaced by one line that says so.
 */
import type { Writable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import type { LogPosition, StreamName } from "../keeper/messages.ts";
import type { Daemon } from "./daemon.ts";
import { inodeAt, type LogPart, openPart } from "./log-files.ts";
import { LOOK_AGAIN_MS, LOOK_FOR_MS, Names, type Whereabouts } from "./log-names.ts";
import { type Beginning, findStart, type OpenPart, type Start } from "./log-start.ts";

export interface LogRequest {
  readonly name: string;
  readonly stream: StreamName;
  readonly beginning: Beginning;
  readonly follow: boolean;
  /** With `follow`: nothing more will be written, so what is read to its end is all. */
  readonly isOver?: () => boolean;
  /**
   * The first bytes of a log of which the middle is not kept, with a line at their end that says how much is left out; sent
   * before what is `oldest`. The file may not be there.
   */
  readonly headPath?: string;
}

export interface LogPatience {
  /** A reader that takes nothing for this long is disconnected, so that forgotten ones do not pile up. */
  readonly unreadMs: number;
  /** How long the notice about that may take to be delivered. */
  readonly noticeMs: number;
  /** How long to wait to be told where the log stands; then the last known place is used, and the file itself. */
  readonly standsWithinMs: number;
  /** Now and then a follower looks whether the log is still there at all. */
  readonly lookEveryMs: number;
}

export const LOG_PATIENCE: LogPatience = { unreadMs: 60_000, noticeMs: 1_000, standsWithinMs: 300, lookEveryMs: 5_000 };

const NEWLINE = 10;
/** What a reader gets who comes back with a position of an earlier count. */
const LINES_OF_A_NEW_COUNT = 100;

export type LogSource = Pick<Daemon, "log" | "followLog">;

/**
 * Ends when everything asked for is sent, when the reader is gone, or when `stop` is called. `begin` is told the position
 * of the first byte before it is sent. False: there is no such log, and nothing was sent.
 */
export function streamLog(
  source: LogSource,
  request: LogRequest,
  out: Writable,
  begin: (position: number) => void,
  patience: LogPatience = LOG_PATIENCE,
): { readonly done: Promise<boolean>; stop(): void } {
  const reading = new Reading(source, request, new Reader(out, patience), patience);
  return { done: reading.run(begin), stop: () => reading.stop() };
}

class Reading {
  readonly #source: LogSource;
  readonly #request: LogRequest;
  readonly #reader: Reader;
  readonly #patience: LogPatience;
  readonly #news = new News();
  readonly #where: Whereabouts = {
    latest: () => this.#latest(),
    news: (atMostMs) => this.#news.after(this.#news.count, atMostMs),
  };
  readonly #names = new Names(this.#where);
  /** Next byte to send. */
  #at = 0;
  #open: OpenPart | null = null;
  /** The file that was read last, to know its successor by. */
  #before: { readonly base: number; readonly inode: number } | null = null;
  #older: readonly number[] = [];
  /** Skipped, and not told yet. */
  #missed = 0;
  /** All there will ever be has been sent. */
  #isAll = false;

  constructor(source: LogSource, request: LogRequest, reader: Reader, patience: LogPatience) {
    this.#source = source;
    this.#request = request;
    this.#reader = reader;
    this.#patience = patience;
    reader.onGone(() => this.#news.tell());
  }

  stop(): void {
    this.#reader.end();
    this.#reader.isGone = true;
    this.#news.tell();
  }

  async run(begin: (position: number) => void): Promise<boolean> {
    const { name, stream } = this.#request;
    const unfollow = this.#source.followLog(name, stream, (position) => this.#news.tell(position));
    try {
      await this.#news.after(0, this.#patience.standsWithinMs);
      const start = await this.#findStart(this.#request.beginning);
      if (start === null) return false;
      await this.#send(start, begin);
      return true;
    } finally {
      unfollow();
      await this.#close();
    }
  }

  #findStart(beginning: Beginning): Promise<Start | null> {
    return findStart(this.#where, this.#names, beginning);
  }

  #latest(): LogPosition | null {
    const { name, stream } = this.#request;
    const known = this.#source.log(name, stream);
    const told = this.#news.position;
    // Whichever is further; a log that is gone is gone.
    return known === null || told === null || told.path !== known.path || known.position > told.position ? known : told;
  }

  async #send(start: Start, begin: (position: number) => void): Promise<void> {
    const { name, beginning, follow } = this.#request;
    this.#take(start);
    if ("oldest" in beginning) {
      await this.#sendHead(start, begin);
    } else if (!("from" in beginning) || beginning.from === start.at) {
      begin(start.at);
    } else if (beginning.from < start.at) {
      begin(start.at);
      await this.#sayWhatIsGone(start.at - beginning.from);
    }
    if ("from" in beginning && beginning.from > start.end && this.#request.isOver?.() === true) {
      begin(beginning.from); // Nobody counts this log any more, and nothing is added to it.
      return this.#reader.end();
    }
    if ("from" in beginning && beginning.from > start.end) {
      await this.#close();
      const last = await this.#findStart({ lines: LINES_OF_A_NEW_COUNT });
      if (last !== null) this.#take(last);
      begin(this.#at);
      await this.#reader.notice(`the log of ${name} is counted anew since then; its last lines follow`);
    }
    await this.#copy(follow ? Number.POSITIVE_INFINITY : start.end);
    this.#reader.end();
  }

  /** What is sent here is counted before the position of what follows, so that a reader who comes back goes on rightly. */
  async #sendHead({ at: follows, open }: Start, begin: (position: number) => void): Promise<void> {
    const { headPath } = this.#request;
    const head = headPath === undefined ? null : await openPart(headPath, 0);
    // It may have got this name since we opened it by its first one.
    const size = head === null || head.inode === open?.part.inode ? 0 : await head.size();
    begin(follows - size);
    for (let at = 0; at < size && !this.#reader.isGone; ) {
      const bytes = await head!.read(at, size - at);
      if (bytes.length === 0) break;
      at += bytes.length;
      await this.#reader.write(bytes);
    }
    await head?.close();
  }

  #take({ at, open, older }: Start): void {
    this.#at = at;
    this.#open = open;
    this.#older = older;
  }

  async #copy(end: number): Promise<void> {
    while (!this.#reader.isGone && this.#at < end && !this.#isAll) {
      const seen = this.#news.count;
      const isOver = this.#request.isOver?.() === true; // Before the read, too: all of it can be read by now.
      const log = this.#latest(); // Before the read: what it says was written can be read.
      if (log === null) return this.#reader.notice(`${this.#request.name} is gone`);
      if (this.#open !== null && (await this.#wasCleared(this.#open, log))) continue;
      if (this.#open === null && !(await this.#openNext())) {
        if (end !== Number.POSITIVE_INFINITY || isOver) return;
        await this.#news.after(seen, this.#patience.lookEveryMs);
        continue;
      }
      if ((await this.#copyChunk(this.#open!, log, end)) === "more may come") {
        this.#isAll = isOver;
        if (!isOver) await this.#news.after(seen, this.#patience.lookEveryMs);
      }
    }
  }

  async #copyChunk(open: OpenPart, log: LogPosition, end: number): Promise<"more may come" | undefined> {
    const expected = Math.max(log.position - this.#at, 4096);
    const bytes = await this.#read(open, log, Math.min(expected, end - this.#at));
    if (bytes.length > 0) {
      this.#at += bytes.length;
      await this.#reader.write(bytes);
    } else if (open.base !== log.base) {
      await this.#finish(open, log);
    } else if (await this.#wasTruncated(open)) {
      return undefined;
    } else if (end !== Number.POSITIVE_INFINITY) {
      this.#at = end; // It is shorter than was said: there is no more.
    } else {
      return "more may come";
    }
    return undefined;
  }

  /** A rotated file that cannot be read (a broken .gz) counts as ended: the reader hears how much is missing. */
  async #read(open: OpenPart, log: LogPosition, atMost: number): Promise<Buffer> {
    try {
      return await open.part.read(this.#at - open.origin, atMost);
    } catch (error) {
      if (open.base === log.base) throw error;
      return Buffer.alloc(0);
    }
  }

  /** The end of a file that is not written any more. */
  async #finish(open: OpenPart, log: LogPosition): Promise<void> {
    this.#before = { base: open.base, inode: open.part.inode };
    await this.#close();
    const bases = this.#bases(log);
    const index = bases.indexOf(open.base);
    const next = bases[index - 1];
    if (next !== undefined && next > this.#at) this.#skipTo(next);
  }

  /** `svctl clear`: the same file, empty, with a new first position. */
  async #wasCleared(open: OpenPart, log: LogPosition): Promise<boolean> {
    if (open.base === log.base || log.rotated.includes(open.base) || this.#older.includes(open.base)) return false;
    if ((await inodeAt(log.path, 0)) !== open.part.inode) return false;
    open.base = open.origin = this.#at = log.base;
    await this.#reader.notice(`the log of ${this.#request.name} was cleared`);
    return true;
  }

  /** Somebody else emptied the file: what is in it now was written afterwards, and the keeper counted on. */
  async #wasTruncated(open: OpenPart): Promise<boolean> {
    const size = await open.part.size();
    if (open.origin + size >= this.#at) return false;
    await pause(LOOK_AGAIN_MS); // Perhaps it was the keeper, who is about to tell.
    if (this.#latest()?.base !== open.base) return true;
    open.origin = this.#at = Math.max(this.#at, (this.#latest()?.position ?? 0) - size);
    await this.#reader.notice(`the log of ${this.#request.name} was cleared`);
    return true;
  }

  /** False: the file to read next is not there yet. */
  async #openNext(): Promise<boolean> {
    for (let until = performance.now() + LOOK_FOR_MS; !this.#reader.isGone; ) {
      const log = this.#latest();
      if (log === null) return false;
      const bases = this.#bases(log);
      const index = this.#indexOfNext(bases);
      const found = await this.#openIfRight(log, bases, index);
      if (found !== "absent" && found !== "moving") {
        await this.#goOnIn(found, bases[index]!, log);
        return true;
      }
      if (found === "moving" && performance.now() < until) {
        await this.#news.after(this.#news.count, LOOK_AGAIN_MS);
        continue;
      }
      if (index === 0) return false;
      this.#skipTo(bases[index - 1]!);
      this.#before = null;
      until = performance.now() + LOOK_FOR_MS;
    }
    return false;
  }

  /** moving: it may be there under another name by now. */
  async #openIfRight(
    log: LogPosition,
    bases: readonly number[],
    index: number,
  ): Promise<LogPart | "absent" | "moving"> {
    const asked = await this.#names.ask(log);
    const part = await openPart(log.path, index);
    const size = part === null ? 0 : await part.size();
    const fits = index === 0 ? size >= log.position - log.base : size === bases[index - 1]! - bases[index]!;
    const isNextToLast = this.#before !== null && bases[index + 1] === this.#before.base;
    const isStill = await asked.isStill(index + 1, isNextToLast ? this.#before!.inode : null);
    // Of another size than the keeper counted, and that stays so: somebody emptied it.
    const isRight = isStill && ((part !== null && fits) || (await asked.isAtRest()));
    if (isRight) return part ?? "absent";
    await part?.close();
    return "moving";
  }

  async #goOnIn(part: LogPart, base: number, log: LogPosition): Promise<void> {
    // Shorter than the keeper counted: its end is where the keeper goes on.
    const origin = part.index === 0 ? Math.max(base, log.position - (await part.size())) : base;
    if (origin > this.#at) this.#skipTo(origin);
    this.#open = { part, base, origin };
    if (this.#missed > 0) await this.#sayWhatIsGone(this.#missed);
    this.#missed = 0;
  }

  #bases(log: LogPosition): readonly number[] {
    return [log.base, ...log.rotated, ...this.#older];
  }

  /** The one after the file that was read last; else the one that holds the position; else the oldest. */
  #indexOfNext(bases: readonly number[]): number {
    const before = this.#before === null ? -1 : bases.indexOf(this.#before.base);
    if (before > 0) return before - 1;
    const holding = bases.findIndex((base) => base <= this.#at);
    return holding === -1 ? bases.length - 1 : holding;
  }

  #skipTo(position: number): void {
    this.#missed += position - this.#at;
    this.#at = position;
  }

  #sayWhatIsGone(bytes: number): Promise<void> {
    return this.#reader.notice(`${bytes} bytes of ${this.#request.name} were rotated away before they were read`);
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.part.close();
  }
}

/** The last thing that was told about the log, and a way to wait for the next. */
class News {
  count = 0;
  position: LogPosition | null = null;
  #wake: (() => void) | null = null;

  tell(position?: LogPosition): void {
    if (position !== undefined) this.position = position;
    this.count++;
    this.#wake?.();
  }

  /** Until something was told after the `seen`-th time, or so many milliseconds. */
  after(seen: number, atMostMs: number): Promise<void> {
    if (this.count > seen) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), atMostMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }
}

/** The client, with its patience: bytes go out at its pace, and never without end. */
class Reader {
  isGone = false;
  readonly #out: Writable;
  readonly #patience: LogPatience;
  #lastByte = NEWLINE;
  #whenGone: (() => void) | null = null;
  #whenDrained: (() => void) | null = null;

  constructor(out: Writable, patience: LogPatience) {
    this.#out = out;
    this.#patience = patience;
    this.isGone = out.destroyed;
    out.on("drain", () => this.#whenDrained?.());
    out.on("close", () => {
      this.isGone = true;
      this.#whenDrained?.();
      this.#whenGone?.();
    });
  }

  onGone(callback: () => void): void {
    this.#whenGone = callback;
  }

  /** Resolves when the client has room for more, or is gone. */
  async write(bytes: Buffer): Promise<void> {
    if (this.isGone) return;
    this.#lastByte = bytes[bytes.length - 1] ?? this.#lastByte;
    if (this.#out.write(bytes) || (await this.#drained()) || this.isGone) return;
    this.isGone = true;
    this.#out.end(this.#line(`disconnected: nothing was read for ${this.#patience.unreadMs / 1000} s`));
    setTimeout(() => this.#out.destroy(), this.#patience.noticeMs).unref();
  }

  notice(what: string): Promise<void> {
    return this.write(this.#line(what));
  }

  end(): void {
    if (!this.isGone) this.#out.end();
  }

  /** On a line of its own, also after an unfinished one. */
  #line(what: string): Buffer {
    return Buffer.from(`${this.#lastByte === NEWLINE ? "" : "\n"}svcd: ${what}\n`);
  }

  /** False: the patience is at its end, or the client gone. */
  #drained(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => settle(false), this.#patience.unreadMs);
      const settle = (drained: boolean): void => {
        clearTimeout(timer);
        this.#whenDrained = null;
        resolve(drained);
      };
      this.#whenDrained = () => settle(!this.isGone);
    });
  }
}
