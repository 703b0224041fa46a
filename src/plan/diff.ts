/**
 * What a new plan changes: which services appear, disappear, change, and which of the changes need a restart.
 *
 * Services are compared as a whole, key by key as they are, so that a key that is added to `Service` later cannot be
 * forgotten: whatever is not on the short list below restarts the service, because nothing else can bring the new value
 * to a process that runs. Jobs are compared in the same way; what runs of one goes on as it was started, and the next run
 * is as the file says.
 */
import { askInWords, type GpuAsk } from "../gpu/ask.ts";
import type { JobDefinition } from "./job.ts";
import type { Condition, Plan, Service } from "./plan.ts";
import { baseName } from "./references.ts";
import { formatDuration, formatSize } from "./units.ts";
import { quoteWord } from "./words.ts";

/** What a running process never sees: svcd itself goes by the new value from now on (a log's `stderr` from the next start). */
const NEEDS_NO_RESTART: ReadonlySet<string> = new Set([
  "description",
  "groups",
  "when",
  "enabled",
  "autostart",
  "essential",
  "policy",
  "check",
  "phases",
  "smoke",
  "dependsOn",
  "reloadSignal",
  "logs",
  "on",
  "idle",
  "expose", // The gateway asks anew.
] satisfies (keyof Service)[]);

/** Where something stands in its file is not part of what it is. */
const NOT_COMPARED: ReadonlySet<string> = new Set(["name", "source", "lines"] satisfies (keyof Service)[]);

export interface FieldChange {
  /** As it stands in the file: `environment.PORT`, `stop_grace_period`. */
  readonly field: string;
  /** For people; "(none)" where nothing stands. */
  readonly before: string;
  readonly after: string;
}

export interface ChangedService {
  readonly name: string;
  readonly restart: boolean;
  readonly fields: readonly string[];
  readonly details: readonly FieldChange[];
}

export interface PlanDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly ChangedService[];
  readonly unchanged: readonly string[];
  /** Not in the new plan because of a mistake: they go on as they were. */
  readonly kept: readonly string[];
}

export function diffPlans(before: ReadonlyMap<string, Service>, after: Plan): PlanDiff {
  const changed: ChangedService[] = [];
  const unchanged: string[] = [];
  const removed: string[] = [];
  const kept: string[] = [];
  for (const [name, service] of before) {
    const next = after.services.get(name);
    if (next === undefined) {
      (isKept(service, after) ? kept : removed).push(name);
      continue;
    }
    const change = diffServices(service, next);
    if (change === null) unchanged.push(name);
    else changed.push(change);
  }
  const added = [...after.services.keys()].filter((name) => !before.has(name));
  return { added, removed, changed, unchanged, kept };
}

/** Whether a mistake may be all that keeps a service or job out of a plan. */
export function isKept(
  service: Pick<Service, "name" | "source">,
  plan: Pick<Plan, "brokenFiles" | "brokenNames">,
): boolean {
  return plan.brokenFiles.has(service.source.file) || plan.brokenNames.has(baseName(service.name));
}

/** null when they are the same. */
export function diffServices(before: Service, after: Service): ChangedService | null {
  if (before === after) return null; // Its file was not read again.
  if (sameText(before, after)) return null;
  const changes = changesBetween({ ...before }, { ...after });
  if (changes.length === 0) return null;
  const restart = changes.some(({ key }) => !NEEDS_NO_RESTART.has(key));
  return { name: after.name, restart, ...told(changes) };
}

/** The usual case, at a tenth of the price. Different text may still be the same service, with its keys in another order. */
function sameText(before: Service, after: Service): boolean {
  const text = (service: Service): string => JSON.stringify({ ...service, source: null, lines: null });
  return before === after || text(before) === text(after);
}

type Change = FieldChange & { readonly key: string };

function changesBetween(before: Record<string, unknown>, after: Record<string, unknown>): Change[] {
  const changes: Change[] = [];
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (NOT_COMPARED.has(key)) continue;
    const was = leavesOf(key, before[key]);
    const is = leavesOf(key, after[key]);
    for (const path of new Set([...was.keys(), ...is.keys()])) {
      const [old, young] = [was.get(path), is.get(path)];
      if (old === young) continue;
      if (path.startsWith("logs.") && (old === undefined || young === undefined)) continue; // Told by "logs".
      changes.push({ key, field: wordFor(path), before: shown(path, old), after: shown(path, young) });
    }
  }
  return changes;
}

