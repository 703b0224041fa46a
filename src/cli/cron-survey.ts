/**
 * What a machine has of cron: its crontabs with what would become of each in `cron.d`, the cron daemons that run, and what is
 * worth knowing about lines that are more than they seem. Reads, and writes nothing.
 *
 *   /etc/crontab                      → crontab.system     lines name their user
 *   /etc/cron.d/NAME                  → NAME.system
 *   /var/spool/cron/crontabs/USER     → USER               as `crontab -u USER` would install it
 *
 * What cron itself does not read (names, rights, unknown users) is left out, or jobs would begin to run that never ran.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { accountOf } from "../os/accounts.ts";
import { distrust, isCrontabName, LARGEST_CRONTAB_BYTES, whyNoJobFile } from "../plan/cron-directory.ts";
import { type Crontab, type CrontabForm, readCrontab } from "../plan/crontab.ts";
import { userFlaw } from "../plan/crontab-user.ts";
import { crontabNameOf, type Owner } from "./crontab-file.ts";
import { type Finding, findingsIn } from "./crontab-findings.ts";

export interface FoundCrontab {
  /** As cron sees it: `/etc/cron.d/backup`. */
  readonly source: string;
  /** In cron.d; null: it is left out. */
  readonly target: string | null;
  /** new · same: it is there already · differs: another is there, and stays · left out */
  readonly fate: "new" | "same" | "differs" | "left out";
  /** Why it is left out. */
  readonly why: string | null;
  readonly bytes: Buffer;
  readonly jobs: number;
  readonly findings: readonly Finding[];
  /** By line, what somebody who takes it over should know. */
  readonly notes: readonly { readonly line: number; readonly text: string }[];
  readonly mailTo: readonly string[];
}

export interface CronDaemon {
  readonly pid: number;
  readonly name: string;
}

export interface SurveyOptions {
  /** What stands for `/`, without a slash at its end; "" is this machine. */
  readonly machine: string;
  readonly cronDirectory: string;
  readonly owner: Owner;
  readonly around: Parameters<typeof findingsIn>[2];
}

/** Debian; SUSE; Red Hat; Alpine. */
const SPOOLS = ["/var/spool/cron/crontabs", "/var/spool/cron/tabs", "/var/spool/cron", "/etc/crontabs"];

export class Survey {
  readonly #options: SurveyOptions;
  /** Whoever owns the machine's root is its root: a copy of one may belong to anybody. */
  readonly #root: number;
  /** What could not be looked at. */
  readonly unread: string[] = [];

  constructor(options: SurveyOptions) {
    this.#options = options;
    this.#root = statSync(`${options.machine}/`).uid;
  }

