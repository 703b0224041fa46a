/** As whom a line of a crontab runs, and whether the svcd of this machine can do that. */
import type { CrontabJob } from "./crontab.ts";
import { type Flaw, quoted } from "./flaw.ts";
import type { Machine } from "./read.ts";

/** Why this machine's svcd cannot run it; null: it can. */
export function userFlaw({ user, owner }: CrontabJob, { account }: Pick<Machine, "account">): Flaw | null {
  const wanted = user ?? owner;
  if (wanted === null || account.isRoot || wanted === account.name) return null;
  const who = account.name === null ? "" : ` but as ${account.name}`;
  const what = `svcd does not run as root${who}, so it cannot start this as ${quoted(wanted)}`;
  return { what, fix: "start svcd as root, or leave the user out" };
}
