/**
 * svcd's own log: what svcd did and what it could not do, a line or a few for each, on stderr and in a file.
 *
 *   2026-11-22 21:35:13.123 web: STARTING → RUNNING (up 1 s)
 *   2026-11-22 21:35:14.001 warning: mistakes in the files, all else goes on:
 *     services.d/api.yaml:3:1: unknown key `enviroment`
 *
 * Services come first: lines go to stderr from the beginning and are kept, until there is time to load winston and to open
 * the file. A log that cannot be written is no reason for anything else to stop: it is tried again, and lines that found no
 * room are counted.
 */
import { close, fstatSync, mkdirSync, open, statSync, write } from "node:fs";
import { dirname } from "node:path";
import { Writable } from "node:stream";
import type { Logger, transport as Transport } from "winston";
import { ConsoleWriter } from "./console-writer.ts";
import { plainText } from "./last-lines.ts";

export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface SvcdLogOptions {
  readonly file: string;
  readonly level?: LogLevel;
  /** Others in tests. */
  readonly consoleFd?: number;
  readonly retryAfterMs?: number;
  readonly maxSizeBytes?: number;
}

/** Lines that wait for the file: enough for a start with many services, little enough to forget about. */
const MOST_KEPT = 500;
/** winston holds what the disk has not taken yet: a thousand services may start at once; beyond that the disk hangs. */
const MOST_UNDER_WAY = 10_000;
const RETRY_AFTER_MS = 10_000;
/** How often a write looks whether the file at the path is still ours (deleted, its directory replaced). */
const LOOK_EVERY_MS = 1_000;
const MAX_SIZE = 10_000_000;
const MAX_FILES = 3;

type Winston = typeof import("winston");

export class SvcdLog {
  level: LogLevel;
  readonly #options: SvcdLogOptions;
  readonly #console: ConsoleWriter;
  #logger: Logger | null = null;
  #winston: Winston | null = null;
  #file: Transport | null = null;
  /** Lines for the file while it is not open. */
  #kept: string[] = [];
  #dropped = 0;
  /** Bytes that a full disk did not take, since it was told last. */
  #lostBytes = 0;
  #lookAt = 0;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: SvcdLogOptions) {
    this.#options = options;
    this.level = options.level ?? "info";
    this.#console = new ConsoleWriter(options.consoleFd ?? 2);
    process.once("exit", () => this.#console.flush());
  }

  error(text: string): void {
    this.#add("error", text);
  }

  warn(text: string): void {
    this.#add("warn", text);
  }

  info(text: string): void {
    this.#add("info", text);
  }

  debug(text: string): void {
    this.#add("debug", text);
  }

