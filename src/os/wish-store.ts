/**
 * What people asked for, on the disk before they hear that it is done: written beside, flushed, renamed over, and the
 * directory flushed too (rename(2), fsync(2)). Enabled and disabled last; a stop lasts as long as the machine is up.
 *
 * A disk that takes nothing costs only that: wishes hold in memory, `failing` says so, and they are written once it does.
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
}

export class WishStore implements Wishes {
  readonly #path: string;
  readonly #boot: string;
  readonly #stored: Map<string, StoredWish>;
  #failing: string | null = null;

  /** A file that cannot be read or understood is said and set aside: nothing of it can be trusted. */
  constructor(path: string, boot: string, say: (line: string) => void) {
    this.#path = path;
    this.#boot = boot;
    this.#stored = read(path, say);
    try {
      accessSync(dirname(path), constants.W_OK);
    } catch (error) {
      this.#failing = (error as Error).message; // A read-only place is told before anybody asks for anything.
    }
  }

  /** Why what people ask for would be forgotten when svcd ends; null: it would not. */
  get failing(): string | null {
    return this.#failing;
  }

  tryAgain(): void {
    if (this.#failing === null) return;
    try {
      this.#write();
    } catch {
      // As before; `failing` says it.
    }
  }

  of(service: string): Wish {
    const stored = this.#stored.get(service);
    if (stored === undefined) return noWish;
    return { enabled: stored.enabled, stopped: stored.stoppedInBoot === this.#boot };
  }

  save(changes: ReadonlyMap<string, Wish>): void {
    for (const [service, { enabled, stopped }] of changes) {
      if (enabled === null && !stopped) this.#stored.delete(service);
      else this.#stored.set(service, { enabled, stoppedInBoot: stopped ? this.#boot : null });
    }
    try {
      this.#write();
    } catch (error) {
      const what = `cannot keep what was asked: ${(error as Error).message}`;
      throw new OperatorError(what, this.#path, "make room on that disk, or make the directory writable for svcd");
    }
  }

  #write(): void {
    try {
      replace(this.#path, `${JSON.stringify(Object.fromEntries(this.#stored), null, 1)}\n`);
      this.#failing = null;
    } catch (error) {
      this.#failing = (error as Error).message;
      throw error;
    }
  }
}

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

function read(path: string, say: (line: string) => void): Map<string, StoredWish> {
  try {
    return wishesIn(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
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
    return wishesIn(`${path}.prev`);
  } catch {
    return null;
  }
}

function wishesIn(path: string): Map<string, StoredWish> {
  const all = Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>);
  return new Map(all.filter((entry): entry is [string, StoredWish] => isStoredWish(entry[1])));
}

function isStoredWish(value: unknown): value is StoredWish {
  if (typeof value !== "object" || value === null) return false;
  const { enabled, stoppedInBoot } = value as Partial<StoredWish>;
  return (
    (enabled === null || typeof enabled === "boolean") && (stoppedInBoot === null || typeof stoppedInBoot === "string")
  );
}
