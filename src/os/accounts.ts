/**
 * Users and groups by name or number. /etc/passwd and /etc/group are read anew each time, since an account may be made
 * just before the service that needs it; names that are not in them are asked of `getent` (LDAP, systemd-userdb).
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell: string;
}

/** null: there is no such user. */
export function accountOf(user: string): Account | null {
  const line = entryOf("passwd", user, 2);
  if (line === null) return null;
  const [name = "", , uid, gid, , home = "/", shell = ""] = line.split(":");
  return { name, uid: Number(uid), gid: Number(gid), home, shell: shell === "" ? "/bin/sh" : shell };
}

/** The number of a group; null: there is no such group. */
export function groupIdOf(group: string): number | null {
  const line = entryOf("group", group, 2);
  return line === null ? null : Number(line.split(":")[2]);
}

export function isNumber(name: string): boolean {
  return /^\d{1,10}$/.test(name) && Number(name) < 0xffff_ffff; // The highest means "leave it as it is".
}

/** A directory service that does not answer must not hold up the others. */
const GETENT_TIMEOUT_MS = 2_000;

function entryOf(database: "passwd" | "group", name: string, numberField: number): string | null {
  const wanted = isNumber(name) ? ([numberField, String(Number(name))] as const) : ([0, name] as const);
  const matches = (line: string): boolean => !line.startsWith("#") && line.split(":")[wanted[0]] === wanted[1];
  return linesOf(`/etc/${database}`).find(matches) ?? asked(database, name);
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return [];
  }
}

function asked(database: string, name: string): string | null {
  if (name === "" || name.startsWith("-")) return null;
  try {
    const answer = execFileSync("getent", [database, name], {
      encoding: "utf8",
      timeout: GETENT_TIMEOUT_MS,
      stdio: ["ignore", "pipe", "ignore"],
    });
    return answer.split("\n")[0] || null;
  } catch {
    return null; // Not known there either, or there is no getent.
  }
}