  /** To be called when nothing urgent is left to do. */
  async openFile(): Promise<void> {
    const loaded = await import("winston");
    if (this.#closed) return;
    this.#winston = "default" in loaded ? (loaded.default as Winston) : loaded;
    const { createLogger, format, transports } = this.#winston;
    const stream = new Writable({
      decodeStrings: false,
      write: (line: string, _, done) => {
        this.#console.write(line);
        done();
      },
    });
    this.#logger = createLogger({
      level: LOG_LEVELS.at(-1) as LogLevel, // What is too detailed was left out before.
      format: format.printf(({ message }) => String(message)),
      transports: [new transports.Stream({ stream })],
    });
    this.#logger.on("error", (error: Error) => this.#cannotOpen(error));
    this.#openFile();
  }

  /** Resolved when the file has all lines, or is not there to take them. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    const logger = this.#logger;
    if (logger !== null) {
      this.#logger = null;
      const file = this.#file;
      const written =
        file === null
          ? Promise.resolve()
          : new Promise((resolve) => file.once("finish", resolve).once("error", resolve));
      logger.end();
      await written;
    }
    this.#console.flush();
  }

  #add(level: LogLevel, text: string): void {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(this.level)) return;
    const record = asRecord(level, text, new Date());
    const isStuck = this.#logger !== null && this.#logger.writableLength > MOST_UNDER_WAY;
    if (this.#file === null) this.#keep(record);
    else if (isStuck) this.#lostBytes += Buffer.byteLength(record) + 1;
    if (this.#logger === null || isStuck) this.#console.write(`${record}\n`);
    else this.#logger.log(level, record);
  }

  #keep(record: string): void {
    this.#kept.push(record);
    if (this.#kept.length <= MOST_KEPT) return;
    this.#kept.shift();
    this.#dropped++;
  }

  #openFile(): void {
    const { file, maxSizeBytes = MAX_SIZE } = this.#options;
    const { transports } = this.#winston as Winston;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      const transport = new transports.File({
        filename: file,
        maxsize: maxSizeBytes,
        maxFiles: MAX_FILES,
        tailable: true, // svcd.log is always the newest, svcd1.log the one before.
        options: { flags: "a", mode: 0o600, fs: this.#patientFiles() },
      });
      this.#file = transport;
      this.#logger?.add(transport);
      this.#writeKept(transport);
    } catch (error) {
      this.#cannotOpen(error as Error);
    }
  }

  /**
   * The file functions of winston's transport. It has no answer to an error (it would wait for the file for ever and keep
   * every line in memory), so it gets none: what a full disk does not take is counted and told when there is room again.
   */
  #patientFiles(): object {
    return {
      close,
      open: (path: string, flags: string, mode: number, done: (error: Error | null, fd?: number) => void) => {
        open(path, flags, mode, (error, fd) => {
          if (error !== null) this.#cannotOpen(error);
          done(error, fd);
        });
      },
      write: (
        fd: number,
        bytes: Buffer,
        from: number,
        length: number,
        _position: unknown,
        done: (error: null, written: number, bytes: Buffer) => void,
      ) => {
        write(fd, bytes, from, length, null, (error, written) => {
          if (error === null) this.#tellLost();
          else this.#lose(length, error);
          this.#look(fd);
          done(null, error === null ? written : length, bytes);
        });
      },
    };
  }

  /** Nobody reads a file that is no longer there: the next line goes to a new one. */
  #look(fd: number): void {
    if (performance.now() < this.#lookAt) return;
    this.#lookAt = performance.now() + LOOK_EVERY_MS;
    if (isAt(fd, this.#options.file)) return;
    setImmediate(() => {
      const file = this.#file;
      if (file === null || this.#closed) return;
      this.#file = null;
      this.#logger?.remove(file);
      this.#openFile();
    });
  }

  #lose(bytes: number, error: Error): void {
    if (this.#lostBytes === 0) this.#toConsole("warn", `${this.#options.file} cannot be written: ${error.message}`);
    this.#lostBytes += bytes;
  }

  #tellLost(): void {
    if (this.#lostBytes === 0) return;
    const bytes = this.#lostBytes;
    this.#lostBytes = 0;
    setImmediate(() => this.warn(`${bytes} bytes of this log are missing before this line: it could not be written`));
  }

  #toConsole(level: LogLevel, text: string): void {
    this.#console.write(`${asRecord(level, text, new Date())}\n`);
  }

  /** What was on the console before goes to the file alone. */
  #writeKept(file: Transport): void {
    const missing =
      this.#dropped === 0 ? [] : [asRecord("warn", `${this.#dropped} earlier messages are missing here`, new Date())];
    const kept = [...missing, ...this.#kept];
    this.#kept = [];
    this.#dropped = 0;
    // All at once: the transport takes what it gets as one text.
    if (kept.length > 0) file.write({ [LEVEL]: "info", [MESSAGE]: kept.join("\n") });
  }

  #cannotOpen(error: Error): void {
    const file = this.#file;
    this.#file = null;
    if (file !== null) this.#logger?.remove(file);
    if (this.#closed || this.#retry !== null) return;
    const { file: path, retryAfterMs = RETRY_AFTER_MS } = this.#options;
    this.#toConsole("warn", `${path} cannot be opened (${error.message}); it is tried again`);
    this.#retry = setTimeout(() => {
      this.#retry = null;
      this.#openFile();
    }, retryAfterMs);
    this.#retry.unref();
  }
}

function isAt(fd: number, path: string): boolean {
  try {
    const [ours, there] = [fstatSync(fd), statSync(path)];
    return ours.ino === there.ino && ours.dev === there.dev;
  } catch {
    return false;
  }
}

/** Where winston's transports look for the level and the finished text of a record (triple-beam). */
const LEVEL = Symbol.for("level");
const MESSAGE = Symbol.for("message");

const LABELS: Readonly<Record<LogLevel, string>> = { error: "error: ", warn: "warning: ", info: "", debug: "" };

/** What services say gets in here too: nothing in it may look like another record, or move a terminal's cursor. */
function asRecord(level: LogLevel, text: string, at: Date): string {
  const lines = text.trimEnd().split("\n").map(plainText);
  return `${localTime(at)} ${LABELS[level]}${lines.join("\n  ")}`;
}

/** `2026-11-22 21:35:13.123` as the clock on the wall shows it. */
function localTime(at: Date): string {
  const two = (part: number): string => String(part).padStart(2, "0");
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return `${date} ${time}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}
