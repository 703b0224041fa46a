/**
 * Every request and answer on the wire, defined once: requests are validated by these definitions, OpenAPI is made from
 * them, and the compiler checks (at the end) that they are exactly the types of `daemon.ts`.
 *
 * Whoever must start quickly imports the types only; loading this file loads valibot.
 */
import * as v from "valibot";
import { AUTHS } from "../plan/expose.ts";
import type * as daemon from "./daemon.ts";
import { STATES } from "./daemon.ts";
import type { ErrorBody } from "./refusal.ts";
import { GpuDevice, GpuHolder, GpuLease, GpuReport } from "./wire-gpus.ts";
import {
  ActionResult,
  JobDetail,
  JobEvent,
  JobList,
  JobStateWord,
  JobStatus,
  JobWhyReport,
  RunAnswer,
  RunEvent,
  RunRecord,
  RunRecords,
  RunStatus,
} from "./wire-jobs.ts";
import { count, moment, names, text, wholeNumber } from "./wire-words.ts";

export * from "./wire-gpus.ts";
export * from "./wire-jobs.ts";

// Answers

export const StateWord = v.picklist(STATES);

export const ServiceStatus = v.object({
  name: v.string(),
  state: StateWord,
  pid: v.nullable(count("null when nothing runs")),
  run: count("number of the present or last run; 0: it never ran"),
  since: moment("since when it is in this state"),
  restarts: count("starts that nobody asked for, since the last one somebody did"),
  health: v.pipe(
    v.nullable(v.picklist(["starting", "healthy", "unhealthy"])),
    v.description("null: no health check, or nothing runs"),
  ),
  phase: v.nullable(text("what a start is busy with")),
  progress: v.exactOptional(
    v.pipe(
      v.object({
        phase: v.string(),
        done: v.nullable(v.number()),
        total: v.nullable(v.number()),
        percent: v.nullable(v.number()),
        bytes: v.nullable(v.number()),
        leftMs: v.pipe(v.nullable(v.number()), v.description("from earlier starts that went well; null: unknown")),
        left: v.nullable(text("the same in words")),
      }),
      v.description("how far a start is, as its `phases:` tell; absent: it does not start, or nothing is known of it"),
    ),
  ),
  why: text("why it is in this state, a sentence"),
  next: text("what happens next, a sentence"),
  wanted: v.picklist(["up", "down"]),
  enabled: v.boolean(),
  groups: names("what `GROUP:*` reaches it by"),
  description: v.string(),
  file: v.object({
    path: v.string(),
    line: v.number(),
    note: v.nullable(text("the file has mistakes, or is newer than what runs; null: it is as the file says")),
  }),
});

export const IdleOverview = v.object({
  awakeUntil: v.nullable(moment("until then nothing is done to what is idle; null: nobody asked for that")),
  idle: v.array(
    v.object({
      service: v.nullable(text("null: the machine")),
      afterMs: v.number(),
      action: text("stop, or the command that is run"),
      dryRun: v.boolean(),
      quietSince: moment("since when nobody has used it"),
      dueAt: v.nullable(moment("null: not foreseeable")),
      heldBy: v.nullable(text("what keeps it from being due")),
      sources: v.array(v.object({ source: v.string(), what: v.string() })),
    }),
  ),
});

const Variable = { name: v.string(), from: text("where it comes from") };

export const LaunchReport = v.object({
  name: v.string(),
  refusal: v.nullable(text("why it could not be started now; null: it could")),
  argv: v.array(v.object({ word: v.string(), from: names("the variables whose values are in the word") })),
  cwd: v.nullable(v.string()),
  user: v.nullable(text("null: svcd's own")),
  variables: v.array(v.object({ ...Variable, value: v.nullable(text("null: not set")) })),
  environment: v.array(v.object({ ...Variable, value: text("secrets are hidden") })),
  notes: names("what was decided for it, a line each"),
  warnings: names("what will hardly be as it is meant"),
});

export const ServiceList = v.array(ServiceStatus);

export const HealthReport = v.object({
  status: v.picklist(["ok", "stopping"]),
  version: v.string(),
  keeper: count("pid of the process that is parent of all services"),
  core: count("pid of the process that answers"),
  since: moment("when svcd started"),
  services: v.number(),
  jobs: v.number(),
  mistakes: count("mistakes in the files that describe services"),
  containment: v.object({
    way: v.pipe(
      v.picklist(["cgroup", "subreaper", "scan"]),
      v.description("how everything that a run started is ended with it; scan: by looking through /proc"),
    ),
    detail: text("the cgroup, the subreaper, or where is looked"),
  }),
  troubles: names(
    "what svcd itself cannot do now (a full or read-only disk), in sentences; services go on all the same",
  ),
  countdowns: names("what is about to be done because nobody uses it, in sentences; see /v1/idle"),
});

export const ActionResults = v.array(ActionResult);

export const MistakeReport = v.object({
  file: v.string(),
  line: v.number(),
  column: v.number(),
  what: v.string(),
  fix: v.string(),
  text: text("the offending line"),
});

