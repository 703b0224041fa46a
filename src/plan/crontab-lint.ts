/**
 * What is wrong or rarely meant in crontabs, all of it: mistakes and warnings of reading, what the schedules mean, and what
 * is known to go wrong with commands under cron.
 */
import { lintSchedule } from "../schedule/lint.ts";
import type { WallTime } from "../schedule/schedule.ts";
import { type Zone, zoneNamed } from "../schedule/zone.ts";
import type { Crontab, CrontabJob, CrontabWarning, WarningRule } from "./crontab.ts";
import { quoted } from "./flaw.ts";

/** What the text alone cannot tell. */
export interface Surroundings {
  readonly now: WallTime;
  /** Of the machine; CRON_TZ comes before it. */
  readonly zone: Zone;
  /** null: nobody can say. */
  isUser(name: string): boolean | null;
  /** Is it a program in cron's own PATH (/usr/bin:/bin)? */
  isInCronsPath(program: string): boolean;
}

/** Fewer jobs at one minute are no crowd. */
export const CROWD = 5;

/** In the order of the lines. Mistakes are in `crontab.mistakes`. `text` is what the crontab was read from. */
export function lintCrontab(crontab: Crontab, text: string, around: Surroundings): readonly CrontabWarning[] {
  const lines = text.split("\n");
  const warnings: CrontabWarning[] = [...crontab.warnings];
  const seen = new Map<string, number>();
  for (const job of crontab.jobs) {
    const line = (lines[job.source.line - 1] ?? "").replace(/\r$/, "");
    const warn = (rule: WarningRule, what: string, fix: string, at = job.source.column - 1) =>
      warnings.push({ file: job.source.file, line: job.source.line, column: at + 1, what, fix, text: line, rule });
    const zone = job.timezone === null ? around.zone : (zoneNamed(job.timezone) ?? around.zone);
    const bare = { ok: true, schedule: job.schedule, remarks: [], end: 0 } as const;
    for (const remark of lintSchedule(bare, zone, around.now)) warn(remark.rule, remark.what, remark.fix);
    lintCommand(job, line, around, warn);
    const same = JSON.stringify([job.schedule, job.timezone, job.user, job.command, job.stdin]);
    const first = seen.get(same);
    if (first === undefined) seen.set(same, job.source.line);
    else warn("duplicate", `the same job as in line ${first}, so it starts twice`, "remove one of them");
  }
  return [...warnings, ...crowdedMinute(crontab.jobs, lines)].sort((a, b) => a.line - b.line || a.column - b.column);
}

type Warn = (rule: WarningRule, what: string, fix: string, at?: number) => void;

function lintCommand(job: CrontabJob, line: string, around: Surroundings, warn: Warn): void {
  const { command, user, owner } = job;
  const begin = commandBegin(job, line);
  if (user !== null && around.isUser(user) === false) {
    const at = line.indexOf(user, job.source.column - 1 + job.expression.length);
    warn("unknown-user", `there is no user ${quoted(user)}, so the job cannot start`, "name one of /etc/passwd", at);
  }
  if (user === null && owner !== null && around.isUser(owner) === false) {
    const what = `there is no user ${quoted(owner)} (\`# svcd: user=\`), so the job cannot start`;
    warn("unknown-user", what, "name one of /etc/passwd");
  }
  const percent = barePercent(line, begin);
  if (percent !== null) {
    const what = `the \`%\` ends the command (${quoted(command)}); what follows is its standard input`;
    warn("percent", what, "write `\\%` where a percent sign is meant, else nothing", percent);
  }
  if (command.trim() === "") {
    warn("empty-command", "behind the schedule there is no command", "write one, or remove the line", line.length);
    return;
  }
  const program = /^[A-Za-z0-9_.+-]+(?=\s|$)/.exec(command)?.[0];
  if (program === undefined || WORDS_OF_THE_SHELL.has(program) || "PATH" in job.environment) return;
  if (around.isInCronsPath(program)) return;
  const what = `${quoted(program)} is looked for in /usr/bin and /bin only, and is not there`;
  warn("relative-program", what, "write its whole path, or a line PATH=… above", begin);
}

/** Commands that need no PATH. */
const WORDS_OF_THE_SHELL = new Set(
  (
    "alias bg break case cd command continue echo eval exec exit export false fg for getopts hash if jobs kill printf pwd " +
    "read readonly return set shift source test time times trap true type ulimit umask unset until wait while"
  ).split(" "),
);

function commandBegin(job: CrontabJob, line: string): number {
  let at = job.source.column - 1 + job.expression.length;
  const skip = (pattern: RegExp) => {
    at += pattern.exec(line.slice(at))![0].length;
  };
  skip(/^[ \t]*/);
  if (job.user !== null) skip(/^[^ \t]*[ \t]*/);
  return at;
}

function barePercent(line: string, begin: number): number | null {
  for (let at = begin; at < line.length; at++) {
    if (line[at] === "\\") at++;
    else if (line[at] === "%") return at;
  }
  return null;
}

/** Ten jobs that all start at minute 0 wait for one another and for the disk. */
function crowdedMinute(jobs: readonly CrontabJob[], lines: readonly string[]): CrontabWarning[] {
  const atZero = jobs.filter(({ schedule }) => {
    return schedule.kind === "calendar" && schedule.minutes.length === 1 && schedule.minutes[0] === 0;
  });
  const first = atZero[0];
  if (first === undefined || atZero.length < CROWD) return [];
  const { file, line, column } = first.source;
  const what = `${atZero.length} of ${jobs.length} jobs start at minute 0`;
  const fix = "spread them over the hour, or annotate them: # svcd: splay=10m";
  return [{ file, line, column, what, fix, text: lines[line - 1] ?? "", rule: "crowded-minute" }];
}
