/**
 * The crontab of one user in `cron.d`, as its owner knows it.
 *
 * The file is called after the user. What svcd runs as root would run as root, so the crontab of another user begins with
 * `# svcd: user=NAME`: that line is ours, put in front when a text is installed and taken away when it is shown.
 *
 * A text is written beside its place and renamed into it, so that svcd never reads half. Whoever replaces a crontab has a lock
 * on `cron.d` for that moment, and an editor says which text it began with: what somebody else has installed meanwhile is
 * not overwritten. What was there before stays beside as `.NAME.before`, for the `-r` that was meant to be `-e`.
 */
import { spawnSync } from "node:child_process";
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Account, accountOf } from "../os/accounts.ts";
import { jobFileKind } from "../plan/cron-directory.ts";
import { EXIT, Failure } from "./failure.ts";

/** Somebody else installs his crontab just now: that takes milliseconds. */
const LOCK_WAIT_S = 10;

/** As whom the svcd runs that reads this directory: it belongs to him, or whoever makes it will. */
export interface Owner {
  readonly uid: number;
  readonly name: string | null;
}

export function ownerOf(directory: string, uid: number): Owner {
  let existing = directory;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  // Only root can put files there that belong to somebody else.
  const owner = uid === 0 ? statSync(existing).uid : uid;
  return { uid: owner, name: accountOf(String(owner))?.name ?? null };
}

export class CrontabFile {
  readonly path: string;
  readonly user: Account;
  readonly #directory: string;
  readonly #owner: Owner;
  readonly #firstLine: Buffer;

  constructor(directory: string, user: Account, uid: number) {
    this.#directory = directory;
    this.#owner = ownerOf(directory, uid);
    this.user = user;
    if (this.#owner.uid !== 0 && this.#owner.uid !== user.uid) {
      const whose = this.#owner.name ?? `uid ${this.#owner.uid}`;
      throw new Failure(EXIT.failed, `the svcd of ${whose} cannot run anything as ${user.name}`, {
        where: directory,
        fix: `write -u ${whose}, or use an svcd that runs as root`,
      });
    }
    this.#firstLine = Buffer.from(this.#owner.uid === user.uid ? "" : `# svcd: user=${user.name}\n`);
    this.path = join(directory, crontabNameOf(user.name));
  }

  get before(): string {
    return beforeOf(this.path);
  }

  /** null: there is none. */
  read(): Buffer | null {
    const bytes = bytesAt(this.path);
    if (bytes === null) return null;
    if (bytes.subarray(0, this.#firstLine.length).equals(this.#firstLine)) {
      return bytes.subarray(this.#firstLine.length);
    }
    throw new Failure(EXIT.failed, `what is called like the crontab of ${this.user.name} is none: it runs as root`, {
      where: this.path,
      fix: `rename that file; or, if it is meant for ${this.user.name}, begin it with: ${this.#firstLine.toString().trim()}`,
    });
  }

  /** "changed": it is no longer what it was when the edit began, and stays as it is. */
  replace(text: Buffer, began?: Buffer | null): "done" | "changed" {
    makeDirectory(this.#directory, this.#owner);
    return locked(this.#directory, () => {
      const current = this.read();
      if (began !== undefined && !isSame(current, began)) return "changed";
      if (current?.equals(text) === true) return "done";
      if (current !== null) write(this.before, bytesAt(this.path)!, this.#owner);
      write(this.path, Buffer.concat([this.#firstLine, text]), this.#owner);
      return "done";
    });
  }

  remove(): "done" | "not there" {
    if (this.read() === null) return "not there";
    return locked(this.#directory, () => {
      if (this.read() === null) return "not there";
      atTheDisk(this.path, () => renameSync(this.path, this.before));
      return "done";
    });
  }
}

/** cron.d takes letters, digits, `_` and `-`; users may be called otherwise. */
export function crontabNameOf(user: string): string {
  const name = user.replace(/[^A-Za-z0-9_-]/g, "_");
  return jobFileKind(name) === null ? `${name}_` : name; // A user called `readme`.
}

function beforeOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.before`);
}

function isSame(one: Buffer | null, other: Buffer | null): boolean {
  return one === null || other === null ? one === other : one.equals(other);
}

export function bytesAt(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw cannot("read", path, error);
  }
}

export function makeDirectory(directory: string, { uid }: Owner): void {
  if (existsSync(directory)) return;
  atTheDisk(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (process.getuid!() === 0) chownSync(directory, uid, statSync(dirname(directory)).gid);
  });
}

/** One writer at a time. The lock is the kernel's, on the directory itself, and gone with its holder. */
export function locked<T>(directory: string, act: () => T): T {
  const fd = atTheDisk(directory, () => openSync(directory, constants.O_RDONLY));
  try {
    // The lock belongs to the open file, which flock(1) inherits: it stays ours when flock has ended.
    const { status, error } = spawnSync("flock", ["--exclusive", "--wait", String(LOCK_WAIT_S), "3"], {
      stdio: ["ignore", "ignore", "ignore", fd],
    });
    if (error !== undefined) {
      throw new Failure(EXIT.failed, `flock does not run: ${error.message}`, { fix: "install it (util-linux)" });
    }
    if (status !== 0) {
      throw new Failure(EXIT.failed, `somebody else has held the lock for ${LOCK_WAIT_S} s; nothing was written`, {
        where: directory,
        fix: `see who: fuser -v ${directory}`,
      });
    }
    return act();
  } finally {
    closeSync(fd);
  }
}

/** Whole or not at all, also when the machine fails. A link leads to the file that is meant, and stays. */
export function write(path: string, bytes: Buffer, { uid }: Owner): void {
  atTheDisk(path, () => {
    const place = existsSync(path) ? realpathSync(path) : path;
    const beside = join(dirname(place), `.${basename(place)}.${process.pid}`);
    try {
      const fd = openSync(beside, "wx", 0o600);
      try {
        if (process.getuid!() === 0) fchownSync(fd, uid, statSync(dirname(place)).gid);
        for (let rest = bytes; rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(beside, place);
    } catch (error) {
      rmSync(beside, { force: true });
      throw error;
    }
    const directory = openSync(dirname(place), constants.O_RDONLY);
    fsyncSync(directory);
    closeSync(directory);
  });
}

function atTheDisk<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof Failure || (error as NodeJS.ErrnoException).code === undefined) throw error;
    throw cannot("write", path, error);
  }
}

function cannot(verb: "read" | "write", path: string, error: unknown): Failure {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === "EACCES" || code === "EPERM" ? `you may not ${verb} it` : message;
  return new Failure(EXIT.failed, `cannot ${verb} the crontab: ${reason}`, {
    where: path,
    fix: code === "ENOSPC" ? "make room on that disk" : `see ls -ld ${path} ${dirname(path)}`,
  });
}
