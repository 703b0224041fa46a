/**
 * What was written about one service, made into the service: every default filled in, and what no single key can know
 * checked between keys.
 */
import type { IdleRule } from "../idle/rule.ts";
import type { Backoff, GiveUp, HealthPolicy } from "../service/policy.ts";
import { exposuresOf } from "./expose.ts";
import { listed } from "./flaw.ts";
import { checkGpuEnvironment, gpuAskOf } from "./gpu-shape.ts";
import type { Lookup } from "./interpolate.ts";
import {
  type Check,
  type Command,
  type Condition,
  type Dependency,
  type DependencyCondition,
  type EnvFile,
  type Hook,
  type Hooks,
  type Limits,
  type Logs,
  RLIMITS,
  type Rlimit,
  type Service,
  type Source,
  type Template,
} from "./plan.ts";
import {
  type programEntries,
  serviceShape,
  type WrittenCondition,
  type WrittenService,
  type WrittenSettings,
} from "./schema.ts";
import { type Complaint, type Path, readWith, type Value } from "./shape.ts";
import { phasesOf, smokeOf, smokeTimeoutOf, stallOf } from "./start-keys.ts";
import { formatDuration } from "./units.ts";
import { splitWords } from "./words.ts";

/** A service as its own keys describe it. Whom it depends on is known by name only: the others may not have been read yet. */
export interface Described {
  /** All instances; one without a number when `replicas` is 1. `dependsOn` is still empty. */
  readonly instances: readonly Service[];
  readonly dependencies: readonly (Dependency & { readonly path: Path })[];
}

export interface Header {
  readonly name: string;
  readonly source: Source;
  /** The file's stem. */
  readonly group: string;
  readonly lines: Readonly<Record<string, number>>;
}

export function serviceOf(
  header: Header,
  written: Value,
  variables: Lookup,
): Described | { readonly complaints: readonly Complaint[] } {
  const read = readWith(serviceShape, written, variables);
  if ("complaints" in read) return read;
  const keys = read.value;
  const complaints: Complaint[] = [];
  const complain = complainTo(complaints);
  const service = assemble(header, keys, complain);
  if (complaints.length > 0) return { complaints };
  return {
    instances: instancesOf(service, keys.replicas ?? 1, header.group),
    dependencies: dependenciesOf(keys.depends_on),
  };
}

/** `what` follows the name of the key: ": it is empty". */
export type Complain = (path: Path, what: string, fix: string, points?: "key" | "value", at?: number) => void;

export function complainTo(complaints: Complaint[]): Complain {
  return (path, what, fix, points = "value", at) => {
    complaints.push({ path, fix, points, at, what: (label) => `${label}${what}` });
  };
}

function assemble(header: Header, keys: WrittenService, complain: Complain): Service {
  const program = programOf(header, keys, complain);
  return {
    ...program,
    when: keys.when === undefined ? null : conditionOf(keys.when, ["when"], complain),
    enabled: keys.enabled ?? true,
    autostart: keys.autostart ?? true,
    essential: keys.essential ?? false,
    policy: {
      ...program.policy,
      restart: keys.restart ?? "always",
      startsecsMs: keys.startsecs ?? 1000,
      backoff: backoffOf(keys.backoff, complain),
      giveUp: giveUpOf(keys, complain),
      health: healthOf(keys),
      ...stallOf(keys, complain),
    },
    check: checkOf(keys, complain),
    ...phasesOf(keys, complain),
    ...smokeOf(keys, complain),
    reloadSignal: keys.reload_signal ?? null,
    logs: logsOf(keys.logs),
    on: hooksOf(keys.on, complain),
    ...(keys.idle === undefined ? {} : { idle: idleOf(keys.idle, complain) }),
    ...(keys.expose === undefined ? {} : { expose: exposuresOf(keys.expose) }),
  };
}

export type WrittenProgram = Pick<WrittenService, keyof typeof programEntries>;