const FieldChanges = v.array(v.object({ field: v.string(), before: v.string(), after: v.string() }));

export const PlanReport = v.object({
  added: v.array(v.string()),
  changed: v.array(
    v.object({
      name: v.string(),
      restart: v.pipe(v.boolean(), v.description("its process must be started again")),
      details: FieldChanges,
    }),
  ),
  removed: v.array(v.string()),
  kept: names("services whose file is broken: they go on as they are"),
  jobs: v.pipe(
    v.object({
      added: v.array(v.string()),
      changed: v.array(v.object({ name: v.string(), details: FieldChanges })),
      removed: v.array(v.string()),
      kept: v.array(v.string()),
    }),
    v.description("the same of jobs; what runs of one goes on as it was started"),
  ),
  mistakes: v.array(MistakeReport),
});

export const WhyReport = v.object({
  status: ServiceStatus,
  lastEnd: v.nullable(
    v.object({
      run: v.number(),
      how: text("“exit 1”, “killed by SIGKILL: the kernel's OOM killer”"),
      at: moment("when it ended"),
      upMs: count("how long it was up, milliseconds"),
      evidence: names("facts found in the system about this end, each a sentence"),
    }),
  ),
  lastLines: names("last lines of output, escape sequences removed"),
  idle: names("what its idle rule says now, a line each"),
  waitsFor: v.array(v.string()),
  changedSinceGood: names("what is different from the last run that was well"),
  next: v.string(),
  advice: names("what the person can do, each a command or a sentence"),
});

export const ServiceDetail = v.object({
  status: ServiceStatus,
  dependsOn: v.array(v.object({ name: v.string(), condition: v.string(), met: v.boolean() })),
  neededBy: v.array(v.string()),
  logs: v.object({ stdout: v.nullable(v.string()), stderr: v.nullable(v.string()) }),
  definition: v.pipe(v.unknown(), v.description("the effective definition, secrets masked")),
});

export const ExposedRoute = v.object({
  service: v.string(),
  of: text("the name that all its replicas have in common"),
  file: v.object({ path: v.string(), line: v.number() }),
  exposure: v.pipe(
    v.nullable(
      v.object({
        port: count("what the gateway listens on"),
        to: v.object({ host: v.string(), port: v.number() }),
        path: text("where a person begins to read"),
        name: v.nullable(text("null: the name of the service")),
        auth: v.picklist(AUTHS),
        holdMs: count("how long a request waits for the service to become ready, milliseconds"),
        idempotent: names("paths whose requests may be sent again"),
        start: v.picklist(["always", "on-demand"]),
        tunnel: v.picklist(["none", "quick"]),
        maxBodyBytes: v.nullable(count("longest body of a request")),
        cors: names("origins whose pages may call it"),
        hostIsLocal: v.boolean(),
        allowDev: v.boolean(),
      }),
    ),
    v.description("null: it cannot be said now, see `problem`"),
  ),
  problem: v.nullable(v.object({ what: v.string(), fix: v.string() })),
});

export const ExposedRoutes = v.array(ExposedRoute);

export const UsageReport = v.object({
  atMs: v.pipe(v.number(), v.description("when it was measured, on a clock that only goes forward")),
  services: v.array(
    v.object({
      name: v.string(),
      run: v.number(),
      cpuMs: count("processor time of all processes of the run so far; two reports tell the use between them"),
      memoryBytes: count("resident memory of all processes of the run"),
      processes: v.number(),
    }),
  ),
});

export const MachineReport = v.object({
  host: v.string(),
  load: v.pipe(v.array(v.number()), v.description("over 1, 5 and 15 minutes")),
  processors: v.number(),
  cpu: v.pipe(
    v.nullable(v.object({ busyMs: v.number(), allMs: v.number() })),
    v.description("of all processors since boot; null: not known"),
  ),
  memory: v.object({
    totalBytes: v.number(),
    usedBytes: v.number(),
    limit: v.pipe(
      v.picklist(["machine", "cgroup"]),
      v.description("cgroup: the container that svcd is in allows less than the machine has"),
    ),
  }),
  swap: v.object({ totalBytes: v.number(), usedBytes: v.number() }),
  disks: v.array(v.object({ path: v.string(), totalBytes: v.number(), freeBytes: v.number() })),
  upMs: count("how long the machine is up"),
});

export const RunStarts = v.array(
  v.object({
    run: v.number(),
    at: moment("when it was started"),
    position: count("of its first byte in the log: what `from` takes"),
  }),
);

export const DaemonEvent = v.variant("type", [
  v.object({ type: v.literal("state"), at: v.string(), before: StateWord, service: ServiceStatus }),
  v.object({ type: v.literal("removed"), at: v.string(), name: v.string() }),
  v.object({ type: v.literal("plan"), at: v.string(), plan: PlanReport }),
  RunEvent,
  JobEvent,
  v.object({ type: v.literal("daemon"), at: v.string(), text: v.string() }),
]);

export const Accepted = v.object({ accepted: text("what will happen now") });

