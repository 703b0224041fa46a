/**
 * Taking the control socket: at its path, for its owner (and a group) only, whatever an earlier svcd left there.
 *
 * The socket is made under another name and renamed over the old one, so there is no moment without a socket and none
 * in which strangers may connect. A file that was left behind by a killed daemon never stands in the way; a daemon that
 * still answers there does.
 */
import { chmodSync, chownSync, lstatSync, renameSync, rmSync, type Stats } from "node:fs";
import { connect, type Server } from "node:net";
import { dirname, join } from "node:path";
import { OperatorError } from "../ports.ts";

/** sun_path of Linux has 108 bytes, the last one for a NUL. */
const LONGEST_PATH = 107;
/** Something that accepts connections does so at once; something that hangs for this long is alive, too. */
const PROBE_MS = 1_000;
/** Waiting connections that the kernel holds while the core is busy; the usual bound of Linux. */
const BACKLOG = 511;

export interface SocketOptions {
  /** Whose members may connect, by number; null: the owner only. */
  readonly group: number | null;
}

/** Answers with how to take the socket away again. Throws an OperatorError. */
export async function listenAt(server: Server, socketPath: string, { group }: SocketOptions): Promise<() => void> {
  const temporary = join(dirname(socketPath), `.${process.pid.toString(36)}.s`);
  checkLength(socketPath, temporary);
  await checkVacant(socketPath);
  try {
    rmSync(temporary, { force: true });
    await bind(server, temporary);
    const { ino } = lstatSync(temporary);
    if (group !== null) chownSync(temporary, -1, group);
    chmodSync(temporary, group === null ? 0o600 : 0o660);
    renameSync(temporary, socketPath);
    return () => removeIfOurs(socketPath, ino);
  } catch (error) {
    server.close();
    removeQuietly(temporary);
    throw explained(error as NodeJS.ErrnoException, socketPath, group);
  }
}

function checkLength(...paths: readonly string[]): void {
  const path = paths.find((candidate) => Buffer.byteLength(candidate) > LONGEST_PATH);
  if (path === undefined) return;
  throw new OperatorError(
    `the path of the control socket has ${Buffer.byteLength(path)} bytes; Linux allows ${LONGEST_PATH}`,
    path,
    "use a shorter --root (or SVCD_ROOT, XDG_RUNTIME_DIR)",
  );
}

async function checkVacant(socketPath: string): Promise<void> {
  const there = statOf(socketPath);
  if (there === null) return;
  if (!there.isSocket()) {
    throw new OperatorError(
      "something that is not a socket is where the control socket belongs",
      socketPath,
      "move it away, or use another --root",
    );
  }
  if (await answers(socketPath)) {
    throw new OperatorError(
      "another svcd answers on this control socket",
      socketPath,
      "stop it with `svctl shutdown`, or use another --root",
    );
  }
}

function statOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch {
    return null; // Missing, or in a directory that is: binding will say which.
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path: socketPath });
    const settle = (isAlive: boolean) => () => {
      probe.destroy();
      resolve(isAlive);
    };
    probe.setTimeout(PROBE_MS, settle(true));
    probe.on("connect", settle(true));
    // EAGAIN: its backlog is full, so somebody listens. EACCES: it is someone else's; the rename will tell.
    probe.on("error", (error: NodeJS.ErrnoException) => settle(error.code === "EAGAIN")());
  });
}

/** Nobody else can connect, not even for a moment: bind(2) obeys the umask, and Node calls it before `listen` returns. */
function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const umask = process.umask(0o177);
    try {
      server.listen({ path, backlog: BACKLOG }, () => {
        server.off("error", reject);
        resolve();
      });
    } finally {
      process.umask(umask);
    }
  });
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It was never made; the first error says why.
  }
}

function removeIfOurs(socketPath: string, inode: number): void {
  if (statOf(socketPath)?.ino === inode) rmSync(socketPath, { force: true });
}

function explained(error: NodeJS.ErrnoException, socketPath: string, group: number | null): OperatorError {
  const directory = dirname(socketPath);
  // libuv calls a missing directory EACCES.
  const code = error.code === "EACCES" && statOf(directory) === null ? "ENOENT" : error.code;
  const what = (why: string) => `cannot make the control socket: ${why}`;
  switch (code) {
    case "ENOENT":
      return new OperatorError(
        what("its directory does not exist"),
        directory,
        `make it: mkdir -m 700 -p ${directory}`,
      );
    case "ENOTDIR":
      return new OperatorError(what("a part of its path is a file"), socketPath, "use another --root");
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return group !== null && error.syscall === "chown"
        ? new OperatorError(
            what(`svcd's user may not give it to group ${group}`),
            socketPath,
            "name a group that this user is a member of, or leave `group` out",
          )
        : new OperatorError(
            what(`no permission to write in its directory (${code})`),
            directory,
            "run svcd as the owner of that directory, or use another --root",
          );
    case "ENOSPC":
    case "EDQUOT":
      return new OperatorError(what("the disk is full"), directory, "free some space there");
    default:
      return new OperatorError(what(error.message), socketPath, "look at that directory, or use another --root");
  }
}