/** What a service and a job have in common; the rest is as if nothing was said, and it is not kept up. */
export function programOf(header: Header, keys: WrittenProgram, complain: Complain): Service {
  const command =
    keys.shell === true ? shellCommandOf(keys.command, complain) : commandOf(keys.command, ["command"], complain);
  const bare = bareProgram(header, command);
  const exitCodes = keys.success_exit_codes ?? 0;
  const gpus = gpuAskOf(keys.gpus, complain);
  checkGpuEnvironment(gpus, Object.fromEntries(keys.environment ?? []), complain);
  return {
    ...bare,
    description: keys.description ?? "",
    workingDir: keys.working_dir ?? null,
    user: keys.user ?? null,
    group: keys.group ?? null,
    umask: keys.umask ?? null,
    environment: Object.fromEntries(keys.environment ?? []),
    envFiles: envFilesOf(keys.env_file),
    venv: keys.venv ?? null,
    ...(keys.recipe === undefined ? {} : { recipe: keys.recipe }),
    policy: {
      ...bare.policy,
      successExitCodes: typeof exitCodes === "number" ? [exitCodes] : exitCodes,
      stopSignal: keys.stop_signal ?? bare.policy.stopSignal,
      stopGraceMs: keys.stop_grace_period ?? bare.policy.stopGraceMs,
      stopTo: keys.stop_to ?? bare.policy.stopTo,
    },
    limits: limitsOf(keys.limits),
    ...(gpus === null ? {} : { gpus }),
  };
}

/** A program about which nothing more was said. */
export function bareProgram({ name, group, source, lines }: Header, command: Command): Service {
  return {
    name,
    replica: null,
    groups: [group],
    source,
    lines,
    description: "",
    command,
    workingDir: null,
    user: null,
    group: null,
    umask: null,
    environment: {},
    envFiles: [],
    venv: null,
    when: null,
    enabled: true,
    autostart: false,
    essential: false,
    policy: {
      restart: "no",
      successExitCodes: [0],
      startsecsMs: 0,
      backoff: DEFAULT_BACKOFF,
      giveUp: { kind: "never" },
      stopSignal: "SIGTERM",
      stopGraceMs: 10_000,
      stopTo: "group",
      health: null,
    },
    check: null,
    dependsOn: [],
    reloadSignal: null,
    limits: limitsOf(),
    logs: null,
    on: {},
  };
}

function instancesOf(service: Service, replicas: number, group: string): Service[] {
  if (replicas === 1) return [service];
  const groups = [...new Set([group, service.name])];
  return Array.from({ length: replicas }, (_, index) => ({
    ...service,
    name: `${service.name}@${index + 1}`,
    replica: index + 1,
    groups,
  }));
}

// --- what runs ---------------------------------------------------------------------------------------------------

export type WrittenCommand = string | string[];

export function commandOf(written: WrittenCommand, path: Path, complain: Complain): Command {
  if (typeof written !== "string") {
    if (written[0]!.trim() === "")
      complain([...path, 0], ": the program's name is empty", "begin the list with the program");
    return { kind: "words", words: written };
  }
  // With variables in it, the words are only known at a start.
  const words = written.includes("$") ? null : splitWords(written);
  if (words !== null && !words.ok) complain(path, `: ${words.flaw.what}`, words.flaw.fix, "value", words.flaw.at);
  if (words?.ok && (words.value[0] ?? "") === "")
    complain(path, ": the program's name is empty", "begin with the program");
  return { kind: "text", text: written };
}

function shellCommandOf(written: WrittenCommand, complain: Complain): Command {
  if (typeof written === "string") return { kind: "shell", text: written };
  complain(
    ["command"],
    ": a list needs no shell, yet `shell: true` is set",
    "write the command as text, or remove `shell: true`",
  );
  return { kind: "words", words: written };
}

function envFilesOf(written: WrittenService["env_file"]): EnvFile[] {
  const files = written === undefined ? [] : typeof written === "string" ? [written] : written;
  return files.map((file) => {
    const path = typeof file === "string" ? file : file.path;
    const optional = path.startsWith("?") || (typeof file === "object" && file.required === false);
    return { path: path.replace(/^\?/, ""), optional };
  });
}

