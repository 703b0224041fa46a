/**
 * What was written about one job, made into the job: every default filled in, the schedules read, and what no single key can
 * know checked between keys.
 */
import { type Dialect, parseExpression } from "../schedule/expression.ts";
import type { Retries } from "../schedule/job.ts";
import { listed } from "./flaw.ts";
import type { Lookup } from "./interpolate.ts";
import type { JobDefinition, JobOutput, Notification, NotificationEvent } from "./job.ts";
import { jobShape, MOST_SCHEDULES, type WrittenJob } from "./job-schema.ts";
import type { Dependency, Logs } from "./plan.ts";
import {
  type Complain,
  commandOf,
  complainTo,
  conditionOf,
  dependenciesOf,
  type Header,
  programOf,
} from "./service-of.ts";
import { type Complaint, type Path, readWith, type Value } from "./shape.ts";
import { isTable } from "./tree.ts";
import { formatDuration } from "./units.ts";

/** A job as its own keys describe it. Whom it waits for is known by name only: `service.dependsOn` is still empty. */
export interface DescribedJob {
  readonly job: JobDefinition;
  readonly dependencies: readonly (Dependency & { readonly path: Path })[];
}

export function jobOf(
  header: Header,
  written: Value,
  variables: Lookup,
  machineZone: string,
): DescribedJob | { readonly complaints: readonly Complaint[] } {
  const complaints: Complaint[] = [];
  const complain = complainTo(complaints);
  const read = readWith(jobShape, withoutEnvironmentInEnv(written, complain), variables);
  if ("complaints" in read) return { complaints: [...complaints, ...read.complaints] };
  const keys = read.value;
  const job = assemble(header, keys, written, machineZone, complain);
  if (complaints.length > 0) return { complaints };
  return { job, dependencies: dependenciesOf(keys.depends_on, "ready") };
}

/** Half the world writes `env:` for variables. */
function withoutEnvironmentInEnv(written: Value, complain: Complain): Value {
  if (!isTable(written) || typeof written["env"] !== "object" || written["env"] === null) return written;
  complain(["env"], " is `clean` or not there", "for variables write `environment:`", "key");
  const { env: _, ...rest } = written;
  return rest;
}

function assemble(
  header: Header,
  keys: WrittenJob,
  written: Value,
  machineZone: string,
  complain: Complain,
): JobDefinition {
  const program = programOf(header, keys, complain);
  const output = outputOf(keys.output);
  const { policy } = program;
  checkBetween(keys, complain);
  return {
    name: header.name,
    source: header.source,
    description: program.description,
    service: {
      ...program,
      when: keys.when === undefined ? null : conditionOf(keys.when, ["when"], complain),
      enabled: keys.enabled ?? true,
      logs: logsOf(keys.logs, output),
    },
    schedules: schedulesOf(keys, written, complain),
    timezone: keys.timezone ?? machineZone,
    policy: {
      overlap: keys.overlap ?? "skip",
      startDeadlineMs: keys.start_deadline ?? null,
      retries: retriesOf(keys.retries, complain),
      successExitCodes: policy.successExitCodes,
      timeoutMs: keys.timeout ?? null,
      stopSignal: policy.stopSignal,
      stopGraceMs: policy.stopGraceMs,
      stopTo: policy.stopTo,
    },
    onMissed: keys.on_missed ?? "once",
    missedWindowMs: keys.missed_window ?? DAY_MS,
    splayMs: keys.splay ?? 0,
    lock: keys.lock ?? null,
    concurrency: keys.concurrency ?? null,
    whenBlocked: keys.when_blocked ?? "wait",
    keep: keepOf(keys.keep),
    notify: notifyOf(keys.notify, complain),
    output,
    cleanEnvironment: keys.env === "clean",
    crontab: null,
  };
}

export const DAY_MS = 86_400_000;
export const DEFAULT_KEEP: JobDefinition["keep"] = { successes: 50, failures: 50, forMs: null };
export const DEFAULT_OUTPUT: JobOutput = { headBytes: 64 * 1024, tailBytes: 1024 * 1024 };

/** How tries are spaced where only their number is given. */
export function retriesOfNumber(most: number): Retries {
  return { most, firstMs: 10_000, factor: 2, longestMs: 600_000, jitter: 0.1 };
}

// --- when ------------------------------------------------------------------------------------------------------------

function schedulesOf(keys: WrittenJob, written: Value, complain: Complain): JobDefinition["schedules"] {
  const expressions = typeof keys.schedule === "string" ? [keys.schedule] : keys.schedule;
  if (expressions.length > MOST_SCHEDULES) {
    const what = ` has ${expressions.length} entries; a job has at most ${MOST_SCHEDULES}`;
    complain(["schedule"], what, "use lists and ranges, or several jobs", "key");
    return [];
  }
  const dialect: Dialect | null = keys.dialect ?? null;
  const inFile = isTable(written) ? written["schedule"] : undefined;
  return expressions.flatMap((expression, index) => {
    const path: Path = typeof keys.schedule === "string" ? ["schedule"] : ["schedule", index];
    const reading = parseExpression(expression, dialect, keys.days ?? null);
    if (reading.ok) return [{ expression: expression.trim(), schedule: reading.schedule }];
    const { what, fix, at } = reading.flaw;
    const text = Array.isArray(inFile) ? inFile[index] : inFile;
    // With variables filled in, the place in the file is another.
    complain(path, `: ${what}`, fix, "value", text === expression ? at : undefined);
    return [];
  });
}

