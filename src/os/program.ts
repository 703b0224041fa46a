/**
 * Which file a command means, and whether the kernel could run it. What it would refuse with a bare errno (or what a C
 * library would then feed to `sh`) is said here in words: the interpreter that a script asks for is missing, the file has
 * Windows line ends, it was built for another machine.
 */
import { accessSync, closeSync, constants, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";

export interface Where {
  /** PATH of the service's own environment. */
  readonly path: string;
  /** Absolute. Relative programs and relative entries of PATH start here. */
  readonly cwd: string;
}

export type Found = { readonly ok: true; readonly file: string } | ({ readonly ok: false } & Flaw);

export interface Flaw {
  readonly cause: string;
  /** Stays so until a person does something; an I/O error or a server that does not answer may pass. */
  readonly permanent: boolean;
}

/** What execvp(3) uses when PATH is not set. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export function findProgram(program: string, where: Where): Found {
  const found = program.includes("/") ? atPath(program, where.cwd) : onPath(program, where);
  if (!found.ok) return found;
  const flaw = formatFlaw(found.file, where);
  return flaw === null ? found : { ok: false, ...permanent(flaw) };
}

/** For conditions: there is such a program, and it may be executed. */
export function hasProgram(program: string, where: Where): boolean {
  return (program.includes("/") ? atPath(program, where.cwd) : onPath(program, where)).ok;
}

function atPath(program: string, cwd: string): Found {
  const file = isAbsolute(program) ? program : resolve(cwd, program);
  const flaw = accessFlaw(file);
  return flaw === null ? { ok: true, file } : { ok: false, ...flaw };
}

function onPath(program: string, { path, cwd }: Where): Found {
  let closest: Flaw | null = null;
  for (const folder of path.split(":")) {
    const file = resolve(cwd, folder, program); // An empty entry means the working directory.
    const flaw = accessFlaw(file);
    if (flaw === null) return { ok: true, file };
    if (isThere(file)) closest ??= flaw;
  }
  return { ok: false, ...(closest ?? permanent(`${program}: not found on PATH of this service: ${path}`)) };
}

function permanent(cause: string): Flaw {
  return { cause, permanent: true };
}

function accessFlaw(file: string): Flaw | null {
  try {
    const stat = statSync(file);
    if (stat.isDirectory()) return permanent(`${file}: is a directory, not a program`);
    if (!stat.isFile()) return permanent(`${file}: is no regular file and so no program`);
    accessSync(file, constants.X_OK);
    return null;
  } catch (error) {
    switch ((error as NodeJS.ErrnoException).code) {
      case "ENOENT":
        return permanent(`${file}: does not exist`);
      case "ENOTDIR":
        return permanent(`${file}: does not exist: a part of the path is a file`);
      case "ELOOP":
        return permanent(`${file}: is a symbolic link that leads in a circle`);
      case "EACCES":
        return permanent(isThere(file) ? notExecutable(file) : `${file}: svcd may not look into its directory`);
      default:
        return { cause: `${file}: ${(error as Error).message}`, permanent: false };
    }
  }
}

function notExecutable(file: string): string {
  const anybodyMay = (statSync(file).mode & 0o111) !== 0;
  if (!anybodyMay) return `${file}: is not executable: chmod +x ${file}`;
  const mount = mountOf(file);
  if (mount?.options.includes("noexec")) {
    return `${file}: lies on ${mount.point}, which is mounted noexec: nothing there may be executed`;
  }
  return `${file}: permission denied: see ls -l ${file}`;
}

/**
 * false also where we may not look: a folder on PATH that is closed to us, a link that leads in a circle. Where looking itself
 * fails (an I/O error) nothing is known, and nobody shall hear that it is missing.
 */
function isThere(file: string): boolean {
  try {
    return statSync(file, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    return !["EACCES", "ELOOP", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? "");
  }
}

/** The mount that a path lies on, as /proc/self/mounts tells it. */
function mountOf(path: string): { readonly point: string; readonly options: readonly string[] } | null {
  let closest: { point: string; options: string[] } | null = null;
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [, point, , options] = line.split(" ");
    if (point === undefined || options === undefined) continue;
    const isAbove = point === "/" || path === point || path.startsWith(`${point}/`);
    if (isAbove && point.length >= (closest?.point.length ?? 0)) closest = { point, options: options.split(",") };
  }
  return closest;
}

// --- what is in the file ---------------------------------------------------------------------------------------------

/** As much as the kernel looks at (BINPRM_BUF_SIZE is 256) and the place where linkers put the loader's name. */
const HEAD = 4096;

/** Why the kernel would not run an executable file, or null. */
export function formatFlaw(file: string, where: Where): string | null {
  const head = headOf(file);
  if (head === null) return null; // May be executed but not read: the kernel knows.
  if (head.length === 0) return `${file}: is empty`;
  if (head.subarray(0, 4).equals(ELF_MAGIC)) return elfFlaw(file, head);
  const firstLine = head.toString("latin1").split("\n", 1)[0] as string;
  if (firstLine.startsWith("#!")) return scriptFlaw(file, firstLine, where);
  if (otherFormatsAreRegistered()) return null;
  if (head.subarray(0, 256).includes(0)) return `${file}: is no program that this kernel can run`;
  return `${file}: is a text file without a #! line: add one that names its interpreter, such as #!/bin/sh`;
}

function headOf(file: string): Buffer | null {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch {
    return null;
  }
  try {
    const head = Buffer.alloc(HEAD);
    return head.subarray(0, readSync(fd, head, 0, HEAD, 0));
  } catch {
    return null;
  } finally {
    closeSync(fd);
  }
}

function scriptFlaw(file: string, firstLine: string, where: Where): string | null {
  if (firstLine.endsWith("\r")) {
    const asked = firstLine.slice(2, -1).trim();
    return `${file}: has Windows line ends, so it asks for an interpreter called "${asked}\\r": sed -i 's/\\r$//' ${file}`;
  }
  const [, interpreter = "", rest = ""] = /^#![ \t]*(\S*)[ \t]*(.*)$/.exec(firstLine) ?? [];
  if (interpreter === "") return `${file}: its #! line names no interpreter`;
  if (!isAbsolute(interpreter)) {
    return `${file}: its #! line names ${interpreter} without a full path: write #!/usr/bin/env ${interpreter}`;
  }
  if (!isThere(interpreter)) return `${file}: its #! line asks for ${interpreter}, which does not exist`;
  if (!/\/env$/.test(interpreter)) return null;
  const asked = programOfEnv(rest.trim());
  if (asked === null || hasProgram(asked, where)) return null;
  return `${file}: its #! line asks for ${asked}, which is not on PATH of this service: ${where.path}`;
}

/** The program that `#!/usr/bin/env …` would look for; null: it is not that simple. */
function programOfEnv(rest: string): string | null {
  const words = rest.startsWith("-S") ? rest.slice(2).trim().split(/\s+/) : [rest];
  const program = words.find((word) => !word.includes("="));
  return program === undefined || program === "" || /^-|\s|["'\\$]/.test(program) ? null : program;
}

const ELF_MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);
/** e_machine of elf(5) for the machines that Node calls x64 and arm64. */
const MACHINES: Readonly<Record<number, string>> = { 3: "ia32", 40: "arm", 62: "x64", 183: "arm64", 243: "riscv64" };
/** The 32-bit programs that a 64-bit kernel of that kind usually runs too. */
const SIBLINGS: Readonly<Record<string, string>> = { x64: "ia32", arm64: "arm" };
const PT_INTERP = 3;

function elfFlaw(file: string, head: Buffer): string | null {
  const is64Bit = head[4] === 2;
  const isLittleEndian = head[5] === 1;
  if (head.length < 64 || !isLittleEndian) return null; // The kernel knows better.
  const machine = MACHINES[head.readUInt16LE(18)];
  if (machine !== undefined && machine !== process.arch && machine !== SIBLINGS[process.arch]) {
    return otherFormatsAreRegistered() ? null : `${file}: is built for ${machine}, and this machine is ${process.arch}`;
  }
  const loader = is64Bit ? loaderOf(head) : null;
  if (loader === null || isThere(loader)) return null;
  const hint = loader.includes("musl") ? ": it was built for Alpine or another system with musl" : "";
  return `${file}: needs the loader ${loader}, which is not on this machine${hint}`;
}

/** PT_INTERP of a 64-bit program. Without it the program is static; a name beyond the head is left to the kernel. */
function loaderOf(head: Buffer): string | null {
  const table = Number(head.readBigUInt64LE(32));
  const entrySize = head.readUInt16LE(54);
  const count = head.readUInt16LE(56);
  for (let entry = table; entry < table + count * entrySize && entry + 56 <= head.length; entry += entrySize) {
    if (entrySize < 56 || head.readUInt32LE(entry) !== PT_INTERP) continue;
    const from = Number(head.readBigUInt64LE(entry + 8));
    const size = Number(head.readBigUInt64LE(entry + 32));
    return from + size <= head.length ? head.toString("latin1", from, from + size - 1) : null;
  }
  return null;
}

/** binfmt_misc (qemu-user, Java, Wine …): then files without a known format may run all the same. */
function otherFormatsAreRegistered(): boolean {
  try {
    return readdirSync("/proc/sys/fs/binfmt_misc").some((name) => name !== "register" && name !== "status");
  } catch {
    return false;
  }
}
