/**
 * `svctl import crontab`: from cron to svcd. Says first what would become of which file; with `--apply` it copies, overwrites
 * nothing, and leaves the originals as they are.
 */
import { existsSync } from "node:fs";
import { type Call, say, sayJson } from "./call.ts";
import { type CronDaemon, type FoundCrontab, Survey } from "./cron-survey.ts";
import { locked, makeDirectory, ownerOf, write } from "./crontab-file.ts";
import { counted, type Finding, surroundings } from "./crontab-findings.ts";
import { EXIT, Failure, usage } from "./failure.ts";
import { plain } from "./text.ts";

export const details = `
Looks for /etc/crontab, /etc/cron.d and the crontabs of users, and copies them into cron.d: NAME.system where lines name their
user, else one file for each user. Nothing is overwritten, and the originals stay as they are. What cron does not run is left
out. While a cron daemon runs, each job would run twice: it is named, and how to switch it off.
Exit status 1: with --apply something could not be taken over.`;

export async function run(call: Call): Promise<number> {
  const [what = ""] = call.words;
  if (what !== "crontab") throw usage(`cannot import \`${what}\``, "svctl import crontab");
  const { uid } = call.world;
  const machine =
    call.options.machine === undefined ? "" : call.world.absolute(call.options.machine).replace(/\/$/, "");
  if (!existsSync(`${machine}/`)) {
    throw new Failure(EXIT.failed, "there is no such directory", {
      where: machine,
      fix: "name where the disk is mounted",
    });
  }
  const owner = ownerOf(call.places.cron, uid);
  const around = surroundings(call, machine);
  const survey = new Survey({ machine, cronDirectory: call.places.cron, owner, around });
  const found = survey.crontabs();
  const daemons = survey.daemons();
  const isApplied = call.options.apply !== undefined;
  if (isApplied) takeOver(call, found);
  if (call.json) sayJson(call, asJson(found, daemons, isApplied));
  else sayAll(call, survey, found, daemons, isApplied);
  return isApplied && found.some(({ fate }) => fate === "differs") ? EXIT.failed : EXIT.done;
}

function takeOver(call: Call, found: readonly FoundCrontab[]): void {
  const directory = call.places.cron;
  const owner = ownerOf(directory, call.world.uid);
  const fresh = found.filter(({ fate }) => fate === "new");
  if (fresh.length === 0) return;
  makeDirectory(directory, owner);
  locked(directory, () => {
    for (const { target, bytes } of fresh) {
      // Looked for again: since then somebody may have made it.
      if (target !== null && !existsSync(target)) write(target, bytes, owner);
    }
  });
}

function asJson(found: readonly FoundCrontab[], daemons: readonly CronDaemon[], applied: boolean) {
  return {
    applied,
    daemons,
    crontabs: found.map(({ source, target, fate, why, jobs, findings, notes }) => ({
      source,
      target,
      fate,
      why,
      jobs,
      findings: findings.map(({ line, column, severity, rule, what, fix }) => ({
        line,
        column,
        severity,
        rule,
        what,
        fix,
      })),
      notes,
    })),
  };
}

function sayAll(
  call: Call,
  survey: Survey,
  found: readonly FoundCrontab[],
  daemons: readonly CronDaemon[],
  isApplied: boolean,
): void {
  const { out } = call.world;
  for (const crontab of found) sayCrontab(call, crontab, isApplied);
  for (const directory of survey.unread) say(out, `${directory}: you may not look into it; ask as root\n`);
  const fresh = found.filter(({ fate }) => fate === "new");
  const jobs = fresh.reduce((sum, one) => sum + one.jobs, 0);
  const mailTo = [...new Set(fresh.flatMap((one) => one.mailTo))].filter((address) => address !== "");
  if (mailTo.length > 0) {
    const to = mailTo.map(plain).join(", ");
    say(
      out,
      survey.hasSendmail()
        ? `mail: what these jobs print is sent to ${to} (MAILTO, else the user), as cron does it.`
        : `mail: there is no sendmail, so nothing reaches ${to}, from cron neither; svctl logs JOB shows what they print.`,
    );
  }
  if (survey.hasAnacrontab()) {
    say(
      out,
      "anacron: /etc/anacrontab is not read. Its jobs are @daily, @weekly … here, with `# svcd: on_missed=once`.",
    );
  }
  for (const daemon of daemons) {
    const { name, pid } = daemon;
    const twice = isApplied ? "jobs run twice now" : "jobs would run twice";
    say(out, `${call.ink.paint("yellow", "warning")}: ${name} runs (pid ${pid}), so ${twice}.`);
    say(out, `  fix: ${isApplied ? "now" : "right before --apply"}: ${survey.howToSwitchOff(daemon)}`);
  }
  const total = `${counted(fresh.length, "crontab")} with ${counted(jobs, "job")}`;
  if (found.length === 0) say(out, "cron has no crontabs here: nothing to take over");
  else if (isApplied)
    say(out, `${total} taken over. The copies do not follow the originals: packages may change those.`);
  else if (fresh.length > 0) say(out, `${total} can be taken over. Nothing was written; do it with --apply`);
  else say(out, "nothing new to take over");
}

function sayCrontab(call: Call, crontab: FoundCrontab, isApplied: boolean): void {
  const { out } = call.world;
  const { source, target, fate, why, jobs, findings, notes } = crontab;
  const from = call.ink.paint("bold", plain(source));
  if (target === null) {
    say(out, `${from}: left out; ${why === null ? "" : plain(why)}\n`);
    return;
  }
  const what = {
    new: `${counted(jobs, "job")}${isApplied ? ", taken over" : ""}`,
    same: `${counted(jobs, "job")}, taken over already`,
    differs: "there is another file of that name, which stays; nothing is taken over",
    "left out": "",
  }[fate];
  say(out, `${from} → ${plain(target)}: ${what}`);
  const mistakes = findings.filter(({ severity, rule }) => severity === "mistake" && rule === null);
  if (mistakes.length > 0) {
    say(out, "  cron takes no job of a file with a mistake; svcd leaves out these lines only:");
    for (const mistake of mistakes) say(out, `  ${lineOf(mistake)}`);
  }
  const others = findings.filter((finding) => !mistakes.includes(finding));
  const told = [
    ...notes.map(({ line, text }) => ({ line, text: `line ${line}: ${plain(text)}` })),
    ...others.map((finding) => ({ line: finding.line, text: lineOf(finding) })),
  ].sort((a, b) => a.line - b.line);
  for (const { text } of told) say(out, `  ${text}`);
  say(out, "");
}

function lineOf({ line, what, fix, rule }: Finding): string {
  return `line ${line}: ${plain(what)}${rule === null ? "" : ` [${rule}]`} (${plain(fix)})`;
}
