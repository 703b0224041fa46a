/**
 * What an operator can write, after reading: a plan that cannot be wrong. Every default is filled in, every duration is
 * milliseconds, every size is bytes. Which dialect a service was written in is no longer visible here.
 *
 * Values that depend on the machine at the moment of a start (`${MODEL_NAME}`, env files) stay templates: the syntax was
 * checked, the filling in happens at each start (`interpolate.ts`, `environment.ts`).
 */
import type { GpuAsk } from "../gpu/ask.ts";
import type { IdleRule } from "../idle/rule.ts";
import type { PhaseRule } from "../phase/rule.ts";
import type { Policy, Signal } from "../service/policy.ts";
import type { Exposure } from "./expose.ts";
import type { JobDefinition } from "./job.ts";
import type { Mistake } from "./mistake.ts";

/** Text that may hold `${VAR}` in Compose's forms. Its syntax was checked when the file was read. */
export type Template = string;

export interface Plan {
  /** By service name, in the order of files and of services in a file. */
  readonly services: ReadonlyMap<string, Service>;
  /** By name, in the order of files and of jobs in a file. A name is a service's or a job's, never both. */
  readonly jobs: ReadonlyMap<string, JobDefinition>;
  /** Everything wrong in any file, all together. A service or job with a mistake is not in the plan. */
  readonly mistakes: readonly Mistake[];
  /**
   * Files with at least one mistake. What an earlier plan took from such a file and this plan does not have goes on as it
   * was: nobody can tell a removed service from one that the mistake hides (`diff.ts` calls them kept).
   */
  readonly brokenFiles: ReadonlySet<string>;
  /** Names (without `@N`) that those files describe, as far as they could be read: kept too, wherever they came from. */
  readonly brokenNames: ReadonlySet<string>;
  readonly daemon: DaemonSettings;
}

/** `svcd.yaml`. */
export interface DaemonSettings {
  /** false: changes in services.d wait for `svctl update` or `svctl apply`, as supervisord does it. */
  readonly autoApply: boolean;
  /** Group that may use svcd (socket 0660, directories 0750); null: the owner only. */
  readonly group: string | null;
  /** For every service, below the service's own environment. */
  readonly environment: Readonly<Record<string, Template | null>>;
  /** When nobody has used the machine for long. Absent: nothing is done. */
  readonly idle?: IdleRule;
}

