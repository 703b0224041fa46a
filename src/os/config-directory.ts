/**
 * The files that people write, as they are now and whenever they change.
 *
 * The file system is the truth, looked at in full; a watcher only says when to look. Its events get lost (queues overflow,
 * directories are replaced), so a look is also taken on each beat: one `stat` a file, contents only where that changed.
 *
 *   event ─▶ look ─▶ a file is different ─▶ quiet for 150 ms, and the same content twice ─▶ onChange, if any content changed
 *
 * Each file has its own quiet time, so one that is being written all the time holds up no other; and files that change
 * together are taken up together.
 */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { BEAT_MS, toBeat } from "../beat.ts";
import type { Mistake } from "../plan/mistake.ts";
import {
  type ConfigFile,
  type ConfigPlaces,
  ConfigReader,
  type ConfigSnapshot,
  type Content,
  type Look,
  looks,
  type Seen,
  snapshotOf,
} from "./config-reader.ts";

export type { ConfigFile, ConfigSnapshot };

export interface ConfigOptions extends ConfigPlaces {
  readonly onChange: (snapshot: ConfigSnapshot) => void;
  /** A line for svcd's log. */
  readonly say: (line: string) => void;
  /** As whom svcd runs; another in tests. */
  readonly uid?: number;
  /** Others in tests. */
  readonly timing?: Partial<typeof TIMING>;
}

const TIMING = {
  /** This long after its last change a file counts as written. */
  quietMs: 150,
  /** How long a file that is written waits for others that are still changing. */
  togetherMs: 100,
  /** From one look to the next, however many events come. */
  betweenLooksMs: 50,
  rescanMs: BEAT_MS,
  /** When nothing tells us of changes. */
  rescanUnwatchedMs: 2_000,
};

/** A difference to what was taken up, waiting to be stable. */
interface Pending {
  /** What was found; null: the file is gone. */
  seen: Seen | null;
  /** Since when it is so. */
  since: number;
}

export class ConfigDirectory {
  readonly #options: ConfigOptions;
  readonly #directories: readonly string[];
  readonly #timing: typeof TIMING;
  readonly #reader: ConfigReader;
  /** What was taken up last, by path. */
  #taken = new Map<string, Seen>();
  #takenDirectories: ReadonlyMap<string, Mistake> = new Map();
  #takenHash = "";
  /** By path; of a directory for its own state. */
  readonly #pending = new Map<string, Pending>();
  #watcher: { close(): Promise<void> } | null = null;
  /** lost: changes are found by looking, and watching is tried again. */
  #watching: "starting" | "on" | "lost" = "starting";
  #watchAgainAt = 0;
  /** Which directories the watcher was put on; null: there was none. */
  #watched: readonly (string | null)[] = [];
  /** Why it was last said that nothing can be watched; the same again is no news. */
  #complaint = "";
  #closed = false;
  #lookAt: NodeJS.Timeout | null = null;
  #lookDue = Number.POSITIVE_INFINITY;
  #lastLook = 0;

  constructor(options: ConfigOptions) {
    this.#options = options;
    this.#directories = [options.services, options.cron];
    this.#timing = { ...TIMING, ...options.timing };
    this.#reader = new ConfigReader(options, options.uid ?? process.geteuid?.() ?? 0);
  }

