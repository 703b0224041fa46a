/**
 * Tells people about runs of jobs: by a command, a webhook, a ping of healthchecks.io or its kin, a mail as cron writes it. As with hooks,
 * nothing waits for it, it is bounded in time and number, and its failure is a line in svcd's log.
 *
 * The output of the run is read when its turn has come, not while it waits: ten thousand mails that wait are small.
 */
import { accessSync, constants } from "node:fs";
import type { JobDefinition, Notification, NotificationEvent } from "../plan/job.ts";
import type { Hook } from "../plan/plan.ts";
import type { Notifier } from "../ports.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import { type BesideOptions, type Filled, fillIn } from "./beside.ts";
import { Errands, type OnDone, soon, twice } from "./errands.ts";
import { post } from "./http-post.ts";
import { mailText, recipientsIn, SENDMAIL_ARGUMENTS } from "./mail.ts";
import { hasOutput, type OutputBounds, runOutput } from "./run-output.ts";

export interface NotifierOptions {
  readonly launcher: BesideOptions["launcher"];
  readonly hostname: string;
  /** Where commands run whose job has no usable folder. */
  readonly rootDir: string;
  readonly logDir: string;
  /** svcd's own account: a job without `user:` runs as it. */
  readonly user: string;
  readonly say: (line: string) => void;
  /** Others in tests. */
  readonly limits?: Partial<typeof LIMITS>;
  readonly sendmail?: readonly string[];
}

const LIMITS = {
  atOnce: 8,
  /** A night of cron jobs that all print: a few hundred bytes each. */
  waiting: 1_000,
  commandMs: 60_000,
  webhookMs: 10_000,
  retryAfterMs: 1_000,
};
/** healthchecks.io keeps 100 kB; what went wrong stands at the end. */
const PINGED: OutputBounds = { headBytes: 0, tailBytes: 10_000 };
const POSTED: OutputBounds = { headBytes: 0, tailBytes: 4_096 };
/** What a mail server takes from anybody. */
const MAILED: OutputBounds = { headBytes: 64 * 1024, tailBytes: 256 * 1024 };
const SENDMAIL = ["/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/sendmail"];

type Mail = Extract<Notification["by"], { kind: "mail" }>;

interface Told {
  readonly job: JobDefinition;
  readonly event: NotificationEvent;
  readonly record: RunRecord;
}

