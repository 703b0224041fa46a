/** `svctl lint`: everything that is wrong or rarely meant in crontabs, without a daemon. */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { distrust, jobFileKind, whyNoJobFile } from "../plan/cron-directory.ts";
import { type CrontabForm, readCrontab } from "../plan/crontab.ts";
import { lintCrontab, type Surroundings } from "../plan/crontab-lint.ts";
import { formatMistake, type Mistake } from "../plan/mistake.ts";
import { UTC, zoneNamed } from "../schedule/zone.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT, Failure, usage } from "./failure.ts";

export const details = `
Exit status 0: nothing found; 1: mistakes (lines that are not taken) or warnings. Files named *.system, /etc/crontab and those in
/etc/cron.d have a user column, others if they say \`# svcd: user-column\`.`;

interface Finding extends Mistake {
  readonly severity: "mistake" | "warning";
  readonly rule: string | null;
}

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
    const isYaml = /\.ya?ml$/.test(path);
    if (isNamed && isYaml) throw usage(`${path} is no crontab`, "its mistakes are in svctl plan");
    // Of a file that was named, neither name nor rights matter: it may be on its way to where they do.
    const about = isNamed ? null : aboutTheFile(path, call.world.uid);
    if (about !== null) findings.push(about);
    if (isYaml || (!isNamed && jobFileKind(basename(path)) === null)) continue;
    const text = textOf(path);
    const crontab = readCrontab(text, path, formOf(path));
    jobs += crontab.jobs.length;
    findings.push(...crontab.mistakes.map((mistake): Finding => ({ ...mistake, severity: "mistake", rule: null })));
    findings.push(
      ...lintCrontab(crontab, text, around).map((warning): Finding => ({ ...warning, severity: "warning" })),
    );
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
  for (const finding of findings) {
    const mark =
      finding.severity === "mistake" ? call.ink.paint("red", "mistake") : call.ink.paint("yellow", "warning");
    const rule = finding.rule === null ? "" : ` [${finding.rule}]`;
    say(out, `${mark}: ${formatMistake({ ...finding, what: `${finding.what}${rule}` })}\n`);
  }
  const mistakes = findings.filter(({ severity }) => severity === "mistake").length;
  const found = [counted(mistakes, "mistake"), counted(findings.length - mistakes, "warning")].join(", ");
  say(out, `${counted(files, "file")}, ${counted(jobs, "job")}: ${findings.length === 0 ? "nothing found" : found}`);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
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
    throw new Failure(EXIT.failed, `cannot read the crontab (${code})`, {
      where: path,
      fix: "name a file that you may read",
    });
  }
}

function formOf(path: string): CrontabForm {
  return path.endsWith(".system") || path === "/etc/crontab" || path.startsWith("/etc/cron.d/") ? "system" : "user";
}

function surroundings(call: Call): Surroundings {
  const users = usersOf("/etc/passwd");
  return {
    now: call.world.now().getTime(),
    zone: zoneNamed(new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC") ?? UTC,
    isUser: (name) => (users === null ? null : users.has(name)),
    isInCronsPath: (program) => ["/usr/bin", "/bin"].some((directory) => existsSync(join(directory, program))),
  };
}

function usersOf(path: string): Set<string> | null {
  try {
    return new Set(
      readFileSync(path, "utf8")
        .split("\n")
        .map((line) => line.split(":")[0]!),
    );
  } catch {
    return null;
  }
}