export function conditionOf(written: WrittenCondition, path: Path, complain: Complain): Condition {
  const many = <T>(value: T | T[] | undefined): T[] =>
    value === undefined ? [] : Array.isArray(value) ? value : [value];
  const group = (key: "all" | "any"): Condition[] => {
    const inside = written[key];
    return inside === undefined
      ? []
      : [{ kind: key, conditions: inside.map((one, index) => conditionOf(one, [...path, key, index], complain)) }];
  };
  const conditions: Condition[] = [
    ...many<string | [string, string]>(written.env).map(
      (one): Condition =>
        typeof one === "string" ? { kind: "env", name: one } : { kind: "value", name: one[0], value: one[1] },
    ),
    ...many(written.command).map((program): Condition => ({ kind: "command", program })),
    ...many(written.file).map(
      (file): Condition =>
        typeof file === "string"
          ? { kind: "file", path: file }
          : { kind: "mention", path: file.path, text: file.contains },
    ),
    ...many(written.port).map((port): Condition => ({ kind: "port", port })),
    ...many(written.process).map((program): Condition => ({ kind: "process", program })),
    ...many(written.user).map((name): Condition => ({ kind: "user", name })),
    ...(written.not === undefined
      ? []
      : [{ kind: "not", condition: conditionOf(written.not, [...path, "not"], complain) } as const]),
    ...group("all"),
    ...group("any"),
  ];
  if (conditions.length === 0)
    complain(
      path,
      ": the condition says nothing",
      "write at least one of env, command, file, port, process, user, not, all, any",
    );
  return conditions.length === 1 ? conditions[0]! : { kind: "all", conditions };
}

// --- how it lives --------------------------------------------------------------------------------------------------

const DEFAULT_BACKOFF: Backoff = { firstMs: 200, factor: 2, longestMs: 60_000, jitter: 0.1, steadyMs: 60_000 };

function backoffOf(written: WrittenService["backoff"], complain: Complain): Backoff {
  const { factor, jitter, steadyMs } = DEFAULT_BACKOFF;
  const firstMs = written?.first ?? DEFAULT_BACKOFF.firstMs;
  const longestMs = written?.longest ?? Math.max(DEFAULT_BACKOFF.longestMs, firstMs);
  if (longestMs < firstMs) {
    complain(
      ["backoff", "longest"],
      `: ${formatDuration(longestMs)} is less than \`first\` (${formatDuration(firstMs)})`,
      "make `longest` at least as long as `first`",
    );
  }
  return {
    firstMs,
    factor: written?.factor ?? factor,
    longestMs,
    jitter: written?.jitter ?? jitter,
    steadyMs: written?.steady ?? steadyMs,
  };
}

function giveUpOf(keys: WrittenService, complain: Complain): GiveUp {
  const written = keys.give_up;
  if (keys.startretries !== undefined) {
    if (written !== undefined)
      complain(["startretries"], ": `give_up` is there too, and one of them decides", "remove one of the two", "key");
    return { kind: "startretries", retries: keys.startretries };
  }
  if (written === "never") return { kind: "never" };
  return { kind: "window", failures: written?.failures ?? 10, withinMs: written?.within ?? 600_000 };
}

function healthOf({ healthcheck: written, smoke }: WrittenService): HealthPolicy | null {
  if (written === undefined) return null;
  return {
    intervalMs: written.interval ?? 10_000,
    timeoutMs: written.timeout ?? 5000,
    retries: written.retries ?? 3,
    startPeriodMs: written.start_period ?? 30_000,
    onUnhealthy: written.on_unhealthy ?? "restart",
    ...(smoke !== undefined && { smokeMs: smokeTimeoutOf(smoke) }),
  };
}

const PROBES = ["http", "tcp", "exec", "log"] as const;

