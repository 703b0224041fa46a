/**
 * A file that gets lines and never holds anybody up: one write is under way at a time, outside the main thread, and takes all
 * that has come meanwhile. It is rotated by size (`svcd.log` is the newest, `svcd1.log` the one before), and made anew where
 * somebody has deleted it or replaced its directory. What a disk does not take is counted, and told by whoever owns this.
 */
import { close, fstat, mkdirSync, open, renameSync, type Stats, statSync, write } from "node:fs";
import { dirname, extname } from "node:path";

export interface LineFileOptions {
  readonly path: string;
  /** About: it is looked at behind each write. */
  readonly maxSizeBytes: number;
  /** The current one included. */
  readonly mostFiles: number;
  /** The disk did not take so many bytes. */
  readonly onLost: (bytes: number, error: Error) => void;
  /** It took something. */
  readonly onWritten: () => void;
  /** It cannot be opened (any more), and gets nothing until `open` is called again. */
  readonly onClosed: (error: Error) => void;
}

/** How often a write looks whether the file at the path is still ours. */
const LOOK_EVERY_MS = 1_000;
/** A disk that hangs gets no more than this; beyond it lines are lost, and counted. */
const MOST_WAITING = 4 * 1_048_576;

export class LineFile {
  readonly #options: LineFileOptions;
  #fd: number | null = null;
  #size = 0;
  #waiting = "";
  #isBusy = false;
  #lookAt = 0;
  #whenIdle: (() => void) | null = null;

  constructor(options: LineFileOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#fd !== null;
  }

  /** Resolved when it is open, or `onClosed` has said why not. */
  open(): Promise<void> {
    return new Promise((done) => {
      this.#isBusy = true;
      this.#open(() => {
        this.#isBusy = false;
        this.#next();
        done();
      });
    });
  }

  /** Whole lines with their newlines. */
  write(text: string): void {
    if (this.#waiting.length + text.length > MOST_WAITING) {
      this.#options.onLost(Buffer.byteLength(text), new Error("the disk does not answer"));
      return;
    }
    this.#waiting += text;
    this.#next();
  }

  /** Resolved when all is written, or cannot be. */
  async close(): Promise<void> {
    if (this.#isBusy) await new Promise<void>((idle) => (this.#whenIdle = idle));
    this.#closeFile();
  }

  #next(): void {
    if (this.#isBusy) return;
    if (this.#waiting === "" || this.#fd === null) return this.#idle();
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = "";
    this.#isBusy = true;
    this.#write(this.#fd, bytes, 0);
  }

  #idle(): void {
    this.#whenIdle?.();
    this.#whenIdle = null;
  }

  #write(fd: number, bytes: Buffer, from: number): void {
    write(fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error !== null) this.#options.onLost(bytes.length - from, error);
      else {
        this.#size += written;
        if (from + written < bytes.length) return this.#write(fd, bytes, from + written);
        this.#options.onWritten();
      }
      this.#afterWrite();
    });
  }

  #afterWrite(): void {
    const goOn = (): void => {
      this.#isBusy = false;
      this.#next();
    };
    if (this.#size >= this.#options.maxSizeBytes) {
      this.#rotate();
      return this.#open(goOn);
    }
    if (performance.now() < this.#lookAt || this.#fd === null) return goOn();
    this.#lookAt = performance.now() + LOOK_EVERY_MS;
    fstat(this.#fd, (error, stat) => {
      if (error === null && isAt(this.#options.path, stat)) goOn();
      else this.#open(goOn); // Nobody reads a file that is no longer there.
    });
  }

  #rotate(): void {
    const { path, mostFiles } = this.#options;
    const ending = extname(path);
    const nameOf = (n: number): string => (n === 0 ? path : `${path.slice(0, -ending.length)}${n}${ending}`);
    for (let n = mostFiles - 2; n >= 0; n--) {
      try {
        renameSync(nameOf(n), nameOf(n + 1));
      } catch {
        // There is none yet, or the directory takes no change: then this one goes on.
      }
    }
  }

  #open(then: () => void): void {
    const { path, onClosed } = this.#options;
    this.#closeFile();
    const failed = (error: Error): void => {
      onClosed(error);
      then();
    };
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    } catch (error) {
      return failed(error as Error);
    }
    open(path, "a", 0o600, (error, fd) => {
      if (error !== null) return failed(error);
      fstat(fd, (_, stat) => {
        this.#fd = fd;
        this.#size = stat?.size ?? 0;
        then();
      });
    });
  }

  #closeFile(): void {
    if (this.#fd !== null) close(this.#fd, () => {});
    this.#fd = null;
  }
}

function isAt(path: string, { ino, dev }: Stats): boolean {
  try {
    const there = statSync(path);
    return there.ino === ino && there.dev === dev;
  } catch {
    return false;
  }
}