  /** Everything as it is at this moment, even what is half written. What `onChange` tells does not depend on it. */
  read(): ConfigSnapshot {
    return snapshotOf(this.#reader.look(this.#taken), this.#options);
  }

  /**
   * From now on `onChange` is told of everything that differs from `known`, which `read` has given, once it is written to
   * the end. Resolved when changes are noticed at once; until then, and if that cannot be, they are found by looking.
   */
  async watch(known: ConfigSnapshot): Promise<void> {
    const look = looks.get(known);
    assert(look !== undefined, "what is known was read here");
    this.#taken = new Map(look.files);
    this.#takenDirectories = look.directoryProblems;
    this.#takenHash = known.hash;
    this.#lookAgain(0);
    await this.#startWatcher();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#lookAt !== null) clearTimeout(this.#lookAt);
    await this.#watcher?.close();
  }

  // --- when to look --------------------------------------------------------------------------------------------------

  async #startWatcher(): Promise<void> {
    const { settings } = this.#options;
    const directories = this.#directories;
    const above = new Set([...directories, settings].map((path) => dirname(path)));
    const isOurs = (path: string): boolean =>
      path === settings || above.has(path) || directories.includes(path) || directories.includes(dirname(path));
    this.#watching = "starting";
    this.#watched = directories.map(identityOf);
    try {
      const { watch } = await import("chokidar"); // 9 MB that the first services need not wait for.
      if (this.#closed) return;
      const watcher = watch([...directories, ...above], {
        ignoreInitial: true,
        depth: 0,
        atomic: false,
        // Directories above may hold anything; only what is ours is worth a thought.
        ignored: (path) => !isOurs(path),
      });
      this.#watcher = watcher;
      watcher.on("all", () => this.#lookAgain(0));
      watcher.on("error", (error) => this.#unwatched(watcher, error));
      await new Promise<void>((resolve) => watcher.once("ready", resolve).once("error", () => resolve()));
      if (this.#watcher === watcher) this.#watching = "on";
    } catch (error) {
      this.#unwatched(null, error);
    }
    this.#lookAgain(0); // What happened before the watcher was ready.
  }

  /** A watch sticks to the directory it was put on: one that was made again or swapped by a link needs a new one. */
  #watchTheRightOne(): void {
    const there = this.#directories.map(identityOf);
    switch (this.#watching) {
      case "starting":
        return;
      case "lost":
        if (now() < this.#watchAgainAt) return;
        break;
      case "on": {
        const isAnother = there.some((identity, index) => identity !== null && identity !== this.#watched[index]);
        this.#watched = there;
        if (!isAnother) return; // Of one that is gone the directory above tells when it is back.
      }
    }
    const before = this.#watcher;
    this.#watcher = null;
    void before?.close();
    void this.#startWatcher();
  }

  /** Too many watches on this machine (EMFILE, ENOSPC), or no right to look: then we look more often instead. */
  #unwatched(watcher: { close(): Promise<void> } | null, error: unknown): void {
    if (this.#closed || (watcher !== null && this.#watcher !== watcher)) return;
    this.#watcher = null;
    this.#watching = "lost";
    this.#watchAgainAt = now() + this.#timing.rescanUnwatchedMs;
    void watcher?.close();
    const { code, message } = error as NodeJS.ErrnoException;
    const fix =
      code === "ENOSPC"
        ? ": sysctl fs.inotify.max_user_watches=524288"
        : code === "EMFILE"
          ? ": sysctl fs.inotify.max_user_instances=512"
          : "";
    const every = this.#timing.rescanUnwatchedMs / 1000;
    const complaint = `${this.#directories.join(" and ")} cannot be watched (${message}), so svcd looks at them every ${every} s${fix}`;
    const reason = code ?? message; // The path in the message is another at each attempt.
    if (reason !== this.#complaint) this.#options.say(complaint);
    this.#complaint = reason;
    this.#lookAgain(0); // Whatever it was may have been a change.
  }

  /** At the earliest of all the times that were asked for. */
  #lookAgain(inMs: number): void {
    if (this.#closed) return;
    const due = Math.max(now() + inMs, this.#lastLook + this.#timing.betweenLooksMs);
    if (due >= this.#lookDue) return;
    if (this.#lookAt !== null) clearTimeout(this.#lookAt);
    this.#lookDue = due;
    this.#lookAt = setTimeout(
      () => {
        this.#lookDue = Number.POSITIVE_INFINITY;
        this.#lookAt = null;
        this.#compare();
      },
      Math.max(due - now(), 0),
    );
  }

  // --- what is different -----------------------------------------------------------------------------------------------

  #compare(): void {
    const { quietMs, togetherMs, rescanMs, rescanUnwatchedMs } = this.#timing;
    const look = this.#reader.look(this.#pendingOrTaken());
    const time = now();
    this.#lastLook = time;
    this.#watchTheRightOne();
    this.#note(look, time);
    const waits = [...this.#pending.values()].map(({ since }) => since + quietMs - time);
    const isQuiet = waits.every((wait) => wait <= 0);
    const isEnough = Math.min(...waits) <= -togetherMs;
    if (this.#pending.size > 0 && (isQuiet || isEnough)) this.#takeUp(look, time);
    const left = [...this.#pending.values()].map(({ since }) => Math.max(since + quietMs - time, 1));
    const next =
      left.length > 0
        ? Math.min(...left)
        : this.#watching === "on"
          ? toBeat(monotonicMs(), rescanMs)
          : rescanUnwatchedMs;
    this.#lookAgain(next);
  }

  /** Contents whose stamp is still the same are not read again. */
  #pendingOrTaken(): Map<string, Seen> {
    const known = new Map(this.#taken);
    for (const [path, { seen }] of this.#pending) {
      if (this.#directories.includes(path)) continue;
      if (seen === null) known.delete(path);
      else known.set(path, seen);
    }
    return known;
  }

  #note({ files, directoryProblems }: Look, time: number): void {
    for (const path of new Set([...files.keys(), ...this.#taken.keys(), ...this.#pending.keys()])) {
      if (this.#directories.includes(path)) continue;
      const seen = files.get(path) ?? null;
      const pending = this.#pending.get(path);
      if (pending !== undefined) {
        if (isDifferent(pending.seen, seen)) Object.assign(pending, { seen, since: time });
      } else if (isDifferent(this.#taken.get(path) ?? null, seen)) {
        this.#pending.set(path, { seen, since: time });
      }
    }
    for (const directory of this.#directories) {
      const isAsBefore = directoryProblems.get(directory)?.what === this.#takenDirectories.get(directory)?.what;
      if (isAsBefore) this.#pending.delete(directory);
      else if (!this.#pending.has(directory)) this.#pending.set(directory, { seen: null, since: time });
    }
  }

  /** Everything that has been quiet long enough, if its content is still what it was when it became quiet. */
  #takeUp(look: Look, time: number): void {
    for (const [path, pending] of this.#pending) {
      if (time - pending.since < this.#timing.quietMs) continue;
      if (this.#directories.includes(path)) {
        this.#takeDirectory(path, look);
      } else if (pending.seen === null) {
        this.#taken.delete(path);
      } else {
        // The stamps of two writes within one tick of the kernel's clock are equal: only the content tells.
        const again = this.#reader.seen(path, null);
        if (again === null || !isSame(again.content, pending.seen.content)) {
          Object.assign(pending, { seen: again, since: time });
          continue;
        }
        this.#taken.set(path, again);
      }
      this.#pending.delete(path);
    }
    const taken = { files: new Map(this.#taken), directoryProblems: this.#takenDirectories };
    const snapshot = snapshotOf(taken, this.#options);
    if (snapshot.hash === this.#takenHash) return;
    this.#takenHash = snapshot.hash;
    this.#options.onChange(snapshot);
  }

  #takeDirectory(path: string, { directoryProblems }: Look): void {
    const taken = new Map(this.#takenDirectories);
    const problem = directoryProblems.get(path);
    if (problem === undefined) taken.delete(path);
    else taken.set(path, problem);
    this.#takenDirectories = taken;
  }
}

/** Numbers of inodes are used again, at once by some file systems. */
function identityOf(directory: string): string | null {
  try {
    const { dev, ino, birthtimeMs } = statSync(directory);
    return `${dev}:${ino} ${birthtimeMs}`;
  } catch {
    return null; // The look at its files says why.
  }
}

function isDifferent(one: Seen | null, other: Seen | null): boolean {
  if (one === other) return false;
  return one === null || other === null || one.stamp !== other.stamp || !isSame(one.content, other.content);
}

function isSame(one: Content, other: Content): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function now(): number {
  return performance.now();
}

/** The beat is of the machine, and `now` counts from the start of this process. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}