function checkOf(keys: WrittenService, complain: Complain): Check | null {
  const written = keys.healthcheck;
  if (written === undefined) return null;
  const given = PROBES.filter((probe) => written[probe] !== undefined);
  if (given.length === 0)
    complain(["healthcheck"], " does not say what to probe", `add one of ${listed(PROBES, "or")}`, "key");
  if (given.length > 1)
    complain(["healthcheck", given[1]!], `: ${listed(given)} are given, and one decides`, "keep one of them", "key");
  if (written.http !== undefined) return { kind: "http", url: written.http };
  if (written.tcp !== undefined) return { kind: "tcp", address: written.tcp };
  if (written.exec !== undefined)
    return { kind: "exec", command: commandOf(written.exec, ["healthcheck", "exec"], complain) };
  if (keys.logs === "none")
    complain(
      ["healthcheck", "log"],
      " reads the output, which `logs: none` discards",
      "remove `logs: none`, or probe with http, tcp or exec",
      "key",
    );
  return { kind: "log", pattern: written.log ?? "" };
}

/** `unsaid`: what is waited for where only a name stands. */
export function dependenciesOf(
  written: WrittenService["depends_on"],
  unsaid: DependencyCondition = "started",
): Described["dependencies"] {
  if (written === undefined) return [];
  const all = (typeof written === "string" ? [written] : written).map((one, index) => {
    if (typeof one === "string")
      return {
        name: one,
        condition: unsaid,
        path: typeof written === "string" ? ["depends_on"] : ["depends_on", index],
      };
    const [name, how] = one;
    const path = ["depends_on", name];
    if (typeof how === "string") return { name, condition: how, path };
    const { condition, on_failure } = how;
    return on_failure === "continue" ? { name, condition, onFailure: on_failure, path } : { name, condition, path };
  });
  return [...new Map(all.map((one) => [one.name, one])).values()];
}

// --- around it -------------------------------------------------------------------------------------------------------

function limitsOf(written: WrittenService["limits"] = {}): Limits {
  const rlimits: Partial<Record<Rlimit, number | null>> = {};
  for (const name of RLIMITS) {
    const limit = written[name];
    if (limit !== undefined) rlimits[name] = limit;
  }
  return { rlimits, nice: written.nice ?? null, oomScoreAdj: written.oom_score_adj ?? null };
}

function logsOf(written: WrittenService["logs"] = {}): Logs | null {
  if (written === "none") return null;
  return {
    maxSizeBytes: written.max_size ?? 50 * 1024 * 1024,
    keep: written.keep ?? 10,
    timestamps: written.timestamps ?? false,
    compress: written.compress ?? true,
    stderr: written.stderr ?? "merged",
  };
}

function hooksOf(written: WrittenService["on"] = {}, complain: Complain): Hooks {
  const hooks: Partial<Record<keyof Hooks, Hook>> = {};
  for (const event of ["failed", "healthy", "stopped"] as const) {
    const hook = written[event];
    if (hook !== undefined) hooks[event] = hookOf(hook, ["on", event], complain);
  }
  return hooks;
}

type WrittenIdle = NonNullable<WrittenService["idle"] | WrittenSettings["idle"]>;

/** Of a service, or of the machine: there only a command makes sense. */
export function idleOf({ after, then, metrics, jupyter, gpu, dry_run }: WrittenIdle, complain: Complain): IdleRule {
  const path = ["idle", "then", "run"];
  return {
    afterMs: after,
    action: typeof then === "object" ? { do: "run", hook: hookOf(then.run, path, complain) } : { do: "stop" },
    dryRun: dry_run ?? false,
    metrics: metrics ?? null,
    jupyter: jupyter ?? null,
    gpu: gpu ?? true,
  };
}

function hookOf(written: WrittenCommand, path: Path, complain: Complain): Hook {
  if (typeof written === "string" && isWebhook(written)) return { kind: "webhook", url: written };
  return { kind: "command", command: commandOf(written, path, complain) };
}

export function isWebhook(text: Template): boolean {
  return /^\s*https?:\/\/\S+\s*$/i.test(text);
}
