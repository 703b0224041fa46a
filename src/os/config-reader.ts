/**
 * One look at the files that people write: which there are, what is in them, and what is wrong with them as files (rights,
 * size, names, what is no file at all). What was not touched since the last look is not read again.
 */
import { createHash } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { distrust, jobFileKind, LARGEST_CRONTAB_BYTES, whyNoJobFile } from "../plan/cron-directory.ts";
import { isMisnamed, isServiceFile } from "../plan/directory.ts";
import type { Mistake } from "../plan/mistake.ts";

export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

export interface ConfigSnapshot {
  /** Of services.d, in the order of their names; null: it cannot be used now, so nothing is known about services. */
  readonly files: readonly ConfigFile[] | null;
  /** The same of cron.d, and of jobs; one that does not exist has no files. */
  readonly jobs: readonly ConfigFile[] | null;
  /** null: there is none. */
  readonly settings: ConfigFile | null;
  /**
   * What could not be read and why, each with the path as its `file`. What such a file described before is not gone:
   * it is unknown.
   */
  readonly problems: readonly Mistake[];
  /** Equal if and only if all of the above is. */
  readonly hash: string;
}

export interface ConfigPlaces {
  /** services.d */
  readonly services: string;
  /** cron.d */
  readonly cron: string;
  /** svcd.yaml */
  readonly settings: string;
}

const LARGEST_FILE = 256 * 1024;
/** In one directory. */
const MOST_FILES = 5_000;
/** Of all files together: what the core holds in memory. */
const MOST_TEXT = 64 * 1024 * 1024;
/** Kernels stamp files with the time of the last tick: 10 ms ago at most, and some file systems are coarser. */
const COARSEST_CLOCK_MS = 50;

/** What we know about one file. */

export type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "problem"; readonly what: string; readonly fix: string };

export interface Look {
  /** By path; what was found. */
  readonly files: ReadonlyMap<string, Seen>;
  /** By directory: why it cannot be used; its files are then those of the last time. */
  readonly directoryProblems: ReadonlyMap<string, Mistake>;
}

export interface Seen {
  /** Changes whenever the file is written, replaced or given other rights. */
  readonly stamp: string;
  /** Read so soon after it was written that another write could have left the same stamp. */
  readonly isFresh: boolean;
  readonly content: Content;
}

export class ConfigReader {
  readonly #places: ConfigPlaces;
  readonly #uid: number;

  constructor(places: ConfigPlaces, uid: number) {
    this.#places = places;
    this.#uid = uid;
  }

  /** What `known` has of untouched files is not read again. */
  look(known: ReadonlyMap<string, Seen>): Look {
    const { services, cron, settings } = this.#places;
    const files = new Map<string, Seen>();
    const directoryProblems = new Map<string, Mistake>();
    for (const directory of [services, cron]) {
      const listed = this.#list(directory);
      if (Array.isArray(listed)) {
        for (const name of listed) {
          const path = `${directory}/${name}`;
          const seen = this.seen(path, known.get(path) ?? null);
          if (seen !== null) files.set(path, seen);
        }
      } else {
        directoryProblems.set(directory, listed);
        // What was in it is unknown, not gone.
        for (const [path, seen] of known) if (path !== settings && dirname(path) === directory) files.set(path, seen);
      }
    }
    const seen = this.seen(settings, known.get(settings) ?? null);
    if (seen !== null) files.set(settings, seen);
    return { files, directoryProblems };
  }