/** What one key says about another. */
function checkBetween(keys: WrittenJob, complain: Complain): void {
  if (keys.days !== undefined && keys.dialect === "crontab") {
    complain(["days"], " is for the extended dialect", "remove it, or write `dialect: extended`", "key");
  }
  if (keys.when_blocked !== undefined && keys.depends_on === undefined) {
    const fix = "add `depends_on:`, or remove it";
    complain(["when_blocked"], " says nothing without `depends_on`", fix, "key");
  }
  const all = typeof keys.schedule === "string" ? [keys.schedule] : keys.schedule;
  if ((keys.splay ?? 0) > 0 && all.every((expression) => /^\s*@(every|reboot)\b/.test(expression))) {
    const what = " changes nothing: only starts at times of the clock are spread";
    complain(["splay"], what, "remove it", "key");
  }
  if (keys.missed_window !== undefined && keys.on_missed === "skip") {
    const what = " changes nothing: `on_missed: skip` makes up for nothing";
    complain(["missed_window"], what, "remove one of the two", "key");
  }
}

function retriesOf(written: WrittenJob["retries"], complain: Complain): Retries {
  if (written === undefined) return retriesOfNumber(0);
  if (typeof written === "number") return retriesOfNumber(written);
  const unsaid = retriesOfNumber(3);
  const firstMs = written.first ?? unsaid.firstMs;
  const longestMs = written.longest ?? Math.max(unsaid.longestMs, firstMs);
  if (longestMs < firstMs) {
    complain(
      ["retries", "longest"],
      `: ${formatDuration(longestMs)} is less than \`first\` (${formatDuration(firstMs)})`,
      "make `longest` at least as long as `first`",
    );
  }
  return {
    most: written.most ?? unsaid.most,
    firstMs,
    factor: written.factor ?? unsaid.factor,
    longestMs,
    jitter: written.jitter ?? unsaid.jitter,
  };
}

// --- what becomes of a run ---------------------------------------------------------------------------------------------

function keepOf(written: WrittenJob["keep"]): JobDefinition["keep"] {
  if (typeof written === "number") return { successes: written, failures: written, forMs: null };
  return {
    successes: written?.successes ?? DEFAULT_KEEP.successes,
    failures: written?.failures ?? DEFAULT_KEEP.failures,
    forMs: written?.for ?? null,
  };
}

function outputOf(written: WrittenJob["output"]): JobOutput {
  return {
    headBytes: written?.head ?? DEFAULT_OUTPUT.headBytes,
    tailBytes: written?.tail ?? DEFAULT_OUTPUT.tailBytes,
  };
}

/** The log of one run: what is rotated away once keeps the tail whole, more is not wanted. */
export function logsOf(written: WrittenJob["logs"], { headBytes, tailBytes }: JobOutput): Logs | null {
  if (written === "none") return null;
  return {
    maxSizeBytes: tailBytes,
    keep: 1,
    timestamps: written?.timestamps ?? false,
    compress: false,
    headBytes,
    stderr: written?.stderr ?? "merged",
  };
}

const WAYS = ["command", "webhook", "ping", "mail"] as const;
type WrittenNotification = Exclude<NonNullable<WrittenJob["notify"]>, readonly unknown[]>;

function notifyOf(written: WrittenJob["notify"], complain: Complain): Notification[] {
  if (written === undefined) return [];
  if (!Array.isArray(written)) return [notificationOf(written, ["notify"], complain)];
  return written.map((one, index) => notificationOf(one, ["notify", index], complain));
}

function notificationOf(written: WrittenNotification, path: Path, complain: Complain): Notification {
  const given = WAYS.filter((way) => written[way] !== undefined);
  if (given.length === 0) complain(path, " does not say how", `add one of ${listed(WAYS, "or")}`, "key");
  if (given.length > 1) {
    const fix = "make an item of the list for each";
    complain([...path, given[1]!], `: ${listed(given)} are given, and an item has one`, fix, "key");
  }
  if (written.when !== undefined && written.mail === undefined) {
    complain([...path, "when"], " is for a `mail`", "remove it", "key");
  }
  const by = wayOf(written, path, complain);
  return { on: eventsOf(written.on, by), by };
}

function wayOf(written: WrittenNotification, path: Path, complain: Complain): Notification["by"] {
  if (written.webhook !== undefined) return { kind: "webhook", url: written.webhook };
  if (written.ping !== undefined) return { kind: "ping", url: written.ping };
  if (written.mail !== undefined) return { kind: "mail", to: written.mail, when: written.when ?? "event" };
  return { kind: "command", command: commandOf(written.command ?? "true", [...path, "command"], complain) };
}

/** Each run that is over, however it went. */
export const WHEN_OVER: readonly NotificationEvent[] = ["success", "failure", "timeout"];

function eventsOf(written: WrittenNotification["on"], by: Notification["by"]): readonly NotificationEvent[] {
  if (written !== undefined) return typeof written === "string" ? [written] : [...new Set(written)];
  if (by.kind === "ping") return ["start", ...WHEN_OVER];
  if (by.kind === "mail" && by.when === "output") return WHEN_OVER;
  return ["failure", "timeout", "missed", "recovery"];
}
