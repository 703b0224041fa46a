/**
 * svcd's own log: what svcd did and what it could not do, a line or a few for each, on stderr and in a file.
 *
 *   2026-11-22 21:35:13.123 web: STARTING → RUNNING (up 1 s)
 *   2026-11-22 21:35:14.001 warning: mistakes in the files, all else goes on:
 *     services.d/api.yaml:3:1: unknown key `enviroment`
 *
 * Services come first: lines go to stderr from the beginning and are kept, until there is time to open the file. A log that
 * cannot be written is no reason for anything else to stop: it is tried again, and lines that found no room are counted.
 *
 * Lines as these need no library: one costs the core 5 MB, and ten thousand jobs a third of its time.
 */
import { ConsoleWriter } from "./console-writer.ts";
import { plainText } from "./last-lines.ts";
import { LineFile } from "./line-file.ts";

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
const RETRY_AFTER_MS = 10_000;
const MAX_SIZE = 10_000_000;
const MAX_FILES = 3;

export class SvcdLog {
  level: LogLevel;
  readonly #options: SvcdLogOptions;
  readonly #console: ConsoleWriter;
  readonly #file: LineFile;
  /** It is open. */
  #isReady = false;
  /** Lines for the file while it is not open. */
  #kept: string[] = [];
  #dropped = 0;
  /** Bytes that a full disk did not take, since it was told last. */
  #lostBytes = 0;
  #retry: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(options: SvcdLogOptions) {
    this.#options = options;
    this.level = options.level ?? "info";
    this.#console = new ConsoleWriter(options.consoleFd ?? 2);
    this.#file = new LineFile({
      path: options.file,
      maxSizeBytes: options.maxSizeBytes ?? MAX_SIZE,
      mostFiles: MAX_FILES,
      onLost: (bytes, error) => this.#lose(bytes, error),
      onWritten: () => this.#tellLost(),
      onClosed: (error) => this.#cannotOpen(error),
    });
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
    await this.#file.open();
    this.#writeKept();
  }

  /** Resolved when the file has all lines, or is not there to take them. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    await this.#file.close();
    this.#console.flush();
  }

  #add(level: LogLevel, text: string): void {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(this.level)) return;
    const record = asRecord(level, text, new Date());
    if (this.#isReady) this.#file.write(`${record}\n`);
    else this.#keep(record);
    this.#console.write(`${record}\n`);
  }

  #keep(record: string): void {
    this.#kept.push(record);
    if (this.#kept.length <= MOST_KEPT) return;
    this.#kept.shift();
    this.#dropped++;
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
  #writeKept(): void {
    if (!this.#file.isOpen) return;
    this.#isReady = true;
    const missing =
      this.#dropped === 0 ? [] : [asRecord("warn", `${this.#dropped} earlier messages are missing here`, new Date())];
    const kept = [...missing, ...this.#kept];
    this.#kept = [];
    this.#dropped = 0;
    if (kept.length > 0) this.#file.write(`${kept.join("\n")}\n`);
  }

  #cannotOpen(error: Error): void {
    this.#isReady = false;
    if (this.#closed || this.#retry !== null) return;
    const { file: path, retryAfterMs = RETRY_AFTER_MS } = this.#options;
    this.#toConsole("warn", `${path} cannot be opened (${error.message}); it is tried again`);
    this.#retry = setTimeout(() => {
      this.#retry = null;
      void this.openFile();
    }, retryAfterMs);
    this.#retry.unref();
  }
}

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