export const Failure = v.object({
  error: v.object({
    code: text("for programs: stays the same when the words change"),
    what: v.string(),
    where: v.string(),
    fix: text("what the person can do"),
  }),
});

/** By these names in OpenAPI; whatever refers to one of them is written as a reference. */
export const SCHEMAS = {
  StateWord,
  ServiceStatus,
  ServiceList,
  HealthReport,
  ActionResult,
  ActionResults,
  MistakeReport,
  PlanReport,
  WhyReport,
  LaunchReport,
  IdleOverview,
  ServiceDetail,
  ExposedRoute,
  ExposedRoutes,
  JobStateWord,
  JobStatus,
  JobList,
  JobDetail,
  JobWhyReport,
  RunStatus,
  RunRecord,
  RunRecords,
  RunAnswer,
  RunEvent,
  JobEvent,
  GpuReport,
  GpuDevice,
  GpuLease,
  GpuHolder,
  UsageReport,
  MachineReport,
  RunStarts,
  DaemonEvent,
  Accepted,
  Failure,
} as const;

// Requests. Strict: a key that svcd does not know is a mistake to tell, not to overlook.

export const NoBody = v.strictObject({});

export const KeepAwakeBody = v.strictObject({
  ms: v.pipe(
    v.number(),
    v.integer(),
    v.minValue(0),
    v.maxValue(30 * 86_400_000),
    v.description("for so long nothing is done to what is idle, at most 30 days; 0: no longer"),
  ),
});

export const SignalBody = v.strictObject({
  signal: v.pipe(
    v.union([v.string(), v.number()]),
    v.description("its name with or without SIG, in either case, or its number"),
  ),
});

export const ApplyBody = v.strictObject({
  names: v.optional(names("take up only what concerns these; without it everything")),
});

export const PlanCheckBody = v.strictObject({
  file: text("path of a file in services.d or cron.d, or its name for one in services.d; it need not exist"),
  text: text("what it would hold"),
});

export const NoQuery = v.strictObject({});

export const ServicesQuery = v.strictObject({
  names: v.optional(text("only these: names, globs, `GROUP:*`, separated by commas")),
});

export const LogsQuery = v.strictObject({
  lines: v.optional(wholeNumber("begin this many lines before the end (default 100)")),
  bytes: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,15}$/, "a whole number of bytes"),
      v.description("begin this many bytes before the end"),
    ),
  ),
  from: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^-?\d{1,15}$/, "a position as the X-Log-Position header gives it"),
      v.description("begin at this position: X-Log-Position of an earlier answer plus the bytes it brought"),
    ),
  ),
  follow: v.optional(v.pipe(v.picklist(["0", "1"]), v.description("1: go on with whatever is written from now on"))),
  stream: v.optional(v.pipe(v.picklist(["stdout", "stderr"]), v.description("default stdout"))),
});

export const EventsQuery = v.strictObject({
  since: v.optional(
    text(
      "the last id that was seen, or `oldest` for all that are kept; the Last-Event-ID header says the same and comes first",
    ),
  ),
});

// The compiler's part: a difference to `daemon.ts` is an error here.

type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Agrees<Schema extends v.GenericSchema, Type> = Same<Frozen<v.InferOutput<Schema>>, Frozen<Type>>;
type AllTrue<T extends readonly true[]> = T;

export type WireAgreesWithDaemon = AllTrue<
  [
    Agrees<typeof StateWord, daemon.StateWord>,
    Agrees<typeof ServiceStatus, daemon.ServiceStatus>,
    Agrees<typeof HealthReport, daemon.HealthReport>,
    Agrees<typeof ActionResult, daemon.ActionResult>,
    Agrees<typeof MistakeReport, daemon.MistakeReport>,
    Agrees<typeof PlanReport, daemon.PlanReport>,
    Agrees<typeof WhyReport, daemon.WhyReport>,
    Agrees<typeof LaunchReport, daemon.LaunchReport>,
    Agrees<typeof IdleOverview, daemon.IdleOverview>,
    Agrees<typeof ServiceDetail, daemon.ServiceDetail>,
    Agrees<typeof ExposedRoute, daemon.ExposedRoute>,
    Agrees<typeof JobStatus, daemon.JobStatus>,
    Agrees<typeof JobDetail, daemon.JobDetail>,
    Agrees<typeof JobWhyReport, daemon.JobWhyReport>,
    Agrees<typeof RunStatus, daemon.RunStatus>,
    Agrees<typeof RunRecord, daemon.RunRecord>,
    Agrees<typeof RunAnswer, daemon.RunAnswer>,
    Agrees<typeof GpuReport, daemon.GpuReport>,
    Agrees<typeof UsageReport, daemon.UsageReport>,
    Agrees<typeof MachineReport, daemon.MachineReport>,
    Agrees<typeof RunStarts, readonly daemon.RunStart[]>,
    Agrees<typeof DaemonEvent, daemon.DaemonEvent>,
    Agrees<typeof Failure, ErrorBody>,
  ]
>;
