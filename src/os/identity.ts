/**
 * As whom a service runs: from `user:` and `group:` to numbers, to what must change, and to the variables that belong to
 * the account. A user or group that svcd cannot become is refused here: nothing ever runs as somebody else in silence.
 */
import { type Account, accountOf, groupIdOf, isNumber } from "./accounts.ts";
import type { OwnRights } from "./own-rights.ts";

export interface Identity {
  /** null: svcd's own user and group; nothing has to change. */
  readonly change: IdentityChange | null;
  /** HOME, USER, LOGNAME and SHELL of `user:`; nothing without one. */
  readonly env: Readonly<Record<string, string>>;
}

export interface IdentityChange {
  readonly uid: number;
  readonly gid: number;
  /**
   * init: the account's own supplementary groups. clear: none, for a number without an account. keep: svcd's, because
   * only the group changes.
   */
  readonly supplementary: "init" | "clear" | "keep";
}

export interface Asked {
  readonly service: string;
  /** A name or a number; `USER:GROUP` as Compose allows it. */
  readonly user: string | null;
  readonly group: string | null;
}

export type IdentityAnswer =
  | { readonly ok: true; readonly identity: Identity }
  | { readonly ok: false; readonly cause: string };

export function identityOf({ service, ...asked }: Asked, own: OwnRights): IdentityAnswer {
  const [user, userGroup] = asked.user === null ? [null, null] : splitUser(asked.user);
  const group = asked.group ?? userGroup;
  const account = user === null ? null : accountOf(user);
  if (user !== null && account === null && !isNumber(user)) {
    return refusal(`\`user: ${user}\` of ${service} does not exist: useradd ${user}, or correct the name`);
  }
  const groupId = group === null ? null : (groupIdOf(group) ?? (isNumber(group) ? Number(group) : undefined));
  if (groupId === undefined) {
    return refusal(`\`group: ${group}\` of ${service} does not exist: groupadd ${group}, or correct the name`);
  }
  const uid = user === null ? own.uid : (account?.uid ?? Number(user));
  const env = account === null ? {} : variablesOf(account);
  if (uid === own.uid && (groupId === null || groupId === own.gid))
    return { ok: true, identity: { change: null, env } };

  if (uid !== own.uid && !own.changesUser) {
    return refusal(`\`user: ${user}\` of ${service} needs svcd to run as root; it runs as ${nameOf(own.uid)}`);
  }
  if (!own.changesGroup) {
    const what = group === null ? `user: ${user}` : `group: ${group}`;
    return refusal(`\`${what}\` of ${service} needs svcd to run as root; it runs as ${nameOf(own.uid)}`);
  }
  // A bare number has no group of its own. Never svcd's: that would leave root's group to it.
  const gid = groupId ?? account?.gid ?? uid;
  const supplementary = user === null ? "keep" : account === null ? "clear" : "init";
  return { ok: true, identity: { change: { uid, gid, supplementary }, env } };
}

function splitUser(written: string): [user: string, group: string | null] {
  const [user = "", group] = written.trim().split(":", 2);
  return [user, group === undefined || group === "" ? null : group];
}

function variablesOf({ name, home, shell }: Account): Record<string, string> {
  return { HOME: home, USER: name, LOGNAME: name, SHELL: shell };
}

function nameOf(uid: number): string {
  return accountOf(String(uid))?.name ?? `uid ${uid}`;
}

function refusal(cause: string): IdentityAnswer {
  return { ok: false, cause };
}
