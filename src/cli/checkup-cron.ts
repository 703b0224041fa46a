/** What `svctl doctor` looks at where there are crontabs: does a cron run the same jobs once more, and does their mail arrive? */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { jobFileKind } from "../plan/cron-directory.ts";
import { readCrontab } from "../plan/crontab.ts";
import type { Call } from "./call.ts";
import type { Check } from "./checkup.ts";
import { type CronDaemon, type FoundCrontab, Survey } from "./cron-survey.ts";
import { ownerOf } from "./crontab-file.ts";
import { surroundings } from "./crontab-findings.ts";

/** Nothing, where cron.d has no crontab. */
export function checkCron(call: Call): readonly Check[] {
  const directory = call.places.cron;
  const crontabs = crontabsIn(directory);
  if (crontabs.length === 0) return [];
  const owner = ownerOf(directory, call.world.uid);
  const survey = new Survey({ machine: "", cronDirectory: directory, owner, around: surroundings(call) });
  const daemons = survey.daemons();
  const twice = daemons.length === 0 ? [] : survey.crontabs();
  return [
    runTwice(twice, daemons, (daemon) => survey.howToSwitchOff(daemon)),
    mailArrives(crontabs.flatMap(mailedTo), survey.hasSendmail()),
  ].filter((check) => check !== null);
}

export function runTwice(
  found: readonly Pick<FoundCrontab, "source" | "fate" | "jobs">[],
  daemons: readonly CronDaemon[],
  howToSwitchOff: (daemon: CronDaemon) => string,
): Check | null {
  const [daemon] = daemons;
  const same = found.filter(({ fate, jobs }) => fate === "same" && jobs > 0);
  const about = "jobs run once";
  if (same.length === 0) return { about, level: "ok", found: "no cron has the crontabs of cron.d too", fix: null };
  const jobs = same.reduce((sum, crontab) => sum + crontab.jobs, 0);
  const sources = same.map(({ source }) => source).join(", ");
  const what = `${daemon!.name} (pid ${daemon!.pid}) runs too, and has the same ${jobs} jobs (${sources}): each runs twice`;
  return { about, level: "warn", found: what, fix: daemons.map(howToSwitchOff).join("; ") };
}

/** null: nobody asked for mail in so many words; what cron would send to the owner is in `svctl logs`. */
export function mailArrives(to: readonly string[], hasSendmail: boolean): Check | null {
  if (to.length === 0) return null;
  const about = "mail of jobs";
  const who = [...new Set(to)].join(", ");
  if (hasSendmail) return { about, level: "ok", found: `sendmail takes it to ${who}`, fix: null };
  const found = `MAILTO is ${who}, and there is no sendmail: nothing is sent`;
  return { about, level: "warn", found, fix: 'install a mail transport agent such as msmtp-mta, or set MAILTO=""' };
}

function crontabsIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => jobFileKind(name)?.includes("crontab") ?? false);
    return names.map((name) => join(directory, name));
  } catch {
    return []; // Other checks say why.
  }
}

function mailedTo(path: string): string[] {
  try {
    const form = basename(path).endsWith(".system") ? "system" : "user";
    const { jobs } = readCrontab(readFileSync(path, "utf8"), path, form);
    return jobs.flatMap(({ environment }) => environment["MAILTO"] || []);
  } catch {
    return [];
  }
}