function told(changes: readonly Change[]): { fields: string[]; details: FieldChange[] } {
  const details = changes.map(({ field, before, after }) => ({ field, before, after }));
  return { fields: [...new Set(details.map(({ field }) => field))], details };
}

// --- jobs ------------------------------------------------------------------------------------------------------------

export type ChangedJob = Omit<ChangedService, "restart">;
export type JobsDiff = Omit<PlanDiff, "changed"> & { readonly changed: readonly ChangedJob[] };

/** `before`: the definitions in force. */
export function diffJobs(before: ReadonlyMap<string, JobDefinition>, after: Plan): JobsDiff {
  const changed: ChangedJob[] = [];
  const unchanged: string[] = [];
  const removed: string[] = [];
  const kept: string[] = [];
  for (const [name, job] of before) {
    const next = after.jobs.get(name);
    if (next === undefined) {
      (isKept(job, after) ? kept : removed).push(name);
      continue;
    }
    const change = diffJob(job, next);
    if (change === null) unchanged.push(name);
    else changed.push(change);
  }
  const added = [...after.jobs.keys()].filter((name) => !before.has(name));
  return { added, removed, changed, unchanged, kept };
}

/** null when they are the same. */
export function diffJob(before: JobDefinition, after: JobDefinition): ChangedJob | null {
  const text = ({ service, ...job }: JobDefinition): string =>
    JSON.stringify({ ...job, source: null, service: { ...service, source: null, lines: null } });
  if (before === after || text(before) === text(after)) return null;
  const changes = changesBetween(asWritten(before), asWritten(after));
  return changes.length === 0 ? null : { name: after.name, ...told(changes) };
}

/** By the keys of the file: what a job has twice (once as a service) or made from another key is there once. */
function asWritten(job: JobDefinition): Record<string, unknown> {
  const { service, cleanEnvironment, crontab, schedules, ...rest } = job;
  const { policy: _, logs, groups: __, description: ___, ...program } = service;
  return {
    ...program,
    ...rest,
    schedule: schedules,
    logs: logs === null ? null : { timestamps: logs.timestamps, stderr: logs.stderr },
    env: cleanEnvironment ? "clean" : null,
    stdin: crontab?.stdin ?? null,
  };
}

// --- values ----------------------------------------------------------------------------------------------------------

/** Values by their path, as canonical JSON. Lists, commands and conditions are one value; the maps below are taken apart. */
function leavesOf(path: string, value: unknown, leaves = new Map<string, string>()): Map<string, string> {
  if (path === "logs") leaves.set("logs", value === null ? '"none"' : '"kept"');
  if (!TAKEN_APART.has(path)) return value === undefined ? leaves : leaves.set(path, canonical(value));
  if (isObject(value)) for (const [key, inside] of Object.entries(value)) leavesOf(`${path}.${key}`, inside, leaves);
  return leaves;
}

const TAKEN_APART: ReadonlySet<string> = new Set([
  "policy",
  "policy.health",
  "policy.backoff",
  "policy.retries",
  "keep",
  "output",
  "environment",
  "limits",
  "limits.rlimits",
  "logs",
  "on",
]);

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inside: unknown) =>
    isObject(inside) ? Object.fromEntries(Object.entries(inside).sort(([a], [b]) => (a < b ? -1 : 1))) : inside,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// --- in the words of the file --------------------------------------------------------------------------------------

const WORDS: Readonly<Record<string, string>> = {
  workingDir: "working_dir",
  envFiles: "env_file",
  dependsOn: "depends_on",
  reloadSignal: "reload_signal",
  check: "healthcheck",
  policy: "policy",
  "policy.restart": "restart",
  "policy.successExitCodes": "success_exit_codes",
  "policy.startsecsMs": "startsecs",
  "policy.giveUp": "give_up",
  "policy.stopSignal": "stop_signal",
  "policy.stopGraceMs": "stop_grace_period",
  "policy.stopTo": "stop_to",
  "policy.health.smokeMs": "smoke.timeout",
};

