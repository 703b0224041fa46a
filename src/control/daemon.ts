/**
 * What the protocol asks of the daemon. The routes turn requests into these calls and the answers into JSON; the shapes
 * here are the shapes on the wire (`wire.ts` validates and documents them).
 *
 * Every call answers at once with what is so; what follows from it arrives as events.
 */
import type { GpuReport } from "../gpu/report.ts";
import type { LogPosition, StreamName } from "../keeper/messages.ts";
import type { ResolvedExposure } from "../plan/expose.ts";
import type { LaunchReport, MachineReport, UsageReport } from "../ports.ts";
import type { Action, ActionResult, PlanReport, Selection, ServiceStatus, StateWord } from "../supervisor/answers.ts";
import type { JobEvent, JobsDaemon, RunEvent } from "./daemon-jobs.ts";

export type { GpuDevice, GpuHolder, GpuLease, GpuReport } from "../gpu/report.ts";
export type { Mistake as MistakeReport } from "../plan/mistake.ts";
export type { LaunchReport, MachineReport, UsageReport } from "../ports.ts";
export type {
  Action,
  ActionResult,
  PlanReport,
  Selection,
  ServiceStatus,
  StateWord,
} from "../supervisor/answers.ts";
export { STATES } from "../supervisor/answers.ts";
export {
  JOB_STATES,
  type JobDetail,
  type JobStateWord,
  type JobStatus,
  type JobWhyReport,
  RUN_RESULTS,
  type RunAnswer,
  type RunEvent,
  type RunLog,
  type RunRecord,
  type RunResult,
  type RunStatus,
} from "./daemon-jobs.ts";

export interface HealthReport {
  /** stopping: svcd was asked to shut down. */
  readonly status: "ok" | "stopping";
  readonly version: string;
  /** pids */
  readonly keeper: number;
  readonly core: number;
  /** When the keeper started, ISO 8601. */
  readonly since: string;
  readonly services: number;
  readonly jobs: number;
  readonly mistakes: number;
  /** How everything that a run started is ended with it. */
  readonly containment: {
    readonly way: "cgroup" | "subreaper" | "scan";
    /** The cgroup, the subreaper, or where is looked. */
    readonly detail: string;
  };
  /** What svcd itself cannot do now (a full or read-only disk), in sentences; services go on all the same. */
  readonly troubles: readonly string[];
  /** What is about to be done because nobody uses it, in sentences; see IdleReport. */
  readonly countdowns: readonly string[];
}

/** Of everything that has an `idle:` rule and is up. */
export interface IdleOverview {
  /** Until when nothing is done (`svctl keep-awake`), ISO 8601; null: nobody keeps it awake. */
  readonly awakeUntil: string | null;
  readonly idle: readonly IdleReport[];
}

export interface IdleReport {
  /** null: the machine. */
  readonly service: string | null;
  readonly afterMs: number;
  /** "stop", or the command that is run, filled in and with secrets hidden. */
  readonly action: string;
  readonly dryRun: boolean;
  /** Since when nobody has used it, ISO 8601. */
  readonly quietSince: string;
  /** When the action is due, ISO 8601; null: not foreseeable, see `heldBy`. */
  readonly dueAt: string | null;
  readonly heldBy: string | null;
  readonly sources: readonly { readonly source: string; readonly what: string }[];
}

export interface WhyReport {
  readonly status: ServiceStatus;
  /** How the last run ended; null: none has ended. */
  readonly lastEnd: {
    readonly run: number;
    /** "exit 1", "killed by SIGKILL: the kernel's OOM killer", "killed by SIGSEGV (core dumped: /…/core)". */
    readonly how: string;
    readonly at: string;
    readonly upMs: number;
    /** Facts found in the system about this end, each a sentence. */
    readonly evidence: readonly string[];
  } | null;
  /** Last lines of output, escape sequences removed. */
  readonly lastLines: readonly string[];
  readonly waitsFor: readonly string[];
  /** What its `idle:` rule says now, a line each; empty: it has none. */
  readonly idle: readonly string[];
  /** What is different from the last run that was well ("command: a → b"). */
  readonly changedSinceGood: readonly string[];
  readonly next: string;
  /** What the person can do, each a command or a sentence. */
  readonly advice: readonly string[];
}

export interface ServiceDetail {
  readonly status: ServiceStatus;
  readonly dependsOn: readonly { readonly name: string; readonly condition: string; readonly met: boolean }[];
  readonly neededBy: readonly string[];
  readonly logs: { readonly stdout: string | null; readonly stderr: string | null };
  /** The effective definition, secrets masked. */
  readonly definition: unknown;
}

