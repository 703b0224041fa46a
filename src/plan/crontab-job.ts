/**
 * A line of a crontab, made into a job that keeps cron's meaning: `SHELL -c command` in HOME, a bare environment, what is
 * printed goes to MAILTO, runs may overlap, nothing is made up for. What the comment above it says comes before that.
 *
 * A line has no name, and a job needs one that stays: its history and its next due time go by it. Counting lines would give
 * the name of one job to another as soon as a line is added above. So it is called after its file and what it runs
 * (`backup-k3f9x`: the letters are made from the user and the command), and stays the same job when other lines change, when
 * it is moved, and when its schedule changes. Who wants a name worth typing writes `# svcd: name=dump` above it.
 */
import { shareOf } from "../schedule/timetable.ts";
import { type Annotation, noAnnotation } from "./cron-annotation.ts";
import type { CrontabJob, DroppedLine } from "./crontab.ts";
import { stemOf } from "./directory.ts";
import type { JobDefinition, Notification } from "./job.ts";
import { DAY_MS, DEFAULT_KEEP, DEFAULT_OUTPUT, logsOf, retriesOfNumber, WHEN_OVER } from "./job-of.ts";
import type { Service, Template } from "./plan.ts";
import type { Machine } from "./read.ts";
import { bareProgram } from "./service-of.ts";

export function definitionOf(job: CrontabJob, name: string, machine: Machine): JobDefinition {
  const { annotation, source } = job;
  const service = serviceOf(job, name, machine);
  return {
    name,
    source,
    description: service.description,
    service,
    schedules: [{ expression: job.expression, schedule: job.schedule }],
    timezone: job.timezone ?? machine.timezone,
    policy: annotation === noAnnotation ? PLAIN_POLICY : policyOf(annotation),
    onMissed: annotation.onMissed ?? "cron",
    missedWindowMs: annotation.missedWindowMs ?? DAY_MS,
    splayMs: annotation.splayMs ?? 0,
    lock: annotation.lock,
    concurrency: null,
    whenBlocked: "wait",
    keep: DEFAULT_KEEP,
    notify: mailOf(job, machine),
    output: DEFAULT_OUTPUT,
    cleanEnvironment: true,
    crontab: job.stdin === "" ? NO_STDIN : { stdin: job.stdin },
  };
}

// What is the same in most lines is one object for all of them: there may be ten thousand.

const NO_STDIN = { stdin: "" };
const NOTHING_SAID = bareProgram(
  { name: "", group: "", source: { file: "", line: 0, column: 0 }, lines: {} },
  { kind: "words", words: [] },
);
const LOGS = logsOf(undefined, DEFAULT_OUTPUT);

function policyOf(annotation: Annotation): JobDefinition["policy"] {
  const { successExitCodes, stopSignal, stopGraceMs, stopTo } = NOTHING_SAID.policy;
  return {
    overlap: annotation.overlap ?? "allow",
    startDeadlineMs: annotation.startDeadlineMs,
    retries: retriesOfNumber(annotation.retries ?? 0),
    timeoutMs: annotation.timeoutMs,
    successExitCodes,
    stopSignal,
    stopGraceMs,
    stopTo,
  };
}

const PLAIN_POLICY = policyOf(noAnnotation);

/** By what the lines above say: jobs below the same ones share it. */
const environments = new WeakMap<CrontabJob["environment"], Service["environment"]>();

function environmentOf({ environment }: CrontabJob): Service["environment"] {
  const known = environments.get(environment);
  if (known !== undefined) return known;
  const all = Object.entries({ ...CRONS_OWN, ...environment }).map(([key, value]) => [key, literally(value)]);
  const filled: Service["environment"] = Object.fromEntries(all);
  environments.set(environment, filled);
  return filled;
}

function serviceOf(job: CrontabJob, name: string, { account }: Machine): Service {
  const user = job.user ?? job.owner;
  const { environment, source } = job;
  const shell = environment["SHELL"] ?? CRONS_OWN.SHELL;
  return {
    ...NOTHING_SAID,
    name,
    groups: [stemOf(source.file)],
    source,
    lines: { command: source.line },
    command: { kind: "words", words: [literally(shell), "-c", literally(job.command)] },
    description: oneLine(job.command),
    workingDir: "${HOME:-/}", // Of the account, or as the crontab sets it.
    user: user === null || (!account.isRoot && user === account.name) ? null : literally(user),
    environment: environmentOf(job),
    logs: LOGS,
  };
}

/** HOME and LOGNAME are the account's. */
const CRONS_OWN = { SHELL: "/bin/sh", PATH: "/usr/bin:/bin" };

/** cron fills nothing in. */
function literally(text: string): Template {
  return text.replaceAll("$", "$$$$");
}

function oneLine(command: string): string {
  const line = command.replace(/\s+/g, " ").trim();
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

const NOBODY: Notification[] = [];

/** cron mails what was printed, however the run ended; an empty MAILTO is nobody. */
function mailOf({ environment, user, owner }: CrontabJob, { account }: Machine): Notification[] {
  const to = (environment["MAILTO"] ?? user ?? owner ?? account.name ?? "").trim();
  return to === "" ? NOBODY : [{ on: WHEN_OVER, by: { kind: "mail", to, when: "output" } }];
}

// --- names -------------------------------------------------------------------------------------------------------------

/** A name for each job of one file, in their order. */
export function namesOf(jobs: readonly CrontabJob[]): readonly string[] {
  const taken = new Set(jobs.flatMap(({ annotation: { name } }) => (name === null ? [] : [name])));
  return jobs.map((job) => {
    if (job.annotation.name !== null) return job.annotation.name;
    const { file } = job.source;
    // The same command a second time is told by its schedule, and if that is the same too, by its number.
    let name = nameFor(file, job.behind);
    for (let nth = 1; taken.has(name); nth++) name = nameFor(file, `${job.behind}\n${job.expression}\n${nth}`);
    taken.add(name);
    return name;
  });
}

/** Of a line that is not understood the command may still be: what the job was called then, among other names that nobody has. */
export function namesMeant(file: string, dropped: readonly DroppedLine[]): string[] {
  return dropped.slice(0, MOST_GUESSED).flatMap(({ text, name }) => {
    if (name !== null) return [name];
    const words = [...text.matchAll(/[^ \t]+/g)].slice(0, MOST_WORDS_BEFORE_A_COMMAND);
    return words.map(({ index }) => nameFor(file, text.slice(index).trim()));
  });
}

/** Who breaks more lines at once begins anew. */
const MOST_GUESSED = 500;
/** Five fields, one or two too many, and the command. */
const MOST_WORDS_BEFORE_A_COMMAND = 8;

function nameFor(file: string, what: string): string {
  const base = file.slice(file.lastIndexOf("/") + 1);
  const stem =
    stemOf(base)
      .replace(/^[^A-Za-z0-9]+/, "")
      .slice(0, 80) || "job";
  return `${stem}-${lettersOf(base, what)}`;
}

/** Five letters and digits: of a hundred lines two are alike once in ten thousand files, and even then they are told apart. */
function lettersOf(file: string, what: string): string {
  return Math.floor(shareOf(file, what) * 36 ** 5)
    .toString(36)
    .padStart(5, "0");
}
