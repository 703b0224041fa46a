/**
 * From a service as it is written to what the keeper shall execute: environment, folder, user, program, exec chain. All of
 * it is found out anew at each start, since env files, accounts and programs change under a service that stays the same.
 *
 * What cannot work is refused here in one line that names it. The keeper, and the kernel behind it, then only refuse what
 * changed in between or what nobody can see beforehand; `explainRefusal` puts that in words too.
 */
import { closeSync, constants, fstatSync, openSync, readSync, statSync } from "node:fs";
import { resolve as resolvePath } from "node:path";
import { type Lease, leaseText } from "../gpu/lease.ts";
import { RUN_MARK, type RunName, runMark, runTag } from "../keeper/messages.ts";
import { unmet } from "../plan/condition.ts";
import {
  cleanBase,
  type Environment,
  envFilePaths,
  environmentOf,
  type FoundEnvFile,
  type Resolved,
  resolve,
  type StartProblem,
} from "../plan/environment.ts";
import { interpolate } from "../plan/interpolate.ts";
import type { JobDefinition } from "../plan/job.ts";
import type { DaemonSettings, Limits, Service } from "../plan/plan.ts";
import type { Launch, Launcher, Prepared, RunLauncher } from "../ports.ts";
import type { Recipe } from "../recipe/vllm.ts";
import type { Cause } from "../schedule/run.ts";
import { processNameOf } from "../schedule/run-name.ts";
import type { RunNumber } from "../service/life.ts";
import { type Account, accountOf } from "./accounts.ts";
import { execChain, systemTool } from "./exec-chain.ts";
import { type Identity, identityOf } from "./identity.ts";
import { isRunning, textOf } from "./machine-facts.ts";
import { type OwnRights, ownRights } from "./own-rights.ts";
import { isListening } from "./port-holder.ts";
import { DEFAULT_PATH, type Flaw, findProgram, hasProgram } from "./program.ts";
import { recipeOf } from "./recipes.ts";

export interface LauncherOptions {
  /** svcd's own environment; it is cleaned here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The directory that holds services.d: where services run that do not say where, and where relative paths start. */
  readonly rootDir: string;
  /** As the keeper knows it: part of the mark of a run. */
  readonly runDir: string;
  /** The keeper knows the processes of a run by looking, and needs a tag on them. */
  readonly tagsRuns?: boolean;
  /** `environment` of svcd.yaml as it is now. */
  readonly daemonEnvironment: () => DaemonSettings["environment"];
  /** Folder of the score templates that come with svcd; absent: services with a recipe get paths below `rootDir`. */
  readonly templateDir?: string;
  /** A start that will hardly be as it is meant, in a sentence. */
  readonly warn?: (service: string, warning: string) => void;
  /** For every service, above all that is written: how its programs find this svcd (SVCD_ROOT). */
  readonly marks?: Launch["env"];
  /** What a service has of the GPUs while it runs; its check and its hooks see the same. */
  readonly gpusOf?: (service: string) => Lease | null;
  /** Others in tests. */
  readonly rights?: OwnRights;
  readonly toolPath?: (name: string) => string | null;
}

/** Where and as whom a service runs at this start, before anything is looked up in the file system. */
export interface Setting {
  readonly resolved: Resolved;
  readonly env: Environment;
  /** Where variables come from that are not svcd's own. */
  readonly origins: ReadonlyMap<string, string>;
  /** What svcd knows about the program, made into variables; null: nothing. */
  readonly recipe: Recipe | null;
  readonly cwd: string;
  readonly identity: Identity;
}

export type SettingAnswer = { readonly ok: true; readonly setting: Setting } | Refused;

export interface Refused {
  readonly ok: false;
  readonly cause: string;
  /** Trying again does not help before a person changed something. */
  readonly permanent: boolean;
}

interface MadeHere {
  readonly ok: true;
  readonly env: Environment;
  readonly origins: Setting["origins"];
}

