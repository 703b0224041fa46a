/**
 * What the supervisor needs from the world, as interfaces in its own words. Each has a real form in `os/` and a
 * simulated one in `sim/`; the comments are the contract that both keep.
 *
 * All calls return at once. What happens later comes back as a call of the supervisor's own methods.
 */
import type { GpuView } from "./gpu/device.ts";
import type { Lease } from "./gpu/lease.ts";
import type { PastStart } from "./phase/eta.ts";
import type { Step } from "./phase/rule.ts";
import type { JobDefinition, NotificationEvent } from "./plan/job.ts";
import type { DaemonSettings, Hook, HookEvent, Service } from "./plan/plan.ts";
import type { Held } from "./plan/vanished.ts";
import type { Job } from "./schedule/job.ts";
import type { Cause } from "./schedule/run.ts";
import type { RunRecord } from "./schedule/run-record.ts";
import type { WallTime } from "./schedule/schedule.ts";
import type { Exit } from "./service/exit.ts";
import type { Instant, Life, RunNumber } from "./service/life.ts";
import type { Signal } from "./service/policy.ts";

export interface Clock {
  /** Milliseconds that only go forward (CLOCK_MONOTONIC): for every duration and deadline. */
  now(): Instant;
  /** The date a person reads. It can jump: for what people see only. */
  wallTime(): Date;
  /** One alarm: `supervisor.tick()` is called at or after `at`. A new call replaces the old one; null: none. */
  wakeAt(at: Instant | null): void;
}

/** Numbers in [0, 1). */
export interface Chance {
  next(): number;
}

/** The keeper, as the supervisor sees it. Reports come back through `supervisor.keeper…`. */
export interface Processes {
  /** Answered by exactly one of spawned / refused, then (if spawned) by exactly one exited. */
  spawn(service: Service, run: RunNumber, launch: Launch): void;
  /** A run that is gone is no error: its end is under way to us. */
  signal(service: string, run: RunNumber, signal: Signal, to: "main" | "group"): void;
  /**
   * KILL for everything that is left of the run, again and again until nothing is. What withstands it for long is told by
   * `supervisor.survived`; where something was left when the run's end was told, `supervisor.gone` says when it no longer is.
   */
  end(service: string, run: RunNumber): void;
  /** The end of this run is in the journal. */
  noted(service: string, run: RunNumber): void;
  /** The settings of its logs changed while it runs. */
  logsChanged(service: Service): void;
  /** The service is gone from the plan and nothing of it runs. */
  forget(service: string): void;
  /** Everything is going to be stopped, to end with this status; a core that comes after this one is told so. */
  stopping(status: number): void;
  /** Everything is stopped: end svcd. */
  leave(status: number): void;
}

/** Everything about a start that the machine decides at that moment; opaque to the supervisor but for these words. */
export interface Launch {
  readonly argv: readonly string[];
  readonly file: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly umask: number | null;
  readonly uid: number | null;
  /** What it reads from its standard input; absent: nothing. */
  readonly stdin?: string;
}

export type Prepared =
  | { readonly kind: "launch"; readonly launch: Launch }
  /** It cannot be started, in one line: "vllm: not found on PATH of this service: /usr/bin:/bin". */
  | { readonly kind: "refusal"; readonly cause: string; readonly permanent: boolean };

export interface Launcher {
  /** Reads env files, fills in templates, finds the program, composes the exec chain. `gpus`: what this start was given. */
  prepare(service: Service, run: RunNumber, gpus?: Lease): Prepared;
  /** The kernel refused a launch (errno name): the same in words, with what the file system says about it. */
  explainRefusal(
    launch: Launch,
    code: string,
    message: string,
  ): { readonly cause: string; readonly permanent: boolean };
  /** Why this machine does not want the service (its `when:`); null: it does. */
  unmet(service: Service): string | null;
  /** CUDA_VISIBLE_DEVICES of what surrounds the service (its env files, svcd.yaml); null: it is not limited so. */
  gpuLimit?(service: Service): string | null;
}

