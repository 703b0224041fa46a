/**
 * Files that decide who gets in, and so must be nobody else's: not writable by others, and in no folder in which others could
 * put another file in their place. What `StrictModes` of sshd asks for; folders like /tmp count as safe, because in a sticky
 * one nobody can rename what is another's.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";

export type SafeText =
  | { readonly is: "text"; readonly text: string }
  | { readonly is: "missing" }
  | { readonly is: "refused"; readonly what: string; readonly where: string; readonly fix: string };

export interface Rules {
  /** Who we are: files may be ours or root's. */
  readonly uid: number;
  /** Nobody else may even read it. */
  readonly isSecret: boolean;
  readonly mostBytes: number;
}

export function readSafely(path: string, rules: Rules): SafeText {
  let fd: number;
  let real: string;
  try {
    real = realpathSync(path);
    fd = openSync(real, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { is: "missing" };
    return {
      is: "refused",
      what: `it cannot be read: ${message}`,
      where: path,
      fix: "let this service's user read it",
    };
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return { is: "refused", what: "it is no file", where: path, fix: "put a file in its place" };
    const unsafe = unsafeFile(real, stats, rules) ?? unsafeFolder(real, rules);
    if (unsafe !== null) return unsafe;
    if (stats.size > rules.mostBytes)
      return {
        is: "refused",
        what: `it has ${stats.size} bytes`,
        where: path,
        fix: `at most ${rules.mostBytes} are read`,
      };
    const bytes = Buffer.alloc(rules.mostBytes + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got) {
      got = readSync(fd, bytes, length, bytes.length - length, null);
    }
    return { is: "text", text: bytes.toString("utf8", 0, length) };
  } catch (error) {
    return { is: "refused", what: `it cannot be read: ${(error as Error).message}`, where: path, fix: "try again" };
  } finally {
    closeSync(fd);
  }
}

/** Changes when the file does. */
export function signature(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "unknown";
  }
}

type Refused = Extract<SafeText, { is: "refused" }>;

function unsafeFile(path: string, stats: Stats, { uid, isSecret }: Rules): Refused | null {
  const others = isSecret ? 0o077 : 0o022;
  if (stats.uid !== 0 && stats.uid !== uid) return foreign(path, stats, uid);
  if ((stats.mode & others) === 0) return null;
  const may = isSecret ? "read" : "write";
  const mode = (stats.mode & 0o777).toString(8);
  return {
    is: "refused",
    what: `others may ${may} it (mode ${mode})`,
    where: path,
    fix: isSecret ? `chmod 600 ${path}` : `chmod go-w ${path}`,
  };
}

function unsafeFolder(path: string, { uid }: Rules): Refused | null {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const stats = statSync(folder);
    if (stats.uid !== 0 && stats.uid !== uid) return foreign(folder, stats, uid);
    const isSticky = (stats.mode & 0o1000) !== 0;
    if ((stats.mode & 0o022) !== 0 && !isSticky)
      return {
        is: "refused",
        what: "others may put files into this folder",
        where: folder,
        fix: `chmod go-w ${folder}`,
      };
    if (folder === dirname(folder)) return null;
  }
}

function foreign(path: string, stats: Stats, uid: number): Refused {
  return {
    is: "refused",
    what: `it belongs to somebody else (uid ${stats.uid})`,
    where: path,
    fix: `chown ${uid} ${path}`,
  };
}
