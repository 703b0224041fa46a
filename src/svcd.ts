/**
 * `svcd`: the daemon's front door. Reads the arguments, makes the directories, takes the lock and becomes the keeper. What
 * the keeper must not carry in its memory (reading of files, HTTP) is in the core, a file beside this one.
 */
import { existsSync, lstatSync, realpathSync, type Stats, statSync, write } from "node:fs";
import { dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Chosen, chooseContainment } from "./keeper/containment.ts";
import { closeInheritedFiles } from "./keeper/inherited-files.ts";
import { Keeper, makeDirectory } from "./keeper/keeper.ts";
import { lock, takesNothing } from "./keeper/lock.ts";
import { beginAnewBelowSubreaper } from "./keeper/subreaper.ts";
import { places } from "./places.ts";

declare const SVCD_VERSION: string | undefined;
const version = typeof SVCD_VERSION === "string" ? SVCD_VERSION : "dev";

const LOOK_AT_DIRECTORY = "look at the owner and the space of that directory";

const HELP = `svcd ${version}: runs the services of services.d and keeps them running.

  svcd [--root DIR]           run in the foreground
  svcd --check [--root DIR]   read all files, print every mistake, start nothing (exit 1 if there are mistakes)

  --root DIR   services.d, run, state and log are all in DIR (or SVCD_ROOT; without: /etc/svcd, /run/svcd, …)
  --version    print the version
  --help       print this

Talk to it with svctl: svctl status, svctl logs -f NAME, svctl why NAME, svctl shutdown.
Signals: TERM and INT stop everything in order, HUP reads the files again.
`;

interface Arguments {
  readonly root: string | null;
  readonly mode: "run" | "check" | "help" | "version";
}

/**
 * The core decides a few times a second at most, so code that is optimised pays for itself never: without the optimising
 * compilers it uses no more CPU, and their 8 MB of Node's program need not be in memory.
 */
const CORE_FLAGS = ["--no-opt", "--no-maglev"];

/** sun_path of Linux has 108 bytes, the last one for a NUL. */
const LONGEST_SOCKET_PATH = 107;

function main(): void {
  const args = readArguments(process.argv.slice(2));
  const { env } = process;
  const where = places({ root: args.root, env, uid: process.getuid?.() ?? 0, exists: existsSync });
  if (args.mode === "help") process.stdout.write(HELP);
  else if (args.mode === "version") process.stdout.write(`${version}\n`);
  else if (args.mode === "check") void import(pathToFileURL(sibling("check")).href).then(({ check }) => check(where));
  else run(args, where);
}

function run(args: Arguments, where: ReturnType<typeof places>): void {
  if (!existsSync("/proc/self/stat")) {
    const what = "there is no /proc, by which svcd tells its processes from others";
    fail(what, "/proc", "mount it, also in a chroot or a mount namespace: mount -t proc proc /proc");
  }
  closeInheritedFiles();
  if (args.root === null && process.getuid?.() !== 0 && !process.env["HOME"]) {
    fail("HOME is not set, so there is no place for services.d, state and logs", null, "set HOME, or give --root DIR");
  }
  const socketBytes = Buffer.byteLength(where.socket);
  if (socketBytes > LONGEST_SOCKET_PATH) {
    const what = `the path of the control socket has ${socketBytes} bytes, and Linux allows ${LONGEST_SOCKET_PATH}`;
    fail(what, where.socket, "use a shorter --root (or SVCD_ROOT, XDG_RUNTIME_DIR)");
  }
  // Whoever made /tmp/svcd-UID before us could put another run directory in the place of ours.
  const above = dirname(where.run);
  const ours = above === `/tmp/svcd-${process.getuid?.()}` ? [above, where.run, where.state] : [where.run, where.state];
  const missing = [...ours, where.log].filter((directory) => {
    const fix = "run svcd as a user who may write there, or choose another --root";
    return !attempt("cannot make the directory", directory, fix, () => isMade(directory, directory !== where.run));
  });
  const there = ours.filter((directory) => !missing.includes(directory));
  for (const directory of there) requireOwn(directory);
  const contained = contain(where.run);
  // Both: as a user, the run directory depends on how one has logged in, and the state directory does not.
  for (const directory of there) if (directory === where.run || directory === where.state) takeLock(directory, args);
  const coreArgs = args.root === null ? [] : ["--root", args.root];
  const core = { execArgv: [...process.execArgv, ...CORE_FLAGS], file: sibling("core"), args: coreArgs };
  const keeper = attempt(
    "cannot use the run directory",
    where.run,
    LOOK_AT_DIRECTORY,
    () => new Keeper({ runDir: where.run, logMode: 0o600, core, say, contained }),
  );
  keeper.start();
}

/** How the processes of a run are known. Where no cgroup can hold them, svcd begins anew below a subreaper, if there is one. */
function contain(runDir: string): Chosen {
  const { SVCD_CONTAINMENT: asked, PATH } = process.env;
  if (asked !== undefined && asked !== "cgroup" && asked !== "subreaper" && asked !== "scan") {
    wrongWords(
      `SVCD_CONTAINMENT is \`${asked}\``,
      null,
      "it is cgroup, subreaper or scan; without it the best is chosen",
    );
  }
  // As PID 1 it is the one who must reap whatever loses its parent.
  if (process.pid === 1) beginAnewBelowSubreaper(PATH);
  const chosen = chooseContainment(runDir, asked);
  if (chosen.facts.way === "scan" && asked !== "scan") beginAnewBelowSubreaper(PATH);
  if (asked !== undefined && asked !== chosen.facts.way) {
    const remedy = asked === "cgroup" ? "make a cgroup v2 writable for svcd" : "install tini and util-linux";
    say(`SVCD_CONTAINMENT=${asked} is not possible here, it is ${chosen.facts.way}: ${remedy}`);
  }
  return chosen;
}