export class LinuxNotifier implements Notifier {
  readonly #options: NotifierOptions;
  readonly #limits: typeof LIMITS;
  readonly #errands: Errands;
  #saidThatNoSendmail = false;

  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#errands = new Errands(this.#limits, options.say);
  }

  notify(job: JobDefinition, event: NotificationEvent, record: RunRecord): void {
    const told: Told = { job, event, record };
    for (const notification of job.notify) {
      if (!notification.on.includes(event)) continue;
      const start = this.#errandFor(notification, told);
      if (start !== null) this.#errands.add({ name: `${job.name}: the ${notification.by.kind} about ${event}`, start });
    }
  }

  /** Ends what is under way; what waits is given up. */
  close(): void {
    this.#errands.close();
  }

  /** null: nothing is to be done. */
  #errandFor({ by, on }: Notification, told: Told): ((onDone: OnDone) => () => void) | null {
    switch (by.kind) {
      case "command":
      case "webhook":
        return (onDone) => this.#carryOut(by, told, onDone);
      case "ping":
        // The success that it recovered by is pinged already.
        if (told.event === "recovery" && on.includes("success")) return null;
        return (onDone) => this.#ping(by.url, told, onDone);
      case "mail": {
        const ended = told.event === "success" || told.event === "failure" || told.event === "timeout";
        const { run } = told.record;
        if (by.when === "event") return (onDone) => this.#mail(by, told, onDone);
        // One mail for each run that wrote something, whatever else is told of it.
        if (!ended || run === null || !hasOutput(this.#options.logDir, { job: told.job.name, run })) return null;
        return (onDone) => this.#mail(by, told, onDone);
      }
    }
  }

  #carryOut(asked: Hook, told: Told, onDone: OnDone): () => void {
    return this.#filled(told.job, asked, onDone, (filled) => {
      const { hook } = filled;
      if (hook === null) return soon(() => onDone(null)); // Empty after its variables were filled in.
      if (hook.kind === "command") return filled.run({ argv: hook.argv, variables: variablesOf(told) }, onDone);
      const body = JSON.stringify(this.#factsOf(told));
      return this.#post({ url: hook.url, contentType: "application/json", body }, onDone);
    });
  }

  #ping(url: string, told: Told, onDone: OnDone): () => void {
    return this.#filled(told.job, { kind: "webhook", url }, onDone, ({ hook }) => {
      if (hook?.kind !== "webhook") return soon(() => onDone(null));
      const { event, record } = told;
      const output = event === "start" ? "" : this.#outputOf(told, PINGED).toString("utf8");
      const body = event === "start" ? "" : `${record.result}: ${record.why}\n${output}`;
      return this.#post({ url: pingUrl(hook.url, event), contentType: "text/plain; charset=utf-8", body }, onDone);
    });
  }

  #post(request: Parameters<typeof post>[0], onDone: OnDone): () => void {
    const { webhookMs, retryAfterMs } = this.#limits;
    return twice((onEnd) => post(request, webhookMs, onEnd), retryAfterMs)(onDone);
  }

  #mail({ to: written, when }: Mail, told: Told, onDone: OnDone): () => void {
    const to = recipientsIn(written);
    if (to.length === 0) return soon(() => onDone(null));
    const program = this.#sendmail();
    if (program === null) return soon(() => onDone(null));
    const { job, event, record } = told;
    return this.#filled(job, null, onDone, ({ env, user, run }) => {
      const output = this.#outputOf(told, MAILED).toString("utf8");
      const stdin = mailText({
        to,
        user: user?.split(":")[0] ?? this.#options.user,
        host: this.#options.hostname,
        command: job.description || job.name,
        what: when === "output" ? null : `${event}: ${record.why}`,
        date: new Date(),
        env,
        body: output === "" ? `${job.name}: ${record.result}: ${record.why}\n` : output,
      });
      const argv = [program, ...SENDMAIL_ARGUMENTS, ...to];
      return twice((onEnd) => run({ argv, stdin }, onEnd), this.#limits.retryAfterMs)(onDone);
    });
  }

  /** null: there is none, which is told once. */
  #sendmail(): string | null {
    const places = this.#options.sendmail ?? SENDMAIL;
    const found = places.find(isExecutable) ?? null;
    if (found === null && !this.#saidThatNoSendmail) {
      const where = places.join(", ");
      this.#options.say(
        `mail about jobs cannot be sent: there is no sendmail (${where}); install a mail transport agent such as msmtp-mta, or set MAILTO=""`,
      );
    }
    this.#saidThatNoSendmail = found === null;
    return found;
  }

  #filled(
    { service, name }: JobDefinition,
    hook: Hook | null,
    onDone: OnDone,
    act: (filled: Filled) => () => void,
  ): () => void {
    const { commandMs } = this.#limits;
    const asked = hook === null ? null : { failed: hook };
    const answer = fillIn({ ...service, name }, asked, { ...this.#options, commandMs });
    if (!answer.ok) return soon(() => onDone(answer.cause.replace("`on.failed`", "`notify`")));
    return act(answer.filled);
  }

  #outputOf({ record: { job, run } }: Told, bounds: OutputBounds): Buffer {
    return run === null ? Buffer.alloc(0) : runOutput(this.#options.logDir, { job, run }, bounds);
  }

  #factsOf(told: Told): object {
    const { event, record } = told;
    const output = event === "start" ? "" : this.#outputOf(told, POSTED).toString("utf8");
    return { event, ...record, output, host: this.#options.hostname, at: new Date().toISOString() };
  }
}

function variablesOf({ job: { name }, event, record }: Told): Record<string, string> {
  const { run, why, result, scheduledFor, attempt, trigger, exit } = record;
  return {
    SVCD_EVENT: event,
    SVCD_SERVICE: name,
    SVCD_WHY: why.replaceAll("\0", ""),
    CRON_JOB: name,
    CRON_SCHEDULED_FOR: scheduledFor,
    CRON_ATTEMPT: String(attempt),
    CRON_TRIGGER: trigger,
    CRON_RESULT: result,
    ...(run === null ? {} : { SVCD_RUN_NUMBER: String(run), CRON_RUN_ID: `${name}/${run}` }),
    ...(exit !== null && "code" in exit ? { CRON_EXIT_CODE: String(exit.code) } : {}),
  };
}

/** healthchecks.io: /start, nothing, /fail; /log for what is neither. A query stays where it is. */
function pingUrl(url: string, event: NotificationEvent): string {
  const target = new URL(url);
  const path = target.pathname.replace(/\/+$/, "");
  target.pathname = `${path}${PING_ENDINGS[event]}`;
  return target.href;
}

const PING_ENDINGS: Readonly<Record<NotificationEvent, string>> = {
  start: "/start",
  success: "",
  recovery: "",
  failure: "/fail",
  timeout: "/fail",
  missed: "/fail",
  skipped: "/log",
};

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
