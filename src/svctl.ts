/**
 * svctl, the control command: wires cli/ to this process. Everything that one command alone needs is loaded by it,
 * because a person waits for each start.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Screen, World } from "./cli/call.ts";
import { main } from "./cli/main.ts";

/** Put in by the build. */
declare const SVCD_VERSION: string | undefined;

const world: World = {
  out: screen(() => process.stdout),
  err: screen(() => process.stderr),
  env: process.env,
  uid: process.getuid!(),
  program: fileURLToPath(import.meta.url),
  version: typeof SVCD_VERSION === "string" ? SVCD_VERSION : "0.0.0-source",
  now: () => new Date(),
  exists: existsSync,
  absolute: (path) => resolve(path),
  onInterrupt(then) {
    process.once("SIGINT", then); // A second Ctrl-C ends svctl, whatever it is busy with.
    return () => process.off("SIGINT", then);
  },
};

void main(process.argv.slice(2), world).then((exitCode) => {
  process.exitCode = exitCode;
});

/** Node makes its streams when they are first asked for, so nobody pays for the one that stays silent. */
function screen(stream: () => NodeJS.WriteStream): Screen {
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
      open().write(text);
    },
    get isTTY() {
      return open().isTTY === true;
    },
    columns: () => open().columns || Number(process.env["COLUMNS"]) || 80,
  };
}

/** `svctl logs -f | head` has seen enough: that is no error. A full disk is one. */
function whenItCannotBeWritten(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  process.stderr.write(`svctl: cannot write the output: ${error.message}\n`);
  process.exit(1);
}