/** Wishes and logs are kept in memory or lost where their disk takes nothing; services run all the same, and people hear of it. */
function isMade(directory: string, isDispensable: boolean): boolean {
  try {
    makeDirectory(directory, 0o700);
    return true;
  } catch (error) {
    if (!isDispensable || !takesNothing(error)) throw error;
    say(`${directory} cannot be made, so svcd goes on without it: ${reasonOf(error)}`);
    return false;
  }
}

function takeLock(directory: string, { root }: Arguments): void {
  const file = `${directory}/svcd.lock`;
  const locked = attempt("cannot open the lock file", file, LOOK_AT_DIRECTORY, () => lock(file));
  if (locked.kind === "held") {
    const ask = `talk to it: svctl${root === null ? "" : ` --root ${root}`} status`;
    fail(`svcd is already running here (pid ${locked.holder})`, directory, ask);
  }
  const unguarded = "nothing keeps a second svcd from starting here";
  if (locked.kind === "no flock") say(`flock (util-linux) is not installed: ${unguarded}`);
  if (locked.kind === "failed") say(`flock does not work here (${locked.why}): ${unguarded}`);
}

function readArguments(words: readonly string[]): Arguments {
  let root = process.env["SVCD_ROOT"] || null;
  let mode: Arguments["mode"] = "run";
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--root") root = words[++index] ?? "";
    else if (word.startsWith("--root=")) root = word.slice("--root=".length);
    else if (word === "--check") mode = "check";
    else if (word === "--help" || word === "-h") mode = "help";
    else if (word === "--version" || word === "-V") mode = "version";
    else wrongWords(`unknown argument \`${word}\``, null, "svcd --help lists all of them");
  }
  if (root === "") wrongWords("`--root` needs a directory", null, "write `--root DIR`");
  if (root === null || mode === "help" || mode === "version") return { root, mode };
  root = resolve(root);
  const flaw = directoryFlaw(root);
  if (flaw !== null) wrongWords(`the root ${flaw}`, root, `make it: mkdir -p ${root}; or name another with --root DIR`);
  return { root, mode };
}

function directoryFlaw(path: string): string | null {
  try {
    return statSync(path).isDirectory() ? null : "is not a directory";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "does not exist" : `cannot be used: ${reasonOf(error)}`;
  }
}

/** Whoever can write in there speaks for svcd: its socket is there, and what it remembers of processes and wishes. */
function requireOwn(directory: string): void {
  const uid = process.geteuid?.() ?? 0;
  const look = (): { name: Stats; itself: Stats } => ({ name: lstatSync(directory), itself: statSync(directory) });
  const { name, itself } = attempt("cannot use the directory", directory, "look at its owner", look);
  const another = "or choose another --root";
  if (name.uid !== uid) {
    const what = name.isSymbolicLink() ? "a link of somebody else" : "a directory of somebody else";
    const fix = `remove it if nobody needs it; if you trust what is in it: chown -hR ${uid} ${directory}; ${another}`;
    fail(`${what} (uid ${name.uid}) stands where svcd needs its own (uid ${uid})`, directory, fix);
  }
  if (!itself.isDirectory()) fail("this is not a directory", directory, `move it away, ${another}`);
  if (itself.uid !== uid) {
    const what = `this link leads to a directory of somebody else (uid ${itself.uid}, svcd is ${uid})`;
    fail(what, directory, `remove the link, ${another}`);
  }
  if ((itself.mode & 0o022) !== 0) {
    const mode = (itself.mode & 0o7777).toString(8).padStart(4, "0");
    const what = `others can write in this directory (mode ${mode}), and so give orders to svcd`;
    fail(what, directory, `if you trust what is in it: chmod go-w ${directory}; ${another}`);
  }
}

/** A program file beside this one: bundled `.js`, or `.ts` while developing. */
function sibling(name: string): string {
  const self = realpathSync(process.argv[1] ?? "");
  return join(dirname(self), `${name}${extname(self)}`);
}

function attempt<Result>(what: string, where: string, fix: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    return fail(`${what}: ${reasonOf(error)}`, where, fix);
  }
}

/** "permission denied (EACCES)" out of Node's "EACCES: permission denied, mkdir '/x'". */
function reasonOf(error: unknown): string {
  const { message } = error as Error;
  const [, code, words] = /^(E[A-Z0-9]+): ([^,]*)/.exec(message) ?? [];
  return words === undefined ? message : `${words} (${code})`;
}

function fail(what: string, where: string | null, fix: string, exitCode = 1): never {
  const place = where === null ? "" : `  where: ${where}\n`;
  process.stderr.write(`svcd: ${what}\n${place}  fix:   ${fix}\n`);
  process.exit(exitCode);
}

function wrongWords(what: string, where: string | null, fix: string): never {
  return fail(what, where, fix, 2);
}

/** A terminal that takes nothing (Ctrl-S) must not stop the keeper: written by another thread, and given up when it is late. */
function say(line: string): void {
  if (unsaid >= MOST_UNSAID) return;
  unsaid++;
  const at = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
  write(2, `${at.slice(0, 10)} ${at.slice(11, 23)} ${line.replace(/^svcd: /, "")}\n`, () => unsaid--);
}
let unsaid = 0;
const MOST_UNSAID = 100;

process.stderr.on("error", () => {});
main();