export class LinuxLauncher implements Launcher, RunLauncher {
  readonly #options: LauncherOptions;
  readonly #base: Environment;
  /** `env: clean`: what cron itself gives its jobs. */
  readonly #cleanBase: Environment;
  readonly #rights: OwnRights;
  readonly #toolPath: (name: string) => string | null;
  readonly #tagsRuns: boolean;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#base = cleanBase(options.env);
    this.#rights = options.rights ?? ownRights();
    this.#cleanBase = cronBase(this.#base, accountOf(String(this.#rights.uid)));
    const ownPath = options.env["PATH"] ?? DEFAULT_PATH;
    this.#toolPath = options.toolPath ?? ((name) => systemTool(name, ownPath));
    const canTag = this.#rights.setsFileLocks && this.#toolPath("prlimit") !== null;
    this.#tagsRuns = options.tagsRuns === true && canTag;
  }

  prepare(service: Service, run: RunNumber, gpus: Lease | null = null): Prepared {
    return this.#prepare(service, { service: service.name, run }, this.#base, gpus, {});
  }

  prepareRun(job: JobDefinition, run: RunNumber, cause: Cause, gpus: Lease | null = null): Prepared {
    const name = { service: processNameOf(job.name, run), run };
    const prepared = this.#prepare(job.service, name, job.cleanEnvironment ? this.#cleanBase : this.#base, gpus, {
      CRON_JOB: job.name,
      CRON_RUN_ID: `${job.name}/${run}`,
      CRON_SCHEDULED_FOR: new Date(cause.scheduledFor).toISOString(),
      CRON_ATTEMPT: String(cause.attempt),
      CRON_TRIGGER: cause.trigger,
    });
    const stdin = job.crontab?.stdin ?? "";
    if (prepared.kind === "refusal" || stdin === "") return prepared;
    return { kind: "launch", launch: { ...prepared.launch, stdin } };
  }

  #prepare(service: Service, name: RunName, base: Environment, gpus: Lease | null, variables: Launch["env"]): Prepared {
    const answer = this.#settingOn(base, service, gpus);
    if (!answer.ok) return refusal(answer.cause, answer.permanent);
    const { setting } = answer;
    for (const warning of setting.recipe?.warnings ?? []) this.#options.warn?.(service.name, warning);
    const flaw = venvFlaw(service, setting) ?? bareVariableFlaw(service, setting);
    if (flaw !== null) return refusal(flaw.cause, flaw.permanent);
    const { runDir } = this.#options;
    const tag = this.#tagsRuns ? runTag(runDir, name) : null;
    const given = gpus === null ? {} : { [LEASE_MARK]: leaseText(gpus) };
    const mark = { ...variables, ...given, [RUN_MARK]: runMark(runDir, name) };
    return this.#launchOf(service, { limits: service.limits, tag }, setting, setting.resolved.argv, mark);
  }

  /**
   * How the service would be started now; also what its check and its hooks are with everything filled in. `gpus`: the devices of
   * that start; those that it has while it runs where nothing is said.
   */
  setting(service: Service, gpus: Lease | null = this.#options.gpusOf?.(service.name) ?? null): SettingAnswer {
    return this.#settingOn(this.#base, service, gpus);
  }

  #settingOn(base: Environment, service: Service, gpus: Lease | null): SettingAnswer {
    const made = this.#environment(base, service, gpus);
    if (!made.ok) return made;
    const recipe = this.#recipe(service, made.env);
    if (recipe !== null && !recipe.ok) return recipe;
    const resolved = resolve(service, made.env, recipe?.variables);
    if (!resolved.ok) return fromPlan(resolved.problem);
    const { user, group, workingDir } = resolved.value;
    const asked = identityOf({ service: service.name, user, group }, this.#rights);
    if (!asked.ok) return { ok: false, cause: asked.cause, permanent: true };
    const { identity } = asked;
    const { rootDir } = this.#options;
    const cwd = workingDir === null ? rootDir : resolvePath(rootDir, workingDir);
    const env = service.venv === null ? made.env : withWholeVenv(made.env, cwd);
    const { origins } = made;
    return {
      ok: true,
      setting: { resolved: resolved.value, env, origins, recipe: recipe?.recipe ?? null, cwd, identity },
    };
  }

  #recipe(
    service: Service,
    env: Environment,
  ): { readonly ok: true; readonly recipe: Recipe; readonly variables: Environment } | Refused | null {
    const { rootDir, templateDir = rootDir } = this.#options;
    const answer = recipeOf(service, env, { rootDir, templateDir });
    if (answer === null) return null;
    if (!answer.ok) {
      const { variable, flaw } = answer;
      return { ok: false, cause: `${variable}: ${flaw.what}: ${flaw.fix}`, permanent: true };
    }
    const variables = Object.fromEntries(answer.recipe.variables.map(({ name, text }) => [name, text]));
    return { ok: true, recipe: answer.recipe, variables };
  }

  /**
   * Another command in the setting of a service: its check, its hooks. It has the service's environment, folder and user,
   * but not its limits, and not the mark of a run: it is no part of one.
   */
  beside(service: Service, setting: Setting, argv: readonly string[], variables: Launch["env"] = {}): Prepared {
    return this.#launchOf(service, { limits: NO_LIMITS, tag: null }, setting, argv, variables);
  }

  #launchOf(
    service: Service,
    { limits, tag }: { readonly limits: Limits; readonly tag: number | null },
    { env, cwd, identity }: Setting,
    argv: readonly string[],
    variables: Launch["env"],
  ): Prepared {
    const flaw = directoryFlaw(cwd);
    if (flaw !== null) return refusal(`working_dir ${cwd} ${flaw.cause}`, flaw.permanent);
    const [program = "", ...rest] = argv;
    const whole = { ...env, ...this.#options.marks, SVCD_SERVICE: service.name, ...variables };
    const found = findProgram(program, { path: env["PATH"] ?? DEFAULT_PATH, cwd });
    if (!found.ok) return refusal(found.cause, found.permanent);
    const before = { service: service.name, limits, identity: identity.change, env: whole, tag };
    const chain = execChain(before, this.#rights, this.#toolPath);
    if (!chain.ok) return refusal(chain.cause, true);
    const [firstTool] = chain.argv;
    return {
      kind: "launch",
      launch: {
        file: firstTool ?? found.file,
        // At the end of a chain the program is executed by its path, and that is what it sees as its name.
        argv: firstTool === undefined ? [program, ...rest] : [...chain.argv, found.file, ...rest],
        cwd,
        env: chain.env,
        umask: service.umask,
        uid: identity.change === null || identity.change.uid === this.#rights.uid ? null : identity.change.uid,
      },
    };
  }

  explainRefusal(
    launch: Launch,
    code: string,
    message: string,
  ): { readonly cause: string; readonly permanent: boolean } {
    const permanent = (cause: string) => ({ cause, permanent: true });
    const passing = (cause: string) => ({ cause, permanent: false });
    const { file, cwd, env } = launch;
    switch (code) {
      case "ENOENT":
      case "ENOTDIR":
      case "EACCES":
      case "EPERM":
      case "ELOOP":
      case "ENOEXEC": {
        const flaw = directoryFlaw(cwd);
        if (flaw !== null) return { cause: `working_dir ${cwd} ${flaw.cause}`, permanent: flaw.permanent };
        const where = { path: env["PATH"] ?? DEFAULT_PATH, cwd };
        const found = findProgram(file, where);
        if (!found.ok) return { cause: found.cause, permanent: found.permanent };
        if (code === "ENOENT" || code === "ENOTDIR") return passing(`${file}: was not there a moment ago, and is now`);
        return permanent(`${file}: the kernel refuses to execute it (${code}): ${REASONS[code] ?? message}`);
      }
      case "E2BIG":
        return permanent(tooBig(launch));
      case "EINVAL":
      case "ERR_INVALID_ARG_VALUE":
        return permanent(`${file}: an argument or a variable of the environment holds a NUL character`);
      case "ELIBBAD":
        return permanent(`${file}: its loader is broken or for another machine`);
      default:
        return passing(
          `${file}: ${REASONS[code] ?? `the kernel refused to start it: ${message}`}${code in REASONS ? ` (${code})` : ""}`,
        );
    }
  }

  gpuLimit(service: Service): string | null {
    const made = this.#environment(this.#base, service, null);
    return made.ok ? made.env["CUDA_VISIBLE_DEVICES"]?.trim() || null : null; // What is wrong is told by the start.
  }

  unmet(service: Service): string | null {
    if (service.when === null) return null;
    const made = this.#environment(this.#base, service, null);
    if (!made.ok) return null; // Wanted as far as we can know; the start says what is wrong.
    const { env } = made;
    const { rootDir } = this.#options;
    return unmet(service.when, {
      env,
      hasCommand: (name) => hasProgram(name, { path: env["PATH"] ?? DEFAULT_PATH, cwd: rootDir }),
      fileExists: (path) => exists(resolvePath(rootDir, path)),
      textOf: (path) => textOf(resolvePath(rootDir, path)),
      isListening,
      isRunning,
      user: () => accountOf(String(this.#rights.uid))?.name ?? String(this.#rights.uid),
    });
  }

  /**
   * The account's own HOME, USER … stand at the bottom, so that whatever is written can build on them or say otherwise.
   * Who the account is may itself depend on the environment, hence twice.
   */
  #environment(base: Environment, service: Service, gpus: Lease | null): MadeHere | Refused {
    const made = this.#environmentOn(base, service, gpus);
    if (!made.ok || service.user === null) return made;
    const { env } = made;
    const user = interpolate(service.user, (name) => (Object.hasOwn(env, name) ? env[name] : undefined));
    if (!user.ok || user.value.text.trim() === "") return made; // `resolve` tells what is wrong with it.
    const asked = identityOf({ service: service.name, user: user.value.text, group: null }, this.#rights);
    if (!asked.ok) return { ok: false, cause: asked.cause, permanent: true };
    return this.#environmentOn({ ...base, ...asked.identity.env }, service, gpus);
  }

  #environmentOn(base: Environment, service: Service, gpus: Lease | null): MadeHere | Refused {
    const layers = { base, daemon: this.#options.daemonEnvironment() };
    const paths = envFilePaths(service, layers);
    if (!paths.ok) return fromPlan(paths.problem);
    const read = paths.value.map(({ path }) => readEnvFile(resolvePath(this.#options.rootDir, path)));
    const made = environmentOf(service, { ...layers, envFileTexts: read.map(({ found }) => found), gpus });
    if (made.ok) return { ok: true, env: made.value.env, origins: made.value.origins };
    return { ...fromPlan(made.problem), permanent: !read.some(({ passing }) => passing) };
  }
}

/** `venv: .venv` is the one in the working directory, wherever the program then goes. */
function withWholeVenv(env: Environment, cwd: string): Environment {
  const { VIRTUAL_ENV: folder, PATH: path } = env;
  if (folder === undefined || folder.startsWith("/") || !path?.startsWith(`${folder}/bin:`)) return env;
  const whole = resolvePath(cwd, folder);
  return { ...env, VIRTUAL_ENV: whole, PATH: `${whole}${path.slice(folder.length)}` };
}

/** As cron sets them: svcd's own account says who it is, for a container or a service manager may have told svcd neither. */
function cronBase({ HOME, LOGNAME, USER }: Environment, account: Account | null): Environment {
  const own = { HOME: HOME ?? account?.home, LOGNAME: account?.name ?? LOGNAME ?? USER };
  const given = Object.entries(own).filter(([, value]) => value !== undefined);
  return { PATH: "/usr/bin:/bin", SHELL: "/bin/sh", ...(Object.fromEntries(given) as Environment) };
}

/** In the environment of a run: what it was given, should the journal lose it. */
export const LEASE_MARK = "SVCD_GPUS";

const NO_LIMITS: Limits = { rlimits: {}, nice: null, oomScoreAdj: null };

/** Of the errors whose words in the C library do not tell a person what to do. */
const REASONS: Readonly<Record<string, string>> = {
  EAGAIN:
    "no more processes may be started now: the limit of processes (ulimit -u) or of the container (pids.max) is reached",
  ENOMEM: "the machine has no memory left to start a process",
  EMFILE: "svcd has too many open files: raise its limit (ulimit -n)",
  ENFILE: "the machine has too many open files (fs.file-max)",
  ETXTBSY: "the program is being written at this moment",
  EIO: "the disk with the program cannot be read",
  EACCES: "permission denied, perhaps by AppArmor, SELinux or a mount with noexec",
  EPERM: "not permitted, perhaps by a security module or a seccomp filter",
  ENOEXEC: "it is in no format that the kernel knows",
};

function fromPlan({ what, fix, file, line }: StartProblem): Refused {
  return { ok: false, cause: `${what} (${file}:${line}): ${fix}`, permanent: true };
}

function refusal(cause: string, permanent: boolean): Prepared {
  return { kind: "refusal", cause, permanent };
}

/** The cause goes on after the folder's name. */
function directoryFlaw(path: string): Flaw | null {
  const permanent = (cause: string): Flaw => ({ cause, permanent: true });
  try {
    return statSync(path).isDirectory() ? null : permanent("is not a directory");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return permanent("does not exist");
    if (code === "ENOTDIR") return permanent("does not exist: a part of the path is a file");
    if (code === "EACCES") return permanent("cannot be reached: permission denied");
    if (code === "ELOOP") return permanent("is a symbolic link that leads in a circle");
    return { cause: `cannot be used: ${message}`, permanent: false };
  }
}

function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false; // A part of the path is a file, or closed to us.
  }
}

// --- env files -------------------------------------------------------------------------------------------------------

/** Larger is a mistake (a log, a core dump), and all of it would go into every process of the service. */
const LARGEST_ENV_FILE = 1024 * 1024;

/** `passing`: trying again may help. */
function readEnvFile(path: string): { readonly found: FoundEnvFile; readonly passing: boolean } {
  const no = (why: string, missing = false, passing = false) => ({
    found: { path, text: null, missing, why },
    passing,
  });
  let fd: number | null = null;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // A FIFO at this path must not hold us up.
    if (!fstatSync(fd).isFile()) return no("it is not a regular file");
    const bytes = Buffer.allocUnsafe(LARGEST_ENV_FILE + 1);
    let length = 0;
    for (let got = -1; got !== 0 && length < bytes.length; length += got) {
      got = readSync(fd, bytes, length, bytes.length - length, null);
    }
    if (length > LARGEST_ENV_FILE) return no("it is larger than 1 MiB");
    return { found: { path, text: bytes.toString("utf8", 0, length) }, passing: false };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return no("no such file", true);
    if (code === "EACCES") return no("permission denied");
    return no(message, false, true);
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

/** What is too long: one string (128 KiB at most), or all together (a quarter of the stack, usually 2 MiB). */
function tooBig({ argv, env, file }: Launch): string {
  const variables = Object.entries(env).map(([name, value]) => ({
    what: `the variable ${name}`,
    bytes: Buffer.byteLength(`${name}=${value}`) + 1,
  }));
  const words = argv.map((word, index) => ({ what: `argument ${index}`, bytes: Buffer.byteLength(word) + 1 }));
  const all = [...variables, ...words].sort((a, b) => b.bytes - a.bytes);
  const total = all.reduce((sum, { bytes }) => sum + bytes, 0);
  const [largest] = all;
  const most = largest === undefined ? "" : `; the largest is ${largest.what} with ${largest.bytes} bytes`;
  return `${file}: its arguments and environment are too long for the kernel: ${total} bytes in all${most}`;
}

function venvFlaw(service: Service, { env }: Setting): Flaw | null {
  const folder = env["VIRTUAL_ENV"];
  if (service.venv === null || folder === undefined) return null;
  const flaw = directoryFlaw(`${folder}/bin`);
  if (flaw === null) return null;
  return { ...flaw, cause: `venv ${folder}: no Python environment is there (${folder}/bin ${flaw.cause})` };
}

/**
 * `$i` of a shell's loop would silently become nothing. Whoever means a variable of svcd's that may be missing writes
 * `${i}` or `${i:-}`.
 */
function bareVariableFlaw({ command }: Service, { resolved }: Setting): Flaw | null {
  const text = command.kind === "words" ? command.words.join(" ") : command.text;
  const bare = resolved.unset.find((name) => new RegExp(`(?<!\\$)(?:\\$\\$)*\\$${name}\\b`).test(text));
  if (bare === undefined) return null;
  const cause = `\`$${bare}\` in command is not set: write $$${bare} for the shell's own variable, \${${bare}:-} if it may be empty`;
  return { cause, permanent: true };
}
