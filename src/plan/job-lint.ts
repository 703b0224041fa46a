/**
 * What is wrong or rarely meant in a YAML file of jobs, by itself: mistakes as svcd tells them, and of the schedules what is told
 * of those in crontabs. Whether a service that a job depends on exists, only all files together can tell: `svctl plan`.
 */
import { parseExpression } from "../schedule/expression.ts";
import { lintSchedule } from "../schedule/lint.ts";
import { zoneNamed } from "../schedule/zone.ts";
import type { CrontabWarning, WarningRule } from "./crontab.ts";
import { CROWD, type Surroundings } from "./crontab-lint.ts";
import { type DeclaredJob, declaredIn } from "./declared.ts";
import { Findings } from "./findings.ts";
import { quoted } from "./flaw.ts";
import type { JobDefinition } from "./job.ts";
import type { Mistake } from "./mistake.ts";
import type { Machine } from "./read.ts";
import { spotOf } from "./tree.ts";

export interface JobFileReading {
  /** How many jobs it describes without a mistake. */
  readonly jobs: number;
  readonly mistakes: readonly Mistake[];
  /** In the order of the lines. */
  readonly warnings: readonly CrontabWarning[];
}

/** `env`: what `${…}` in keys that are decided while reading is filled in with. */
export function lintJobFile(
  file: { readonly path: string; readonly text: string },
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine,
  around: Surroundings,
): JobFileReading {
  const findings = new Findings();
  const variables = (name: string) => (Object.hasOwn(env, name) ? env[name] : undefined);
  const declared = declaredIn({ ...file, holds: "yaml" }, { variables, machine, findings });
  const jobs = declared.filter((one) => one.kind === "job" && one.described !== null) as Good[];
  const warnings = [
    ...jobs.flatMap((job) => [...aboutSchedules(job, around), ...aboutUser(job, around)]),
    ...duplicates(jobs),
    ...crowdedMinute(jobs),
  ];
  return {
    jobs: jobs.length,
    mistakes: findings.mistakes([file.path]),
    warnings: warnings.sort((a, b) => a.line - b.line || a.column - b.column),
  };
}

type Good = DeclaredJob & { readonly described: { readonly job: JobDefinition } };

function aboutSchedules(good: Good, around: Surroundings): CrontabWarning[] {
  const { job } = good.described;
  const zone = zoneNamed(job.timezone) ?? around.zone;
  return job.schedules.flatMap(({ expression, schedule }, index) => {
    const reading = parseExpression(expression, null, null);
    // The words that were remarked are those of a crontab; the other dialect is strict.
    const isCrontab = reading.ok && JSON.stringify(reading.schedule) === JSON.stringify(schedule);
    const remarks = isCrontab ? reading.remarks : [];
    const spot = spotOf(good.spot, job.schedules.length === 1 ? ["schedule"] : ["schedule", index]);
    return lintSchedule({ ok: true, schedule, remarks, end: 0 }, zone, around.now).map(({ rule, what, fix, at = 0 }) =>
      warning(good, rule, what, fix, (spot.textAt ?? spot.at) + (spot.textAt === null ? 0 : at)),
    );
  });
}

/** One that is filled in at the start is not known yet. */
function aboutUser(good: Good, around: Surroundings): CrontabWarning[] {
  const { user } = good.described.job.service;
  if (user === null || !/^[A-Za-z_][\w.-]*$/.test(user) || around.isUser(user) !== false) return [];
  const what = `there is no user ${quoted(user)}, so the job cannot start`;
  return [warning(good, "unknown-user", what, "name one of /etc/passwd", spotOf(good.spot, ["user"]).at)];
}

function duplicates(jobs: readonly Good[]): CrontabWarning[] {
  const seen = new Map<string, Good>();
  return jobs.flatMap((good) => {
    const { schedules, timezone, service } = good.described.job;
    const { command, user, workingDir, environment, when } = service;
    const calendar = schedules.map(({ schedule }) => schedule);
    const same = JSON.stringify([calendar, timezone, command, user, workingDir, environment, when]);
    const first = seen.get(same);
    if (first === undefined) {
      seen.set(same, good);
      return [];
    }
    const what = `the same job as ${quoted(first.name)} in line ${first.page.place(first.at).line}, so it starts twice`;
    return [warning(good, "duplicate", what, "remove one of them", good.at)];
  });
}

function crowdedMinute(jobs: readonly Good[]): CrontabWarning[] {
  const atZero = jobs.filter(({ described: { job } }) => {
    const isAtZero = ({ schedule }: JobDefinition["schedules"][number]) =>
      schedule.kind === "calendar" && schedule.minutes.length === 1 && schedule.minutes[0] === 0;
    return job.splayMs === 0 && job.schedules.some(isAtZero);
  });
  const [first] = atZero;
  if (first === undefined || atZero.length < CROWD) return [];
  const what = `${atZero.length} of ${jobs.length} jobs start at minute 0`;
  const at = spotOf(first.spot, ["schedule"]).at;
  return [warning(first, "crowded-minute", what, "spread them over the hour, or write `splay: 10m`", at)];
}

function warning({ page }: Good, rule: WarningRule, what: string, fix: string, at: number): CrontabWarning {
  return { file: page.file, ...page.place(at), what, fix, rule };
}
