/**
 * `svctl crontab`: the habit of crontab(1), for the files of `cron.d`. A crontab is installed as a whole or not at all, and
 * only without mistakes; what is legal and probably not meant is told.
 */
import { closeSync, existsSync, openSync } from "node:fs";
import { LARGEST_CRONTAB_BYTES } from "../plan/cron-directory.ts";
import { readCrontab } from "../plan/crontab.ts";
import { userFlaw } from "../plan/crontab-user.ts";
import { type Call, say } from "./call.ts";
import { CrontabFile, ownerOf } from "./crontab-file.ts";
import { counted, type Finding, findingsIn, sayFinding, surroundings } from "./crontab-findings.ts";
import { crontabUser } from "./crontab-owner.ts";
import { ifReachable } from "./daemon.ts";
import { EXIT, Failure, usage } from "./failure.ts";
import { allOf } from "./input.ts";
import { plainLines } from "./text.ts";

export const details = `
Your crontab is the file in cron.d that is called like you. FILE replaces it (\`-\`: stdin), -e opens it in $VISUAL, $EDITOR or the
editor of this machine. Nothing is installed that has a mistake. What was there before stays in cron.d as .NAME.before.
As root -u USER means the crontab of USER, whose jobs run as USER. /etc/cron.allow and /etc/cron.deny are obeyed.
A link called crontab to bin/crontab makes scripts that say \`crontab\` speak to svcd: ln -s …/bin/crontab /usr/local/bin/`;

export async function run(call: Call): Promise<number> {
  const { list, edit, remove, interactive, "dry-run": dryRun } = call.options;
  const given = (["list", "edit", "remove"] as const).filter((name) => call.options[name] !== undefined);
  const [word] = call.words;
  if (given.length + (word === undefined ? 0 : 1) > 1) {
    throw usage("-l, -e, -r and a FILE exclude each other", "svctl help crontab");
  }
  if (interactive !== undefined && remove === undefined) throw usage("-i is for -r only", "svctl help crontab");
  if (dryRun !== undefined && given.length > 0) throw usage("-n is for a FILE only", "svctl help crontab");
  const file = new CrontabFile(call.places.cron, crontabUser(call), call.world.uid);
  if (list !== undefined) return show(call, file);
  if (remove !== undefined) return removeIt(call, file);
  if (edit !== undefined) return (await import("./crontab-edit.ts")).edit(call, file);
  return install(call, file, word);
}

function show(call: Call, file: CrontabFile): number {
  const bytes = existing(file);
  const { out } = call.world;
  // In a file or pipe it is what it is, for `crontab -l | crontab -`; no terminal shall obey it.
  out.write(out.isTTY ? plainLines(bytes.toString()) : bytes);
  return EXIT.done;
}

function removeIt(call: Call, file: CrontabFile): number {
  const bytes = existing(file);
  if (call.options.interactive !== undefined) {
    const { jobs } = readCrontab(bytes.toString(), file.path);
    const question = `remove the crontab of ${file.user.name} (${counted(jobs.length, "job")})? (y/n) `;
    if (!saysYes(call, question)) return EXIT.done;
  }
  if (file.remove() === "done") say(call.world.err, `crontab: removed; it is still in ${file.before}`);
  return EXIT.done;
}

function existing(file: CrontabFile): Buffer {
  const bytes = file.read();
  if (bytes !== null) return bytes;
  const { name } = file.user;
  const crons = `/var/spool/cron/crontabs/${name}`;
  const fix = existsSync(crons) ? `the one of cron is in ${crons}: svctl import crontab` : "make one: svctl crontab -e";
  throw new Failure(EXIT.failed, `no crontab for ${name}`, { where: file.path, fix });
}

