/**
 * What people asked for, on the disk before they hear that it is done: written beside, flushed, renamed over, and the
 * directory flushed too (rename(2), fsync(2)). Enabled and disabled last; a stop lasts as long as the machine is up.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
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

  /** A file that cannot be read or understood is said and set aside: nothing of it can be trusted. */
  constructor(path: string, boot: string, say: (line: string) => void) {
    this.#path = path;
    this.#boot = boot;
    this.#stored = read(path, say);
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
      replace(this.#path, `${JSON.stringify(Object.fromEntries(this.#stored), null, 1)}\n`);
    } catch (error) {
      const what = `cannot keep what was asked: ${(error as Error).message}`;
      throw new OperatorError(what, this.#path, "make room on that disk, or make the directory writable for svcd");
    }
  }
}

/** Either all of `text` is there when this returns, or this throws and the old file is as it was. */
function replace(path: string, text: string): void {
  const next = `${path}.next`;
  try {
    writeFileSync(next, text, { mode: 0o600, flush: true });
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

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Half a file beside the old one; the next wish writes over it.
  }
}

function read(path: string, say: (line: string) => void): Map<string, StoredWish> {
  try {
    const all = Object.entries(JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>);
    return new Map(all.filter((entry): entry is [string, StoredWish] => isStoredWish(entry[1])));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    say(
      `${path}: ${(error as Error).message}: what was enabled, disabled or stopped is forgotten; kept as ${path}.bad`,
    );
    try {
      renameSync(path, `${path}.bad`);
    } catch {
      // It stays where it is and is written over at the next wish.
    }
    return new Map();
  }
}

function isStoredWish(value: unknown): value is StoredWish {
  if (typeof value !== "object" || value === null) return false;
  const { enabled, stoppedInBoot } = value as Partial<StoredWish>;
  return (
    (enabled === null || typeof enabled === "boolean") && (stoppedInBoot === null || typeof stoppedInBoot === "string")
  );
}
