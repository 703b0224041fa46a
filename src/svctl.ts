/**
 * svctl, the control command: wires cli/ to this process. Everything that one command alone needs is loaded by it,
 * because a person waits for each start.
 */
import { existsSync, fstatSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { extname, join, resolve } from "node:path";
import type { ReadStream, WriteStream } from "node:tty";
import type { Screen, World } from "./cli/call.ts";
import { StandardInput } from "./cli/input.ts";
import { main } from "./cli/main.ts";

/** Put in by the build. */
declare const SVCD_VERSION: string | undefined;

const world: World = {
  out: screen(1, () => process.stdout),
  err: screen(2, () => process.stderr),
  input: new StandardInput(),
  env: process.env,
  uid: process.getuid!(),
  program: import.meta.filename,
  version: typeof SVCD_VERSION === "string" ? SVCD_VERSION : "0.0.0-source",
  now: () => new Date(),
  async jobFileReader() {
    const beside = join(import.meta.dirname, `check${extname(import.meta.filename)}`);
    // Not by import(): what runs in the compiled form that the build made has none.
    const { lintJobFile } = createRequire(import.meta.filename)(beside) as typeof import("./check.ts");
    return lintJobFile;
  },
  exists: existsSync,
  absolute: (path) => resolve(path),
  onInterrupt(then) {
    process.once("SIGINT", then); // A second Ctrl-C ends svctl, whatever it is busy with.
    return () => process.off("SIGINT", then);
  },
  tui: () => import("./tui/main.ts"),
  terminal: () => ({ input: process.stdin as ReadStream, output: patient(process.stdout as WriteStream) }),
};

void main(process.argv.slice(2), world).then((exitCode) => {
  process.exitCode = exitCode;
});

/**
 * Node waits for terminals, so one that is stopped (Ctrl-S, a dead line) would hold up everything, its own end included. Node has
 * opened it for itself, so nobody else's is changed.
 */
function patient(output: WriteStream): WriteStream {
  (output as { _handle?: { setBlocking?: (on: boolean) => void } })._handle?.setBlocking?.(false);
  return output;
}

/**
 * Node makes its streams when they are first asked for, and 2 ms later they are there: words to a pipe or a file do without.
 * Output of services goes through them, because it can wait for its reader without holding up Ctrl-C.
 */
function screen(fd: number, stream: () => NodeJS.WriteStream): Screen {
  // Set by the SSH server: behind these pipes is somebody's terminal, so wide.
  const columnsFarAway = Number(process.env["SVCD_TERMINAL_COLUMNS"] ?? 0);
  let opened: NodeJS.WriteStream | null = null;
  const open = () => {
    if (opened === null) {
      opened = stream();
      opened.on("error", whenItCannotBeWritten);
    }
    return opened;
  };
  return {
    write(text) {
      if (opened !== null || typeof text !== "string") open().write(text);
      else writeNow(fd, text, (rest) => open().write(rest));
    },
    get isTTY() {
      if (columnsFarAway > 0) return true;
      return (opened !== null || fstatSync(fd).isCharacterDevice()) && open().isTTY === true;
    },
    columns: () => columnsFarAway || open().columns || Number(process.env["COLUMNS"]) || 80,
  };
}

function writeNow(fd: number, text: string, later: (rest: Buffer) => void): void {
  let rest = Buffer.from(text);
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(fd, rest));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN")
      later(rest); // Somebody else has made it non-blocking, and it is full.
    else whenItCannotBeWritten(error as NodeJS.ErrnoException);
  }
}

/** `svctl logs -f | head` has seen enough: that is no error. A full disk is one. */
function whenItCannotBeWritten(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`svctl: cannot write the output: ${error.message}\n`);
  process.exit(1);
}
