/**
 * Whose crontab is meant, and may he have one: `-u` as root only, `/etc/cron.allow` and `/etc/cron.deny` as crontab(1) obeys
 * them. That is no fence, since nobody is kept from a svcd of his own: it keeps a habit.
 */
import { readFileSync } from "node:fs";
import { type Account, accountOf } from "../os/accounts.ts";
import type { Call } from "./call.ts";
import { EXIT, Failure } from "./failure.ts";

export function crontabUser(call: Call): Account {
  const { uid } = call.world;
  const own = accountOf(String(uid));
  const asked = call.options.user;
  if (asked !== undefined && uid !== 0 && asked !== own?.name) {
    throw new Failure(EXIT.failed, `\`-u ${asked}\`: only root may touch the crontab of somebody else`, {
      fix: "leave -u out for your own, or ask as root",
    });
  }
  const account = asked === undefined ? own : accountOf(asked);
  if (account === null) {
    const what = asked === undefined ? `your uid (${uid}) has no name` : `there is no user \`${asked}\``;
    throw new Failure(EXIT.failed, what, { where: "/etc/passwd", fix: "make the account, or write a file in cron.d" });
  }
  // A root of somebody's own is not the machine's cron.
  const refusal = call.root === null && uid !== 0 ? whyNotAllowed(account.name, textAt) : null;
  if (refusal !== null) {
    const what = `${account.name} may not use crontab: ${refusal}`;
    throw new Failure(EXIT.failed, what, { fix: "ask root to change that file" });
  }
  return account;
}

/** null: allowed. cron.allow alone counts where it is there. With neither file everybody may, as in Debian. */
export function whyNotAllowed(user: string, textOf: (path: string) => string | null): string | null {
  const isIn = (text: string) => text.split("\n").some((line) => line.trim() === user);
  const allow = textOf("/etc/cron.allow");
  if (allow !== null) return isIn(allow) ? null : "not in /etc/cron.allow";
  const deny = textOf("/etc/cron.deny");
  return deny !== null && isIn(deny) ? "in /etc/cron.deny" : null;
}

function textAt(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // Not there; or for root alone, who then has said nothing to us.
  }
}
