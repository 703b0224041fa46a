/**
 * svcd, as commands see it, and what they say when it cannot be asked or says no.
 *
 * The core of svcd may be replaced at any moment and is back within a fraction of a second, so where svcd was just now it
 * is knocked again for a while; where it was not, the answer is immediate.
 */
import { existsSync } from "node:fs";
import { type Control, control, Refused, Unreachable } from "../control/client.ts";
import type { Places } from "../places.ts";
import { EXIT, Failure } from "./failure.ts";

export type Daemon = Control;

/** A socket that nobody listens at: a core that died, or a daemon that did. */
const KNOCK_FOR_MS = 1_500;
/** No socket in a run directory: a core that hands over takes it away for a moment. */
const HANDOVER_MS = 400;
/** In a wait that has begun, svcd was there: after this long nobody is coming back. */
export const CORE_IS_AWAY_MS = 15_000;

export function daemonAt({ socket, run }: Places, exists: (path: string) => boolean): Daemon {
  const patienceMs = exists(socket) ? KNOCK_FOR_MS : exists(run) ? HANDOVER_MS : 0;
  return control(socket, { patienceMs });
}

/** null: the error is a bug, not something that a person can put right. */
export function asFailure(error: unknown, verb: string | null, root: string | null): Failure | null {
  if (error instanceof Failure) return error;
  if (error instanceof Unreachable) return unreachable(error, root);
  if (!(error instanceof Refused)) return null;
  const { what, fix } = error;
  return new Failure(exitCodeOf(error.code, verb), what, { fix });
}

/** Codes of what svcd does not know or takes to be written wrongly: another version may be meant. */
const NOT_UNDERSTOOD =
  /^(no_such_path|no_such_action|method_not_allowed|bad_request|bad_json|body_not_wanted|no_reason)$/;

/**
 * When svctl and svcd are of different versions, that is the likely cause of a question that svcd does not know, and of an
 * answer that svctl stumbles over. null: something else is wrong.
 */
export async function versionSkew(error: unknown, daemon: Daemon, own: string): Promise<Failure | null> {
  if (error instanceof Failure || error instanceof Unreachable) return null;
  if (error instanceof Refused && !NOT_UNDERSTOOD.test(error.code)) return null;
  const health = await ifAnswered(daemon.health());
  if (health === null || health.version === own) return null;
  const said = error instanceof Refused ? error.what : `the answer is in another form (${(error as Error)?.message})`;
  return new Failure(
    EXIT.failed,
    `svctl is ${own}, the running svcd ${health.version}, and it is not understood: ${said}`,
    {
      where: daemon.socketPath,
      fix: "let the installed svcd take over, services go on: svctl upgrade",
    },
  );
}

/** supervisorctl's `status` says 4 of a name that it does not know. */
const ASKS_ONLY = new Set(["status", "jobs"]);
const UNKNOWN_NAME = /^(unknown_service|unknown_job|is_a_job|is_a_service)$/;

function exitCodeOf(code: string, verb: string | null): number {
  if (code === "bad_signal") return EXIT.usage;
  return ASKS_ONLY.has(verb ?? "") && UNKNOWN_NAME.test(code) ? EXIT.unreachable : EXIT.failed;
}

/** sun_path of Linux has 108 bytes, the last one for a NUL. */
const LONGEST_SOCKET_PATH = 107;

function unreachable({ reason, socketPath }: Unreachable, root: string | null): Failure {
  const where = socketPath;
  const bytes = Buffer.byteLength(socketPath);
  if (bytes > LONGEST_SOCKET_PATH) {
    const what = `no svcd can be there: the path of its socket has ${bytes} bytes, and Linux allows ${LONGEST_SOCKET_PATH}`;
    return new Failure(EXIT.unreachable, what, { where, fix: "use a shorter --root (or SVCD_ROOT, XDG_RUNTIME_DIR)" });
  }
  if (root !== null && !existsSync(root)) {
    const fix = "name the right one with --root DIR or SVCD_ROOT";
    return new Failure(EXIT.unreachable, "svcd is not running: there is no such directory", { where: root, fix });
  }
  switch (reason) {
    case "nobody listens": {
      const start = root === null ? "svcd" : `svcd --root ${root}`;
      const fix = `start it (${start}); or name the right one with --root DIR or SVCD_ROOT`;
      return new Failure(EXIT.unreachable, "svcd is not running: nobody listens at its socket", { where, fix });
    }
    case "no permission":
      return new Failure(EXIT.unreachable, "you may not ask this svcd: no permission for its socket", {
        where,
        fix: "run svctl as the user that svcd runs as (or as root), or set `group:` in svcd.yaml to a group of yours",
      });
    case "no answer in time":
      return new Failure(EXIT.unreachable, "svcd does not answer", {
        where,
        fix: "services are not affected; svcd's own output says what it is busy with",
      });
    case "broken answer":
      return new Failure(EXIT.unreachable, "the answer of svcd broke off", {
        where,
        fix: "try again: its core may just have been replaced; svctl doctor checks the installation",
      });
  }
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof Unreachable;
}

/** The service is not there (any more), or its output is discarded. */
export function hasNoLog(error: unknown): boolean {
  return error instanceof Refused && /^(unknown_service|unknown_job|no_log)$/.test(error.code);
}

/** A job was named where only services can be. */
export function isAboutAJob(error: unknown): boolean {
  return error instanceof Refused && error.code === "is_a_job";
}

/** null when there is no answer, or a refusal: for what may be left out. */
export async function ifAnswered<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (isUnreachable(error) || error instanceof Refused) return null;
    throw error;
  }
}

/** null instead of an error when svcd cannot be reached. */
export async function ifReachable<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch (error) {
    if (isUnreachable(error)) return null;
    throw error;
  }
}