/** How a service would be started now, for people. */
export interface LaunchReport {
  readonly name: string;
  /** Why it could not be started now; null: it could. */
  readonly refusal: string | null;
  /** `from`: the variables whose values are in the word. */
  readonly argv: readonly { readonly word: string; readonly from: readonly string[] }[];
  readonly cwd: string | null;
  /** null: svcd's own. */
  readonly user: string | null;
  /** Those that the command asks for. value null: not set. `from`: "MODEL_NAME, /etc/environment". */
  readonly variables: readonly { readonly name: string; readonly value: string | null; readonly from: string }[];
  /** All of its environment, secrets hidden, sorted by name. */
  readonly environment: readonly { readonly name: string; readonly value: string; readonly from: string }[];
  /** What was decided for it, a line each: "6 GPUs, 32 heads: TP 4, 2 GPUs idle; set VLLM_ARGS to choose". */
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/** What services use now, each with everything that its run has started. */
export interface UsageReport {
  /** When it was measured: milliseconds of a clock that only goes forward. */
  readonly atMs: number;
  /** Of those that run, sorted by name. */
  readonly services: readonly {
    readonly name: string;
    readonly run: number;
    /** Processor time of all its processes so far; two reports tell the use between them. */
    readonly cpuMs: number;
    readonly memoryBytes: number;
    readonly processes: number;
  }[];
}

export interface MachineReport {
  readonly host: string;
  /** Over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly processors: number;
  /** Of all processors since boot; null: not known here. */
  readonly cpu: { readonly busyMs: number; readonly allMs: number } | null;
  /** What the machine has, or what the cgroup that svcd is in allows, if that is less. */
  readonly memory: { readonly totalBytes: number; readonly usedBytes: number; readonly limit: "machine" | "cgroup" };
  readonly swap: { readonly totalBytes: number; readonly usedBytes: number };
  /** That svcd and its services write to, one for each file system. */
  readonly disks: readonly { readonly path: string; readonly totalBytes: number; readonly freeBytes: number }[];
  /** How long the machine is up. */
  readonly upMs: number;
}

/** The same for a run of a job, with its CRON_* environment and standard input. The keeper knows it as `JOB!RUN`. */
export interface RunLauncher {
  prepareRun(job: JobDefinition, run: RunNumber, cause: Cause, gpus?: Lease): Prepared;
}

/** The GPUs of this machine. */
export interface Gpus {
  /** As they were seen last. */
  view(): GpuView;
  /**
   * Somebody waits for what a look would tell: `supervisor.gpusSeen()` follows in bounded time, however the look went. Asked
   * again while one is under way or due, it changes nothing; who still waits after an answer asks again.
   */
  look(): void;
  /** What a process that lives says of its devices in its environment, for when a journal lost it; null: nothing. */
  leaseOf(pid: number): Lease | null;
}

/** Watches starts: how far they are (`phase/`). */
export interface Starts {
  /** A run is about to be spawned: what its logs hold until now is not its output. */
  began(service: Service, run: RunNumber): void;
  /**
   * It starts: what it is busy with is told by `supervisor.progressed`, a few times a second at most, until `over`. `step`: how
   * far it was known to be. Asked again for the same run, it goes by the definition that is given then.
   */
  watch(service: Service, run: RunNumber, step: Step | null): void;
  /** It no longer starts. `well`: it became ready, like this; null: it did not. */
  over(service: string, run: RunNumber, well: PastStart | null): void;
  /** Earlier starts that went well; none are known of most. */
  past(service: string): readonly PastStart[];
}

export interface Prober {
  /** A run is about to be spawned: what its logs hold until now is not its output. */
  began(service: Service, run: RunNumber): void;
  /**
   * Answered by exactly one `supervisor.probed`, within the timeout. Probes of one run never overlap. `starting`: it was not
   * ready yet, so what the file wants to be asked then (`smoke`) is asked too, once the check passes.
   */
  probe(service: Service, run: RunNumber, starting: boolean): void;
  /** The run is over: answers no longer matter, whatever is under way ends. */
  forget(service: string, run: RunNumber): void;
}

/** What was observed; survives the core, not the machine. Losing it costs history, never a second copy. */
export interface Journal {
  record(entry: JournalEntry): void;
  /**
   * What is recorded meanwhile may be written at once, when `act` is over: ten thousand jobs are taken up in one go. Nothing that
   * `act` records may have an effect before that.
   */
  together(act: () => void): void;
}

/** What a journal holds when a core takes over: the last word about each service and each job. */
export interface Memory {
  readonly lives: ReadonlyMap<string, Life>;
  readonly services: ReadonlyMap<string, Service>;
  readonly good: ReadonlyMap<string, GoodRun>;
  readonly jobs: ReadonlyMap<string, JobMemory>;
  /** What a job was when it was last taken up; one that is gone stays here until its last run is over. */
  readonly jobDefinitions: ReadonlyMap<string, JobDefinition>;
  /** When somebody last looked which jobs are due; null: nobody has. */
  readonly lookedAt: WallTime | null;
  /** Last run numbers of services and jobs that are gone: a number is never used twice, whoever comes back under the name. */
  readonly lastRuns: ReadonlyMap<string, RunNumber>;
  /** On their way out when the last core was heard of. */
  readonly removed: readonly string[];
  /** Taken out of supervision by hand. */
  readonly aside: readonly string[];
  /** Files that vanished with most others; see `plan/vanished.ts`. */
  readonly held: Held;
  /** `svcd.yaml` as it was last understood; null: it never was. */
  readonly settings: DaemonSettings | null;
}

export interface JobMemory {
  readonly job: Job;
  /** Its slots up to here are dealt with, as the queue counts them: a clock that was set back takes it back. */
  readonly settled: WallTime;
  readonly mark: JobMark;
}

/** The last run that was well, and the definition it ran with. */
export interface GoodRun {
  readonly run: RunNumber;
  readonly service: Service;
}

/** The keeper's word when a core comes up. */
export interface Inherited {
  /** false: this keeper never had a core before; a run it does not know ended unseen. */
  readonly sameKeeper: boolean;
  readonly live: readonly RunningProcess[];
  readonly ended: readonly EndedProcess[];
  /** Runs of which something is left after the end of their main process, whether that end was noted or not. */
  readonly uncleared: readonly { readonly service: string; readonly run: RunNumber }[];
  /** The status that svcd shall end with once everything is stopped; null: nobody has asked for its end. */
  readonly stopping: number | null;
  /** The highest run of each service that the keeper has heard of, should the journal have missed some. */
  readonly lastRuns: Readonly<Record<string, RunNumber>>;
}

export interface RunningProcess {
  readonly service: string;
  readonly run: RunNumber;
  readonly pid: number;
  readonly startedAt: Instant;
  /** The last signal that was sent to it; null: none was. */
  readonly signalled?: Signal | null;
}

export interface EndedProcess {
  readonly service: string;
  readonly run: RunNumber;
  readonly exit: Exit;
  /** false: something of the run outlives its main process; `supervisor.gone` follows. */
  readonly isClear: boolean;
}

export type JournalEntry =
  | { readonly kind: "life"; readonly service: string; readonly life: Life }
  /** What a service was when it was last taken up, so that a broken file cannot change it. */
  | { readonly kind: "service"; readonly service: Service }
  /** The definition of the run, for "what changed since the last good run". */
  | { readonly kind: "good"; readonly name: string; readonly good: GoodRun }
  /** Its file is gone and it is ending; should the file come back, it is a new service. */
  | { readonly kind: "removed"; readonly name: string }
  /** Of a service or of a job. */
  | { readonly kind: "gone"; readonly name: string; readonly lastRun: RunNumber }
  | { readonly kind: "job"; readonly name: string; readonly memory: JobMemory }
  | { readonly kind: "job definition"; readonly definition: JobDefinition }
  | { readonly kind: "looked"; readonly at: WallTime }
  /** All that are taken out by hand now. */
  | { readonly kind: "aside"; readonly names: readonly string[] }
  | { readonly kind: "held"; readonly held: Held }
  | { readonly kind: "settings"; readonly settings: DaemonSettings }
  /** svcd ended in order: what was before counts no longer. */
  | { readonly kind: "left" };

/** What people asked for, durable before `save` returns (or the failure told). */
export interface Wishes {
  of(service: string): Wish;
  /** Throws an OperatorError when it cannot be made durable; the wishes hold all the same while svcd runs. */
  save(changes: ReadonlyMap<string, Wish>): void;
}

export interface Wish {
  /** `svctl enable` / `disable`; null: as the file says. */
  readonly enabled: boolean | null;
  /** Stopped by a person; kept until someone starts it, or the machine boots anew. */
  readonly stopped: boolean;
  /** Why svcd itself stopped it ("nobody has used it for 20m"); absent: a person did. */
  readonly because?: string;
}

export const noWish: Wish = { enabled: null, stopped: false };

export interface Hooks {
  /** Runs the command or posts the JSON; bounded in time and number; failures are told in svcd's log. */
  run(hook: Hook, facts: HookFacts): void;
}

/** What only jobs need of the world. */
export interface JobPorts {
  readonly history: JobHistory;
  readonly notifier: Notifier;
  readonly launcher: RunLauncher;
  /** Absent: nobody measures here. */
  readonly usages?: RunUsages;
  /** Names this start of the machine. */
  readonly boot: string;
  /** The machine's name: with a job's, it says where in its splay the job starts. */
  readonly host: string;
}

/** What became of each due time; outlives the machine. */
export interface JobHistory {
  /** In its file, if not on the disk, before it returns; a full disk costs the record, not the run, and is told. */
  record(record: RunRecord, keep: JobDefinition["keep"]): void;
  /** Newest first; what was recorded is there at once. */
  of(job: string, most: number): readonly RunRecord[];
  /**
   * What must not happen twice, of all jobs that changed in a turn. On the disk before it returns, with one flush for all of
   * them: no due time may start two runs, whatever dies. A full disk is told and costs no run.
   */
  note(marks: ReadonlyMap<string, JobMark>): void;
  marks(): ReadonlyMap<string, JobMark>;
  /** The job is gone, its mark too: if it comes back it is new. Its records stay as long as `keep` says. */
  forget(job: string): void;
}

export interface JobMark {
  /** Due times up to here are dealt with. */
  readonly settled: WallTime;
  readonly lastRun: RunNumber;
  readonly paused: boolean;
  /** The boot in which its `@reboot` was dealt with; null: none was. */
  readonly boot: string | null;
  /** What was begun or waits and has no record yet: a machine that stops leaves no other trace of it. */
  readonly open: readonly Open[];
  /** What was to be recorded right after this was noted; whoever takes over looks whether it is in the history. */
  readonly told: readonly RunRecord[];
}

export interface Open {
  /** null: it waits for another run, or is an attempt that is still to come. */
  readonly run: RunNumber | null;
  readonly cause: Cause;
}

/** What runs of jobs use, as far as this machine tells. */
export interface RunUsages {
  /** Of all its processes, until now or until its end, of which the last thousand are known. */
  of(job: string, run: RunNumber): RunUsage;
}

/** null: not known. */
export interface RunUsage {
  readonly cpuMs: number | null;
  readonly peakMemoryBytes: number | null;
}

/** Tells people about runs; bounded in time and number, and never waited for. */
export interface Notifier {
  /** `start`: the record is of a run that has just begun; its end is not known. */
  notify(job: JobDefinition, event: NotificationEvent, record: RunRecord): void;
}

export interface HookFacts {
  readonly service: Service;
  readonly what: HookEvent;
  readonly why: string;
  readonly run: RunNumber;
}

/** What a run said, for whoever waits for what it did not do. */
export interface LastWords {
  /** The last line that a run which has ended wrote, fit for a terminal and not long; null: it wrote none, or nobody kept it. */
  of(service: Service, end: { readonly run: RunNumber; readonly at: Instant; readonly upMs: number }): string | null;
}

/** What becomes known to everyone who listens: the event stream, svcd's own log. */
export interface Announcer {
  announce(news: News): void;
}

export type News =
  /** Its state, health or pid is another than before. */
  | { readonly kind: "state"; readonly service: string; readonly before: Life; readonly after: Life }
  | { readonly kind: "removed"; readonly service: string }
  /** A process of the run is there. */
  | {
      readonly kind: "run";
      readonly what: "started";
      readonly job: string;
      readonly run: RunNumber;
      readonly pid: number;
    }
  /** over: of a run; skipped: of a due time that was not started. */
  | { readonly kind: "run"; readonly what: "over" | "skipped"; readonly job: string; readonly record: RunRecord }
  /** It is paused or no longer, another than before, or gone. */
  | { readonly kind: "job"; readonly job: string; readonly what: "paused" | "resumed" | "changed" | "removed" }
  | { readonly kind: "daemon"; readonly text: string };

/** Something a person can put right. Anything else that is thrown is a bug in svcd. */
export class OperatorError extends Error {
  override readonly name = "OperatorError";
  readonly what: string;
  readonly where: string;
  readonly fix: string;

  constructor(what: string, where: string, fix: string) {
    super(`${what}\n  where: ${where}\n  fix:   ${fix}`);
    this.what = what;
    this.where = where;
    this.fix = fix;
  }
}

export type { Exit };