  #list(directory: string): string[] | Mistake {
    const isCron = directory === this.#places.cron;
    try {
      const stat = statSync(directory);
      const flaw = this.#rightsFlaw(directory, stat);
      if (flaw !== null) return problemOf(directory, flaw.what, flaw.fix);
      const names = isCron ? namesInCron(directory) : readdirSync(directory).filter(mayBeServices);
      names.sort();
      if (names.length <= MOST_FILES) return names;
      const [noun, plural] = isCron ? ["job", "jobs"] : ["service", "services"];
      return problemOf(
        directory,
        `it holds ${names.length} ${noun} files; svcd reads at most ${MOST_FILES}`,
        `put several ${plural} into one file, under \`${plural}:\``,
      );
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // Who has no jobs needs no cron.d; services.d is missing by mistake only.
      if (code === "ENOENT" && isCron) return [];
      if (code === "ENOENT")
        return problemOf(
          directory,
          "the directory does not exist; what runs goes on as it was",
          `mkdir -p ${directory}`,
        );
      if (code === "EACCES")
        return problemOf(
          directory,
          "svcd may not read the directory; what runs goes on as it was",
          `see ls -ld ${directory}`,
        );
      if (code === "ENOTDIR")
        return problemOf(
          directory,
          "it is not a directory; what runs goes on as it was",
          "make a directory of this name",
        );
      return problemOf(directory, `the directory cannot be read: ${message}`, "what runs goes on as it was");
    }
  }

  /** `known` itself while the file is untouched; null: there is no such file. */
  seen(path: string, known: Seen | null): Seen | null {
    try {
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) return lstatSync(path, { throwIfNoEntry: false }) === undefined ? null : DANGLING;
      return known !== null && known.stamp === stampOf(stat) && !known.isFresh ? known : this.#readFile(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return null; // Removed in this moment.
      const what = code === "EACCES" ? "svcd may not read it" : `it cannot be read: ${message}`;
      return { stamp: what, isFresh: true, content: { kind: "problem", what, fix: `see ls -l ${path}` } };
    }
  }

  #readFile(path: string): Seen {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // A FIFO at this path must not hold us up.
    try {
      const stat = fstatSync(fd);
      const isFresh = Date.now() - Math.max(stat.mtimeMs, stat.ctimeMs) < COARSEST_CLOCK_MS;
      const content = this.#flawOf(path, stat) ?? contentOf(fd, stat.size, this.#mostBytes(path));
      return { stamp: stampOf(stat), isFresh, content };
    } finally {
      closeSync(fd);
    }
  }

  #flawOf(path: string, stat: Stats): Content | null {
    const isJob = dirname(path) === this.#places.cron && path !== this.#places.settings;
    if (isJob && isCrontab(path)) return this.#whyNotTrusted(path, stat);
    if (!stat.isFile())
      return { kind: "problem", what: "it is not a regular file", fix: "remove it, or give it another name" };
    const misnamed = isJob ? whyNoJobFile(basename(path)) : null;
    if (misnamed !== null) return { kind: "problem", what: misnamed.what, fix: misnamed.fix };
    if (!isJob && path !== this.#places.settings && isMisnamed(basename(path))) {
      const what = "svcd does not take it up: names are of letters, digits and . _ - and end in .yaml, .yml or .conf";
      return { kind: "problem", what, fix: "give it such a name" };
    }
    return this.#rightsFlaw(path, stat);
  }

  #mostBytes(path: string): number {
    return dirname(path) === this.#places.cron && isCrontab(path) ? LARGEST_CRONTAB_BYTES : LARGEST_FILE;
  }

  /** cron's own rule. */
  #whyNotTrusted(path: string, stat: Stats): Content | null {
    const link = lstatSync(path, { throwIfNoEntry: false });
    const linkUid = link?.isSymbolicLink() === true ? link.uid : null;
    const { uid, nlink: links } = stat;
    const flaw = distrust({ isRegular: stat.isFile(), uid, mode: stat.mode & 0o7777, links, linkUid }, this.#uid);
    if (flaw === null || (stat.isFile() && isReadOnlyMount(path))) return null;
    return { kind: "problem", what: `${flaw.what}, so svcd does not use it`, fix: flaw.fix.replace("FILE", path) };
  }

  /** Whoever may change what root runs is root. */
  #rightsFlaw(path: string, { uid, mode }: Stats): Extract<Content, { kind: "problem" }> | null {
    if (this.#uid !== 0) return null;
    const isForeign = uid !== 0;
    if ((!isForeign && (mode & 0o022) === 0) || isReadOnlyMount(path)) return null;
    const refused = "so svcd, which runs as root, does not use it";
    if (isForeign) {
      return {
        kind: "problem",
        what: `it belongs to the user with number ${uid}, ${refused}`,
        fix: `chown root ${path}`,
      };
    }
    const who = (mode & 0o002) !== 0 ? "everybody may write to it" : "its group may write to it";
    return { kind: "problem", what: `${who}, ${refused}`, fix: `chmod go-w ${path}` };
  }
}

