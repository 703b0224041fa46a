/**
 * Which files hold jobs, and whom they must belong to.
 *
 * The names and rights are those of `/etc/cron.d` in Debian: no dots, so that what editors and package managers leave behind
 * (`x~`, `.x.swp`, `x.dpkg-old`) is no crontab; and nobody but the owner of svcd may have written what svcd will run.
 */
import { bad, type Flaw } from "./flaw.ts";

export type JobFileKind = "crontab" | "system crontab" | "yaml";

/** As many lines as cron takes (10,000), of usual length. */
export const LARGEST_CRONTAB_BYTES = 1024 * 1024;

/** What a file of `cron.d` is by its name; null: nothing to read. */
export function jobFileKind(name: string): JobFileKind | null {
  if (name.length > 255 || NOTES.test(name)) return null;
  if (/^[A-Za-z0-9][\w.@-]*\.ya?ml$/.test(name)) return "yaml";
  if (/^[A-Za-z0-9_-]+\.system$/.test(name)) return "system crontab";
  return isCrontabName(name) ? "crontab" : null;
}

const NOTES = /^(README|CHANGELOG|LICENSE)$/i;

/** Debian's rule for `/etc/cron.d`. */
export function isCrontabName(name: string): boolean {
  return /^[A-Za-z0-9_-]{1,255}$/.test(name);
}

/** Looks like somebody's jobs and is not read: why, in words. */
export function whyNoJobFile(name: string): Flaw | null {
  if (jobFileKind(name) !== null || NOTES.test(name)) return null;
  if (/^[.#]|~$|\.(sw[a-p]|bak|orig|rej|tmp|old|new|dpkg-.*|ucf-.*|rpm.*)$/i.test(name)) return null; // Left behind.
  const fix = "rename it: letters, digits, _ and - only (or an ending in .yaml)";
  return bad(`\`${name}\` is not read: cron takes no file with such a name`, fix).flaw;
}

export interface CrontabFileFacts {
  /** Of what a link leads to. */
  readonly isRegular: boolean;
  readonly uid: number;
  /** The lower twelve bits. */
  readonly mode: number;
  readonly links: number;
  /** The owner of the symbolic link that leads to it; null: it is none. */
  readonly linkUid: number | null;
}

/**
 * Why a crontab is not to be trusted; null: it is. `owner` is whom svcd runs as: what root runs only root may write. Of
 * another user the group may be allowed to: in a home it is usually the user's own, and files are made with mode 0664.
 */
export function distrust(facts: CrontabFileFacts, owner: number): Flaw | null {
  const whose = owner === 0 ? "root" : `the user of svcd (uid ${owner})`;
  if (!facts.isRegular) return bad("it is no regular file", "put a plain file there").flaw;
  if (facts.linkUid !== null && facts.linkUid !== owner) {
    return bad(`the symbolic link belongs to uid ${facts.linkUid}, not to ${whose}`, "make the link anew").flaw;
  }
  if (facts.uid !== owner) return bad(`it belongs to uid ${facts.uid}, not to ${whose}`, `chown ${owner} FILE`).flaw;
  if ((facts.mode & (owner === 0 ? 0o022 : 0o002)) !== 0) {
    const mode = facts.mode.toString(8).padStart(4, "0");
    return bad(`others may write it (mode ${mode})`, "chmod go-w FILE").flaw;
  }
  if (facts.links !== 1) {
    return bad(`it has ${facts.links} hard links, so it can be changed from elsewhere`, "remove the other links").flaw;
  }
  return null;
}