async function install(call: Call, file: CrontabFile, word: string | undefined): Promise<number> {
  const { input, out } = call.world;
  if (word === undefined && input.isTTY) {
    const what = "`crontab` alone would wait for a crontab on this terminal";
    throw usage(what, "write crontab -e to edit yours, -l to see it, or `crontab -` to type one");
  }
  const isStdin = word === undefined || word === "-";
  const name = isStdin ? "stdin" : word;
  const bytes = isStdin ? input.all(LARGEST_CRONTAB_BYTES) : contentOf(call.world.absolute(word));
  if (bytes === null) throw tooLarge(name);
  const { jobs, mistakes } = sayFindings(call, file, bytes, name);
  if (mistakes > 0) {
    throw new Failure(EXIT.failed, `${counted(mistakes, "mistake")}; nothing was installed`, { where: name });
  }
  if (call.options["dry-run"] !== undefined) {
    say(out, `${name}: ${counted(jobs, "job")}, no mistakes; nothing was installed (-n)`);
    return EXIT.done;
  }
  const before = file.read();
  file.replace(bytes);
  await afterInstalling(call, file, before, jobs);
  return EXIT.done;
}

function contentOf(path: string): Buffer | null {
  try {
    const fd = openSync(path, "r");
    try {
      return allOf(fd, LARGEST_CRONTAB_BYTES);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    const { message } = error as NodeJS.ErrnoException;
    throw new Failure(EXIT.failed, `cannot read the new crontab: ${message}`, {
      where: path,
      fix: "name a file that you may read",
    });
  }
}

export function tooLarge(where: string): Failure {
  const what = `the crontab is larger than ${LARGEST_CRONTAB_BYTES / 1024} KiB; nothing was installed`;
  return new Failure(EXIT.failed, what, { where, fix: "put what is long into scripts" });
}

/** On stderr, as `svctl lint` shows them; also who would run what. */
export function sayFindings(
  call: Call,
  { user }: CrontabFile,
  bytes: Buffer,
  name: string,
): { readonly jobs: number; readonly mistakes: number } {
  const text = bytes.toString();
  const crontab = readCrontab(text, name);
  const owner = ownerOf(call.places.cron, call.world.uid);
  const machine = { account: { name: owner.name, isRoot: owner.uid === 0 } };
  const lines = text.split("\n");
  const foreign = crontab.jobs.flatMap((job): Finding[] => {
    const runsAs = job.user ?? job.owner ?? user.name;
    // Root may give lines of its own crontab to others; the crontab of another user is his alone.
    const flaw =
      runsAs !== user.name && owner.uid !== user.uid
        ? { what: `this is the crontab of ${user.name}, and the line would run as ${runsAs}`, fix: "take that out" }
        : userFlaw(job, machine);
    if (flaw === null) return [];
    return [{ ...job.source, ...flaw, text: lines[job.source.line - 1] ?? "", severity: "mistake", rule: null }];
  });
  const findings = [...findingsIn(crontab, text, surroundings(call)), ...foreign];
  for (const finding of findings) sayFinding(call.world.err, call.errInk, finding);
  const mistakes = findings.filter(({ severity }) => severity === "mistake").length;
  return { jobs: crontab.jobs.length, mistakes };
}

/** What the person may not expect. */
export async function afterInstalling(call: Call, file: CrontabFile, before: Buffer | null, jobs: number) {
  const { err } = call.world;
  const hadJobs = before === null ? 0 : readCrontab(before.toString(), file.path).jobs.length;
  if (jobs === 0 && hadJobs > 0) {
    const had = `${file.user.name} has no jobs any more, and had ${hadJobs}`;
    say(err, `crontab: ${had}; the crontab before is in ${file.before}`);
  }
  if (jobs > 0 && (await ifReachable(call.daemon.health())) === null) {
    say(err, `crontab: installed, and no svcd runs (${call.daemon.socketPath}): the jobs begin once it does`);
  }
}

export function saysYes(call: Call, question: string): boolean {
  const { err, input } = call.world;
  err.write(question);
  for (let answer = input.line(); answer !== null; answer = input.line()) {
    if (/^\s*y/i.test(answer)) return true;
    if (/^\s*n/i.test(answer)) return false;
    err.write("write y or n: ");
  }
  err.write("\n"); // Nobody is there to answer.
  return false;
}