export function snapshotOf(look: Look, { services, cron, settings: settingsPath }: ConfigPlaces): ConfigSnapshot {
  const { files, directoryProblems } = look;
  const texts = new Map<string, ConfigFile[]>([
    [services, []],
    [cron, []],
  ]);
  const problems: Mistake[] = [...directoryProblems.values()];
  let settings: ConfigFile | null = null;
  let length = 0;
  for (const path of [...files.keys()].sort()) {
    const { content } = files.get(path) as Seen;
    const isSettings = path === settingsPath;
    const directory = dirname(path);
    if (directoryProblems.has(directory) && !isSettings) continue;
    if (content.kind === "problem") {
      problems.push(problemOf(path, content.what, content.fix));
    } else if (isSettings) {
      settings = { path, text: content.text };
    } else {
      length += content.text.length;
      if (length > MOST_TEXT) problems.push(problemOf(path, TOO_MUCH, "make some of them smaller"));
      else texts.get(directory)!.push({ path, text: content.text });
    }
  }
  const textsOf = (directory: string) => (directoryProblems.has(directory) ? null : texts.get(directory)!);
  const known = { files: textsOf(services), jobs: textsOf(cron), settings, problems };
  const snapshot = { ...known, hash: createHash("sha256").update(JSON.stringify(known)).digest("base64url") };
  looks.set(snapshot, look);
  return snapshot;
}

/** What a snapshot was made from: where a watch begins. */
export const looks = new WeakMap<ConfigSnapshot, Look>();

const TOO_MUCH = "the files of services and jobs together are larger than 64 MiB";
const DANGLING: Seen = {
  stamp: "dangling",
  isFresh: false,
  content: {
    kind: "problem",
    what: "it is a symbolic link to a file that does not exist",
    fix: "restore that file, or remove the link",
  },
};

function mayBeServices(name: string): boolean {
  return isServiceFile(name) || isMisnamed(name);
}

/** Folders are somebody's way to put files aside. */
function namesInCron(directory: string): string[] {
  const entries = readdirSync(directory, { withFileTypes: true }).filter((entry) => !entry.isDirectory());
  return entries.map(({ name }) => name).filter((name) => jobFileKind(name) !== null || whyNoJobFile(name) !== null);
}

function isCrontab(path: string): boolean {
  return jobFileKind(basename(path))?.includes("crontab") ?? false;
}

function problemOf(file: string, what: string, fix: string): Mistake {
  return { file, line: 1, column: 1, what, fix, text: "" };
}

function stampOf({ ino, dev, size, mtimeMs, ctimeMs }: Stats): string {
  return `${dev}:${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

function contentOf(fd: number, size: number, mostBytes: number): Content {
  if (size > mostBytes) {
    return {
      kind: "problem",
      what: `it is larger than ${mostBytes / 1024} KiB`,
      fix: "split it into several files",
    };
  }
  const bytes = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (let got = -1; got !== 0 && length < bytes.length; length += got) {
    got = readSync(fd, bytes, length, bytes.length - length, null);
  }
  return { kind: "text", text: bytes.toString("utf8", 0, length) };
}

/** Kubernetes mounts ConfigMaps with rights for everybody, but read-only. */
function isReadOnlyMount(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EROFS";
  }
}