  crontabs(): readonly FoundCrontab[] {
    const main = this.#exists("/etc/crontab") ? ["/etc/crontab"] : [];
    const system = [...main, ...this.#namesIn("/etc/cron.d").map((name) => `/etc/cron.d/${name}`)];
    const seen = new Set<string>();
    const personal = SPOOLS.flatMap((spool) => this.#namesIn(spool).map((name) => `${spool}/${name}`)).filter(
      (path) => {
        const real = realpathSync(this.#at(path)); // Alpine's spool is a link to the other.
        return !seen.has(real) && seen.add(real);
      },
    );
    return [
      ...system.map((path) => this.#systemCrontab(path)),
      ...personal.map((path) => this.#personalCrontab(path)),
    ].filter((found) => found !== null);
  }

  /** Of this machine's own processes: those of containers on it have another cron.d. */
  daemons(): readonly CronDaemon[] {
    const proc = this.#at("/proc");
    return this.#namesIn("/proc", "directories").flatMap((pid) => {
      const name = textAt(`${proc}/${pid}/comm`)?.trim() ?? "";
      if (!/^\d+$/.test(pid) || !CRONS.has(name)) return [];
      const theirs = linkAt(`${proc}/${pid}/ns/mnt`);
      const ours = linkAt(`${proc}/self/ns/mnt`);
      return theirs !== null && ours !== null && theirs !== ours ? [] : [{ pid: Number(pid), name }];
    });
  }

  howToSwitchOff({ name, pid }: CronDaemon): string {
    const service = /(?:^|\0)SVCD_SERVICE=([^\0]+)/.exec(textAt(`${this.#at("/proc")}/${pid}/environ`) ?? "")?.[1];
    if (service !== undefined) return `svctl disable ${service}`; // services.d/cron.yaml, on a rented box.
    if (this.#exists("/run/systemd/system")) return `systemctl disable --now ${name}`;
    if (this.#exists(`/etc/init.d/${name}`)) return `service ${name} stop && update-rc.d ${name} disable`;
    return `kill ${pid}, and take it out of whatever starts it`;
  }

  hasSendmail(): boolean {
    return ["/usr/sbin/sendmail", "/usr/lib/sendmail"].some((path) => this.#exists(path));
  }

  hasAnacrontab(): boolean {
    return this.#exists("/etc/anacrontab");
  }

  #systemCrontab(source: string): FoundCrontab | null {
    const name = basename(source);
    if (source !== "/etc/crontab" && !isCrontabName(name)) {
      // What editors and packages leave behind is nobody's crontab.
      const flaw = whyNoJobFile(name);
      return flaw === null
        ? null
        : this.#leftOut(source, "cron does not run it either: its name has other letters than a-z 0-9 _ -");
    }
    const link = lstatSync(this.#at(source));
    const stat = statSync(this.#at(source), { throwIfNoEntry: false });
    if (stat === undefined) return this.#leftOut(source, "it is a link to a file that is not there");
    const flaw = distrust(
      {
        isRegular: stat.isFile(),
        uid: stat.uid,
        mode: (stat.mode & 0o7777) | ((stat.mode & 0o020) === 0 ? 0 : 0o002), // cron minds the group, too.
        links: stat.nlink,
        linkUid: link.isSymbolicLink() ? link.uid : null,
      },
      this.#root,
    );
    if (flaw !== null) return this.#leftOut(source, `cron does not run it either: ${flaw.what}`);
    return this.#read(source, `${name}.system`, "system", "");
  }

  #personalCrontab(source: string): FoundCrontab | null {
    const name = basename(source);
    const stat = lstatSync(this.#at(source));
    if (stat.isDirectory() || name.startsWith(".")) return null;
    const account = accountOf(name);
    if (account === null) return this.#leftOut(source, `there is no user ${name}, so cron does not run it either`);
    const isTrusted = stat.isFile() && [this.#root, account.uid].includes(stat.uid) && (stat.mode & 0o022) === 0;
    if (!isTrusted)
      return this.#leftOut(
        source,
        "cron does not run it either: it is a link, belongs to somebody else, or others may write it",
      );
    const { owner } = this.#options;
    if (owner.uid !== 0 && owner.uid !== account.uid) {
      return this.#leftOut(source, `an svcd that runs as ${owner.name ?? owner.uid} cannot run anything as ${name}`);
    }
    const firstLine = owner.uid === account.uid ? "" : `# svcd: user=${name}\n`;
    return this.#read(source, crontabNameOf(name), "user", firstLine);
  }

  #read(source: string, name: string, form: CrontabForm, firstLine: string): FoundCrontab {
    let own: Buffer;
    try {
      own = readFileSync(this.#at(source));
    } catch (error) {
      return this.#leftOut(source, `it cannot be read: ${(error as Error).message}`);
    }
    if (own.length > LARGEST_CRONTAB_BYTES) return this.#leftOut(source, "it is larger than svcd takes (1024 KiB)");
    const text = own.toString();
    const crontab = readCrontab(text, source, form);
    const foreign = this.#foreign(crontab, text);
    if (crontab.jobs.length > 0 && foreign.length === crontab.jobs.length) {
      return this.#leftOut(source, `none of its jobs can run: ${foreign[0]!.what}`);
    }
    const target = join(this.#options.cronDirectory, name);
    const bytes = Buffer.concat([Buffer.from(firstLine), own]);
    const there = bytesOrNull(target);
    return {
      source,
      target,
      fate: there === null ? "new" : there.equals(bytes) ? "same" : "differs",
      why: null,
      bytes,
      jobs: crontab.jobs.length - foreign.length,
      findings: [...findingsIn(crontab, text, this.#options.around), ...foreign],
      notes: crontab.jobs.flatMap(({ command, source: { line } }) => {
        const note = this.#about(command);
        return note === null ? [] : [{ line, text: note }];
      }),
      mailTo: [...new Set(crontab.jobs.map((job) => job.environment["MAILTO"] ?? job.user ?? basename(source)))],
    };
  }

  #leftOut(source: string, why: string): FoundCrontab {
    const nothing = { jobs: 0, findings: [], notes: [], mailTo: [], bytes: Buffer.alloc(0) };
    return { source, target: null, fate: "left out", why, ...nothing };
  }

  #foreign({ jobs }: Crontab, text: string): readonly Finding[] {
    const { owner } = this.#options;
    const lines = text.split("\n");
    return jobs.flatMap((job): Finding[] => {
      const flaw = userFlaw(job, { account: { name: owner.name, isRoot: owner.uid === 0 } });
      const line = lines[job.source.line - 1] ?? "";
      return flaw === null ? [] : [{ ...job.source, ...flaw, text: line, severity: "mistake", rule: "user" }];
    });
  }

  /** Lines that packages bring, and that say something else than they seem to. */
  #about(command: string): string | null {
    const anacron = /test -x (\S*anacron)\s*\|\|/.exec(command)?.[1];
    if (anacron !== undefined && this.#exists(anacron)) {
      return `does nothing, under cron too, because ${anacron} is there: anacron runs that by itself (its timer, or /etc/cron.d/anacron)`;
    }
    if (/\/run\/systemd\/system\b[^|]*\|\|/.test(command) && this.#exists("/run/systemd/system")) {
      return "does nothing, under cron too, because systemd runs here: a timer of systemd does it (systemctl list-timers)";
    }
    const directory = /\brun-parts\b(?:\s+-\S+)*\s+(\/[^\s;|&)]+)/.exec(command)?.[1];
    if (directory === undefined) return null;
    const names = this.#namesIn(directory).filter(
      (name) => isCrontabName(name) && this.#isProgram(`${directory}/${name}`),
    );
    const programs = names.length === 0 ? "nothing is there now" : names.join(", ");
    return `one job that runs every program in ${directory} (${programs}); what packages put there later runs, too`;
  }

  #namesIn(directory: string, wanted: "files" | "directories" = "files"): string[] {
    try {
      return readdirSync(this.#at(directory), { withFileTypes: true })
        .filter((entry) => entry.isDirectory() === (wanted === "directories"))
        .map(({ name }) => name)
        .sort();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ENOTDIR") this.unread.push(directory);
      return [];
    }
  }

  #isProgram(path: string): boolean {
    const stat = statSync(this.#at(path), { throwIfNoEntry: false });
    return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
  }

  #exists(path: string): boolean {
    return statSync(this.#at(path), { throwIfNoEntry: false }) !== undefined;
  }

  #at(path: string): string {
    return `${this.#options.machine}${path}`;
  }
}

/** What the kernel calls them. */
const CRONS: ReadonlySet<string> = new Set(["cron", "crond", "fcron"]);

function textAt(path: string): string | null {
  return bytesOrNull(path)?.toString() ?? null;
}

function bytesOrNull(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null; // Not there, or gone in this moment.
  }
}

function linkAt(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