/** An entry of `expose` of one service: what the gateway opens. */
export interface ExposedRoute {
  readonly service: string;
  /** The name that all its replicas have in common. */
  readonly of: string;
  /** Where it stands: the line of `expose` of the service. */
  readonly file: { readonly path: string; readonly line: number };
  /** null: it cannot be said now, and `problem` says why. */
  readonly exposure: ResolvedExposure | null;
  readonly problem: { readonly what: string; readonly fix: string } | null;
}

/** Where the output of one run of a service begins in its log. */
export interface RunStart {
  readonly run: number;
  /** ISO 8601 */
  readonly at: string;
  /** What `from` of its log takes. */
  readonly position: number;
}

export type DaemonEvent =
  | { readonly type: "state"; readonly at: string; readonly before: StateWord; readonly service: ServiceStatus }
  | { readonly type: "removed"; readonly at: string; readonly name: string }
  | { readonly type: "plan"; readonly at: string; readonly plan: PlanReport }
  | RunEvent
  | JobEvent
  | { readonly type: "daemon"; readonly at: string; readonly text: string };

export interface Numbered {
  /** `EPOCH-N`; a client that comes back says the last one it saw. */
  readonly id: string;
  readonly event: DaemonEvent;
}

export interface Daemon extends JobsDaemon {
  health(): HealthReport;
  /** Sorted by name. */
  services(): readonly ServiceStatus[];
  service(name: string): ServiceDetail | null;
  select(words: readonly string[]): Selection;
  /** What services say in `expose`, in the order of services and of entries, with variables as they are now. */
  routes(): readonly ExposedRoute[];
  act(action: Action, names: readonly string[]): readonly ActionResult[];
  /** `signal` as a person wrote it was validated by the route. */
  signal(names: readonly string[], signal: NodeJS.Signals): readonly ActionResult[];
  /** Durable before it answers; throws an OperatorError when it cannot be, and then it holds while svcd runs. */
  setEnabled(names: readonly string[], enabled: boolean): readonly ActionResult[];
  why(name: string): Promise<WhyReport | null>;
  /** null: unknown service. */
  launch(name: string): LaunchReport | null;
  /** Reads the files now and says what would change; changes nothing. */
  plan(): Promise<PlanReport>;
  /** The same as if this file, one of services.d or cron.d, held this text; null: it is no such file. */
  planWith(file: string, text: string): Promise<PlanReport | null>;
  /** Reads the files now and takes them up: all, or only what concerns these names. */
  apply(names: readonly string[] | null): Promise<PlanReport>;
  /** Takes a service out of supervision until the next apply; refused while it runs. */
  remove(names: readonly string[]): readonly ActionResult[];
  clearLogs(names: readonly string[]): readonly ActionResult[];
  idle(): IdleOverview;
  /** Nothing is done to what is idle for so long; 0: no longer. Throws when it cannot be written down. */
  keepAwake(ms: number): void;
  /** Stops everything in reverse order, then ends svcd. */
  shutdown(): void;
  /** Ends the core on purpose; the keeper starts the (perhaps newer) one. Services are not touched. */
  restartCore(): void;
  /** Events after `lastId`, or null if they are no longer kept (the client must look at `services()` anew). */
  eventsSince(lastId: string): readonly Numbered[] | null;
  /** What `eventsSince` accepts to get whatever comes from now on. */
  lastEventId(): string;
  /** The same for all that are kept. */
  oldestEventId(): string;
  subscribe(listener: (event: Numbered) => void): () => void;
  /** null: unknown service or its output is discarded. */
  log(name: string, stream: StreamName): LogPosition | null;
  /**
   * Calls back whenever the log has grown, was rotated or cleared, with where it stands; the first time soon after the
   * call, grown or not. A moment late does no harm: whoever reads looks at the files themselves.
   */
  followLog(name: string, stream: StreamName, onGrown: (position: LogPosition) => void): () => void;
  /** Newest first, as far as this core has seen them start; null: unknown service. */
  runStarts(name: string): readonly RunStart[] | null;
  usage(): UsageReport;
  machine(): MachineReport;
  /** For /metrics: CPU seconds and resident bytes of a pid, null when it is gone. */
  processFacts(pid: number): { readonly cpuSeconds: number; readonly rssBytes: number } | null;
  /** Looks at the GPUs now, for this long at most; however nvidia-smi fares it answers. */
  gpus(withinMs: number): Promise<GpuReport>;
}
