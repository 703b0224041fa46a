/**
 * Why a command ends without having done what was asked, said so that the person can go on, and its exit code.
 */
import { plain, plainLines } from "./text.ts";

/** SURFACE's exit codes, which are supervisorctl's. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  unreachable: 4,
  /** As shells report a program that SIGINT ended. */
  interrupted: 130,
} as const;

interface Details {
  readonly where: string | null;
  readonly fix: string | null;
}

export class Failure extends Error {
  override readonly name = "Failure";
  readonly exitCode: number;
  readonly what: string;
  readonly where: string | null;
  readonly fix: string | null;

  constructor(exitCode: number, what: string, { where = null, fix = null }: Partial<Details> = {}) {
    super(what);
    this.exitCode = exitCode;
    this.what = what;
    this.where = where;
    this.fix = fix;
  }
}

export function usage(what: string, fix: string | null = null): Failure {
  return new Failure(EXIT.usage, what, { fix });
}

/**
 *     svctl: cannot reach svcd: nothing listens on the socket
 *       where: /run/svcd/svcd.sock
 *       fix:   start it: svcd
 */
export function formatFailure({ what, where, fix }: Failure): string {
  const lines = [`svctl: ${plainLines(what)}`];
  if (where !== null && where !== "") lines.push(`  where: ${plain(where)}`);
  if (fix !== null && fix !== "") lines.push(`  fix:   ${plain(fix)}`);
  return lines.join("\n");
}
