/** `svctl lint`: everything that is wrong or rarely meant in crontabs and YAML files of jobs, without a daemon. */
import { lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { distrust, jobFileKind, whyNoJobFile } from "../plan/cron-directory.ts";
import { type CrontabForm, readCrontab } from "../plan/crontab.ts";
import { type Call, say, sayJson } from "./call.ts";
import {
  asMistake,
  asWarning,
  counted,
  type Finding,
  findingsIn,
  sayFinding,
  surroundings,
} from "./crontab-findings.ts";
import { EXIT, Failure } from "./failure.ts";

export const details = `
Exit status 0: nothing found; 1: mistakes (lines that are not taken) or warnings. Files named *.system, /etc/crontab and those in
/etc/cron.d have a user column, others if they say \`# svcd: user-column\`. Whether the services exist that jobs in YAML depend on
is told by svctl plan.`;

export async function run(call: Call): Promise<number> {
  const named = call.words.map((word) => call.world.absolute(word));
  const paths = (named.length > 0 ? named : [call.places.cron]).flatMap((path) => {
    const isFile = named.length > 0 && statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true;
    return isFile ? [{ path, isNamed: true }] : filesOf(path).map((file) => ({ path: file, isNamed: false }));
  });
  const findings: Finding[] = [];
  let jobs = 0;
  const around = surroundings(call);
  for (const { path, isNamed } of paths) {
    // Of a file that was named, neither name nor rights matter: it may be on its way to where they do.
    const about = isNamed ? null : aboutTheFile(path, call.world.uid);
    if (about !== null) findings.push(about);
    if (!isNamed && jobFileKind(basename(path)) === null) continue;
    const text = textOf(path);
    if (/\.ya?ml$/.test(path)) {
      const lintJobFile = await call.world.jobFileReader();
      const read = lintJobFile({ path, text }, call.world.env, machineOf(call, around), around);
      jobs += read.jobs;
      findings.push(...read.mistakes.map(asMistake), ...read.warnings.map(asWarning));
      continue;
    }
    const crontab = readCrontab(text, path, formOf(path));
    jobs += crontab.jobs.length;
    findings.push(...findingsIn(crontab, text, around));
  }
  if (call.json) sayJson(call, findings.map(asJson));
  else sayFindings(call, paths.length, jobs, findings);
  return findings.length === 0 ? EXIT.done : EXIT.failed;
}

function asJson({ file, line, column, severity, rule, what, fix }: Finding) {
  return { file, line, column, severity, rule, what, fix };
}

function sayFindings(call: Call, files: number, jobs: number, findings: readonly Finding[]): void {
  const { out } = call.world;
  for (const finding of findings) sayFinding(out, call.ink, finding);
  const mistakes = findings.filter(({ severity }) => severity === "mistake").length;
  const found = [counted(mistakes, "mistake"), counted(findings.length - mistakes, "warning")].join(", ");
  say(out, `${counted(files, "file")}, ${counted(jobs, "job")}: ${findings.length === 0 ? "nothing found" : found}`);
}

function filesOf(directory: string): string[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure(EXIT.failed, `cannot read the directory of jobs (${code})`, {
      where: directory,
      fix: "name the files: svctl lint FILE…, or the right directory with --root DIR",
    });
  }
  return names.sort().map((name) => join(directory, name));
}

/** Its name and its rights. */
function aboutTheFile(path: string, owner: number): Finding | null {
  const finding = (what: string, fix: string, severity: Finding["severity"], rule: string | null): Finding => {
    return { file: path, line: 1, column: 1, text: "", what, fix, severity, rule };
  };
  const name = whyNoJobFile(basename(path));
  if (name !== null) return finding(name.what, name.fix, "warning", "file-name");
  if (jobFileKind(basename(path)) === null) return null;
  const link = lstatSync(path, { throwIfNoEntry: false });
  const stat = statSync(path, { throwIfNoEntry: false });
  if (link === undefined || stat === undefined) return null; // It has gone meanwhile, or leads nowhere: read and told below.
  const linkUid = link.isSymbolicLink() ? link.uid : null;
  const facts = { isRegular: stat.isFile(), uid: stat.uid, mode: stat.mode & 0o7777, links: stat.nlink, linkUid };
  const flaw = distrust(facts, owner);
  return flaw === null ? null : finding(flaw.what, flaw.fix.replace("FILE", path), "mistake", null);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Failure(EXIT.failed, `cannot read the file (${code})`, {
      where: path,
      fix: "name a file that you may read",
    });
  }
}

/** As whom svcd runs is not known here, and only says what mail is addressed to. */
function machineOf({ world }: Call, { zone }: ReturnType<typeof surroundings>) {
  return { timezone: zone.name, account: { name: null, isRoot: world.uid === 0 } };
}

function formOf(path: string): CrontabForm {
  return path.endsWith(".system") || path === "/etc/crontab" || path.startsWith("/etc/cron.d/") ? "system" : "user";
}