/** `policy.backoff.longestMs` is `backoff.longest` to whoever wrote it. */
function wordFor(path: string): string {
  const word = WORDS[path];
  if (word !== undefined) return word;
  if (path.startsWith("environment.")) return path;
  return path
    .replace(/^policy\.health\b/, "healthcheck")
    .replace(/^policy\./, "")
    .replace(/^limits\.rlimits\./, "limits.")
    .replace(/(Ms|Bytes)(?=\.|$)/g, "")
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function shown(path: string, json: string | undefined): string {
  if (json === undefined) return "(none)";
  const value: unknown = JSON.parse(json);
  if (path.startsWith("environment.")) return value === null ? "(from svcd)" : String(value);
  if (value === null) return "(none)";
  if (typeof value === "number" && path.endsWith("Ms")) return formatDuration(value);
  if (typeof value === "number" && path.endsWith("Bytes")) return formatSize(value);
  if (path === "umask" && typeof value === "number") return value.toString(8).padStart(3, "0");
  if (typeof value === "string") return value;
  return inWords(path, value) ?? json;
}

/** Commands, lists of names and the like as one would write them. */
function inWords(path: string, value: unknown): string | null {
  if (Array.isArray(value)) {
    const items = value.map((one) => (isObject(one) ? (inWords(path, one) ?? JSON.stringify(one)) : String(one)));
    return items.length === 0 ? "(none)" : items.join(", ");
  }
  if (!isObject(value)) return null;
  if (path === "schedule") return String(value["expression"]);
  if (path === "concurrency") return `${value["group"]}, at most ${value["most"]}`;
  if (path === "notify") return notificationInWords(value);
  if (path === "dependsOn") {
    return `${value["name"]}: ${value["condition"]}${value["onFailure"] === "continue" ? ", or failed" : ""}`;
  }
  if (path === "gpus") return askInWords(value as unknown as GpuAsk);
  if (path === "expose") return `${value["port"]} → ${value["to"]} (${value["auth"]})`;
  if (path === "envFiles") return `${value["optional"] === true ? "?" : ""}${value["path"]}`;
  if (path === "phases") return `${value["name"]} (${value["match"] ?? `growth of ${value["growth"]}`})`;
  if (path === "smoke") return smokeInWords(value);
  if (path === "when") return conditionInWords(value as unknown as Condition);
  const inside = value["command"];
  switch (value["kind"]) {
    case "text":
      return String(value["text"]);
    case "shell":
      return `/bin/sh -c ${quoteWord(String(value["text"]))}`;
    case "words":
      return (value["words"] as string[]).map(quoteWord).join(" ");
    case "exec":
      return `exec ${inWords("command", inside)}`;
    case "command":
      return inWords("command", inside);
    case "http":
    case "ping":
    case "webhook":
      return String(value["url"]);
    case "tcp":
      return `tcp ${value["address"]}`;
    case "log":
      return `log ${value["pattern"]}`;
    case "never":
      return "never";
    case "window":
      return `${value["failures"]} within ${formatDuration(Number(value["withinMs"]))}`;
    case "startretries":
      return `startretries ${value["retries"]}`;
    default:
      return null;
  }
}

function conditionInWords(condition: Condition): string {
  switch (condition.kind) {
    case "env":
      return `env ${condition.name}`;
    case "value":
      return `env ${condition.name} ${condition.value}`;
    case "command":
    case "process":
      return `${condition.kind} ${condition.program}`;
    case "file":
      return `file ${condition.path}`;
    case "mention":
      return `file ${condition.path} with ${condition.text}`;
    case "port":
      return `port ${condition.port}`;
    case "user":
      return `user ${condition.name}`;
    case "not":
      return `not (${conditionInWords(condition.condition)})`;
    case "all":
    case "any":
      return `${condition.kind} of (${condition.conditions.map(conditionInWords).join(", ")})`;
  }
}

function smokeInWords({ kind, url, query }: Record<string, unknown>): string {
  return `${kind} ${url ?? "of the server that is checked"}${kind === "score" ? ` (${query})` : ""}`;
}

function notificationInWords({ on, by }: Record<string, unknown>): string {
  const way = by as Record<string, unknown>;
  const how = way["kind"] === "mail" ? `mail to ${way["to"]}` : (inWords("by", by) ?? canonical(by));
  const of = way["kind"] === "mail" && way["when"] === "output" ? "output" : (on as string[]).join(" ");
  return `${how} on ${of}`;
}