/** Where something was written. Lines and columns count from 1. */
export interface Source {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Service {
  /** `web`, or `web@2` for the second of several replicas. */
  readonly name: string;
  /** 1-based number among its replicas (`${REPLICA}`), null when there is one. */
  readonly replica: number | null;
  /** What `GROUP:*` reaches it by: the file's stem and, for a replica, the name without its number. */
  readonly groups: readonly string[];
  readonly source: Source;
  /** Lines of keys in `source.file` ("command", "environment.PORT"), for messages at a start. Not all keys are here. */
  readonly lines?: Readonly<Record<string, number>>;
  readonly description: string;
  readonly command: Command;
  readonly workingDir: Template | null;
  readonly user: Template | null;
  readonly group: Template | null;
  /** 0 to 0o777. */
  readonly umask: number | null;
  /** null as value: taken from svcd's own environment, as in Compose. */
  readonly environment: Readonly<Record<string, Template | null>>;
  readonly envFiles: readonly EnvFile[];
  readonly venv: Template | null;
  /** What svcd knows about this program: variables for its command (`src/recipe/`). Absent: nothing. */
  readonly recipe?: RecipeName;
  readonly when: Condition | null;
  /** false: never started until someone says `svctl enable`. */
  readonly enabled: boolean;
  /** false: wanted only when someone starts it. */
  readonly autostart: boolean;
  /** Once it is FATAL or EXITED, svcd stops everything and ends with its exit status. */
  readonly essential: boolean;
  readonly policy: Policy;
  readonly check: Check | null;
  /** What a start goes through; recipes are put in. Absent: nobody watches it. */
  readonly phases?: readonly PhaseRule[];
  /** What a start must answer well before it is ready; absent: nothing. */
  readonly smoke?: Smoke;
  readonly dependsOn: readonly Dependency[];
  readonly reloadSignal: Signal | null;
  readonly limits: Limits;
  /** Absent: it asks for none. */
  readonly gpus?: GpuAsk;
  /** null: output is discarded. */
  readonly logs: Logs | null;
  readonly on: Hooks;
  /** When nobody has used it for long. Absent: nothing is done. */
  readonly idle?: IdleRule;
  /** How it is reached from outside, through the gateway. Absent: not at all, or a journal of before there was such a key. */
  readonly expose?: readonly Exposure[];
}

/** Programs that svcd has a recipe for. */
export const RECIPES = ["vllm"] as const;
export type RecipeName = (typeof RECIPES)[number];

export type Command =
  /** Split into words as a POSIX shell does, after `${…}` is filled in; no shell runs. */
  | { readonly kind: "text"; readonly text: Template }
  | { readonly kind: "words"; readonly words: readonly Template[] }
  /** `shell: true`: given to `/bin/sh -c`; `${…}` is filled in by svcd first, `$$` gives the shell its `$`. */
  | { readonly kind: "shell"; readonly text: Template };

export interface EnvFile {
  readonly path: Template;
  /** Written with a leading `?`: may be missing. */
  readonly optional: boolean;
}

/** All that is given must hold. An empty condition cannot be written. */
export type Condition =
  | { readonly kind: "env"; readonly name: string }
  /** The variable has this value, without regard to case; `*` in it stands for any characters. */
  | { readonly kind: "value"; readonly name: string; readonly value: Template }
  | { readonly kind: "command"; readonly program: string }
  | { readonly kind: "file"; readonly path: Template }
  /** A line of the file that is no comment (#) has this text in it, without regard to case; `*` as above. */
  | { readonly kind: "mention"; readonly path: Template; readonly text: Template }
  /** Somebody listens on this TCP port. */
  | { readonly kind: "port"; readonly port: Template }
  | { readonly kind: "process"; readonly program: string }
  /** svcd runs as this user. */
  | { readonly kind: "user"; readonly name: string }
  | { readonly kind: "not"; readonly condition: Condition }
  | { readonly kind: "all"; readonly conditions: readonly Condition[] }
  | { readonly kind: "any"; readonly conditions: readonly Condition[] };

export type Check =
  | { readonly kind: "http"; readonly url: Template }
  | { readonly kind: "tcp"; readonly address: Template }
  /** Exit 0 is healthy. */
  | { readonly kind: "exec"; readonly command: Command }
  /** Passes once a line of the run's output matches (JavaScript RegExp source). */
  | { readonly kind: "log"; readonly pattern: string };

/** Asked once a start's check passes, until the answer is good; never again in that run. */
export type Smoke =
  | {
      readonly kind: "score";
      /** null: `/score` of the server that the http check asks. */
      readonly url: Template | null;
      readonly query: string;
      readonly matching: string;
      readonly unrelated: string;
    }
  | {
      readonly kind: "http";
      readonly url: Template;
      readonly method: "GET" | "POST" | "PUT";
      readonly body: Template | null;
      /** JavaScript RegExp source; null: any answer of 200 to 399 will do. */
      readonly expect: string | null;
    };

export type DependencyCondition = "started" | "ready" | "completed";

export interface Dependency {
  readonly name: string;
  readonly condition: DependencyCondition;
  /** Absent: wait until somebody mends it. `continue`: one that has failed for good (EXITED, FATAL) is not waited for. */
  readonly onFailure?: "continue";
}

/** Resource limits, applied before the first instruction. Keys as setrlimit(2) names them, in lower case; null: unlimited. */
export interface Limits {
  readonly rlimits: Readonly<Partial<Record<Rlimit, number | null>>>;
  /** -20 … 19 */
  readonly nice: number | null;
  /** -1000 … 1000 */
  readonly oomScoreAdj: number | null;
}

export const RLIMITS = ["nofile", "nproc", "core", "memory", "cpu", "stack", "fsize", "memlock"] as const;
/** `memory` is RLIMIT_AS in bytes; `cpu` is RLIMIT_CPU in seconds; the rest as setrlimit(2). */
export type Rlimit = (typeof RLIMITS)[number];

export interface Logs {
  readonly maxSizeBytes: number;
  /** Rotated files kept beside the current one. */
  readonly keep: number;
  readonly timestamps: boolean;
  /** Rotated files from `.2` on become `.gz`. */
  readonly compress: boolean;
  /** So much of the beginning is kept for ever: of a run of a job. Absent: nothing. */
  readonly headBytes?: number;
  /** merged: one file, in the order written. separate: stderr goes to `NAME.stderr.log`. */
  readonly stderr: "merged" | "separate";
}

/** What to do when something happened: a command (run with SVCD_EVENT, SVCD_SERVICE, … set) or a POST of JSON to a URL. */
export type Hook =
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "webhook"; readonly url: Template };
/** `idle` is not written under `on:`; it is what `idle:` runs. */
export type HookEvent = "failed" | "healthy" | "stopped" | "idle";
export type Hooks = Readonly<Partial<Record<HookEvent, Hook>>>;
