/**
 * What people asked for, on the disk before they hear that it is done: written beside, flushed, renamed over, and the
 * directory flushed too (rename(2), fsync(2)). Enabled and disabled last; a stop lasts as long as the machine is up.
 *
 * A file that cannot be read for the moment (an I/O error, no descriptor free) is read once it can be, and never written over
 * until then. A disk that takes nothing costs only that: wishes hold in memory, `failing` says so, and they are written once it does.
 * The file before the last change stays as `.prev`: half a file can only come from elsewhere (a restored backup, a broken
 * disk), and then one change is lost instead of all.
 */
import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { noWish, OperatorError, type Wish, type Wishes } from "../ports.ts";

interface StoredWish {
  readonly enabled: boolean | null;
  /** The boot in which it was stopped. */
  readonly stoppedInBoot: string | null;
  /** Absent: a person stopped it. */
  readonly because?: string;
}

export class WishStore implements Wishes {
  readonly #path: string;
  readonly #boot: string;
  readonly #say: (line: string) => void;
  #stored = new Map<string, StoredWish>();
  /** Why the file could not be read yet; what stands in it is still so. null: it has been. */
  #unread: string | null = "never tried";
  #failing: string | null = null;

  constructor(path: string, boot: string, say: (line: string) => void) {
    this.#path = path;
    this.#boot = boot;
    this.#say = say;
    this.#read();
    try {
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      this.#failing = (error as Error).message; // A read-only place is told before anybody asks for anything.
    }
  }

  /** Why what people ask for would be forgotten when svcd ends; null: it would not. */
  get failing(): string | null {
    return this.#unread ?? this.#failing;
  }

  tryAgain(): void {
    this.#read();
    if (this.#failing === null) return;
    try {
      this.#write();
    } catch {
      // As before; `failing` says it.
    }
  }

  of(service: string): Wish {
    this.#read();
    const stored = this.#stored.get(service);
    if (stored === undefined) return noWish;
    const stopped = stored.stoppedInBoot === this.#boot;
    return { enabled: stored.enabled, stopped, ...(stopped && stored.because ? { because: stored.because } : {}) };
  }

  save(changes: ReadonlyMap<string, Wish>): void {
    this.#read();
    for (const [service, { enabled, stopped, because }] of changes) {
      if (enabled === null && !stopped && this.#unread === null) this.#stored.delete(service);
      else {
        const reason = stopped && because !== undefined ? { because } : {};
        this.#stored.set(service, { enabled, stoppedInBoot: stopped ? this.#boot : null, ...reason });
      }
    }
    try {
      this.#write();
    } catch (error) {
      const what = `cannot keep what was asked: ${(error as Error).message}`;
      throw new OperatorError(what, this.#path, "make room on that disk, or make the directory writable for svcd");
    }
  }

  /** Until it has been: a fault of the disk that passes must cost nobody's word. */
  #read(): void {
    if (this.#unread === null) return;
    const before = this.#unread;
    for (let tries = 0; this.#unread !== null && tries < TRIES_AT_ONCE; tries++) {
      try {
        const wishes = wishesIn(readFileSync(this.#path, "utf8"), this.#path, this.#say);
        this.#stored = new Map([...wishes, ...this.#stored]); // What was asked meanwhile is newer.
        this.#unread = null;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        this.#unread = code === "ENOENT" ? null : message;
      }
    }
    if (this.#unread === null || this.#unread === before) return;
    this.#say(
      `${this.#path}: ${this.#unread}: what was enabled, disabled or stopped is not known until it can be read`,
    );
  }

  #write(): void {
    try {
      if (this.#unread !== null) throw new Error(`what was asked before cannot be read: ${this.#unread}`);
      replace(this.#path, `${JSON.stringify(Object.fromEntries(this.#stored), null, 1)}\n`);
      this.#failing = null;
    } catch (error) {
      this.#failing = (error as Error).message;
      throw error;
    }
  }
}

/** A call that failed once by chance is made again before anybody hears of it. */
const TRIES_AT_ONCE = 3;

/** Either all of `text` is there when this returns, or this throws and the old file is as it was. */
function replace(path: string, text: string): void {
  const next = `${path}.next`;
  try {
    writeFileSync(next, text, { mode: 0o600, flush: true });
    keepPrevious(path);
    renameSync(next, path);
  } catch (error) {
    removeQuietly(next);
    throw error;
  }
  const directory = openSync(dirname(path), "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** A second name for the file that is about to be replaced. */
function keepPrevious(path: string): void {
  try {
    rmSync(`${path}.prev`, { force: true });
    linkSync(path, `${path}.prev`);
  } catch {
    // There was none, or there are no links here: what counts is the file itself.
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Half a file beside the old one; the next wish writes over it.
  }
}

/** A text that cannot be understood is said and set aside: nothing of it can be trusted. */
function wishesIn(text: string, path: string, say: (line: string) => void): Map<string, StoredWish> {
  try {
    return parsed(text);
  } catch (error) {
    const before = previous(path);
    const counts =
      before === null
        ? "what was enabled, disabled or stopped is forgotten"
        : "what was asked before its last change counts";
    say(`${path}: ${(error as Error).message}: ${counts}; kept as ${path}.bad`);
    try {
      renameSync(path, `${path}.bad`);
    } catch {
      // It stays where it is and is written over at the next wish.
    }
    return before ?? new Map();
  }
}

function previous(path: string): Map<string, StoredWish> | null {
  try {
    return parsed(readFileSync(`${path}.prev`, "utf8"));
  } catch {
    return null;
  }
}

function parsed(text: string): Map<string, StoredWish> {
  const all = Object.entries(JSON.parse(text) as Record<string, unknown>);
  return new Map(all.filter((entry): entry is [string, StoredWish] => isStoredWish(entry[1])));
}

function isStoredWish(value: unknown): value is StoredWish {
  if (typeof value !== "object" || value === null) return false;
  const { enabled, stoppedInBoot, because } = value as Partial<StoredWish>;
  if (because !== undefined && typeof because !== "string") return false;
  return (
    (enabled === null || typeof enabled === "boolean") && (stoppedInBoot === null || typeof stoppedInBoot === "string")
  );
}
