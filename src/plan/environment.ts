/**
 * What a service runs with at this start: its environment, and its command, folder, user, check and hooks with every
 * `${…}` filled in.
 *
 * The environment is made in layers; each sees the ones below it, and a later entry of a layer sees the earlier ones:
 *
 *   svcd's own environment, cleaned  <  `environment` of svcd.yaml  <  env files in order  <  `environment`  <  REPLICA, venv,
 *   and which GPUs it was given
 *
 * Nothing here reads a file or a clock: whoever starts the service reads the env files (`envFilePaths` says which) and
 * hands their text in. What a person must put right comes back as a `StartProblem` with the key and its line.
 */
import { gpuCount, gpuVariables, type Lease } from "../gpu/lease.ts";
import { parseAddress } from "./address.ts";
import { parseEnvFile } from "./env-file.ts";
import type { Flaw } from "./flaw.ts";
import { interpolate, type Lookup } from "./interpolate.ts";
import type { Command, DaemonSettings, EnvFile, HookEvent, Service, Template } from "./plan.ts";
import { urlFlaw } from "./schema.ts";
import { isWebhook } from "./service-of.ts";
import { splitWords } from "./words.ts";

export type Environment = Readonly<Record<string, string>>;

/** Why a service cannot be started as it is written, or with the variables there are. */
export interface StartProblem {
  /** As it stands in the file: `command`, `environment.HF_HOME`. */
  readonly key: string;
  readonly file: string;
  readonly line: number;
  /** One sentence: "`command`: MODEL is not set: name a model". */
  readonly what: string;
  readonly fix: string;
}

export type Started<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: StartProblem };

export interface Layers {
  /** svcd's own environment, after `cleanBase`. */
  readonly base: Environment;
  /** `environment` of svcd.yaml. */
  readonly daemon: DaemonSettings["environment"];
}

/** An env file as it was found at this start. */
export type FoundEnvFile =
  | { readonly path: string; readonly text: string }
  /** It could not be read, and why: "no such file", "permission denied". One with a `?` may be missing, not unreadable. */
  | { readonly path: string; readonly text: null; readonly missing: boolean; readonly why: string };

export interface MadeEnvironment {
  readonly env: Environment;
  /** Where the value of each variable comes from: "svcd's own environment", "/etc/environment", "vllm.yaml:12". */
  readonly origins: ReadonlyMap<string, string>;
  /** Variables that were asked for without a default and are not set: they became nothing. */
  readonly unset: readonly string[];
}

// --- the environment -----------------------------------------------------------------------------------------------

/** Paths of the env files. Variables in them come from svcd's own environment and svcd.yaml. */
export function envFilePaths(service: Service, layers: Layers): Started<readonly EnvFile[]> {
  const lower = daemonLayer(service, layers);
  if (!lower.ok) return lower;
  const files: EnvFile[] = [];
  for (const file of service.envFiles) {
    const path = filled(service, "env_file", file.path, lower.value);
    if (!path.ok) return path;
    files.push({ path: path.value, optional: file.optional });
  }
  return { ok: true, value: files };
}

/** `envFileTexts`: one for each of `envFilePaths`, in the same order. */
export function environmentOf(
  service: Service,
  {
    base,
    daemon,
    envFileTexts,
    gpus = null,
  }: Layers & { readonly envFileTexts: readonly FoundEnvFile[]; readonly gpus?: Lease | null },
): Started<MadeEnvironment> {
  const made = daemonLayer(service, { base, daemon });
  if (!made.ok) return made;
  const making = made.value;
  if (service.replica !== null) making.set("REPLICA", String(service.replica), "replicas");
  giveGpus(making, gpus);
  for (const [index, file] of envFileTexts.entries()) {
    const problem = addEnvFile(service, making, file, service.envFiles[index]?.optional ?? false);
    if (problem !== null) return problem;
  }
  giveGpus(making, gpus);
  const own = addEnvironment(service, making, service.environment, base);
  if (own !== null) return own;
  // Whatever else was written: they are its devices.
  if (gpus !== null) making.setAll(gpuVariables(gpus, making.env()), GIVEN);
  if (service.replica !== null) making.set("REPLICA", String(service.replica), "replicas");
  const venv = addVenv(service, making);
  if (venv !== null) return venv;
  return { ok: true, value: { env: making.env(), origins: making.origins, unset: making.unset() } };
}

/** Without what belongs to svcd's own start: npm, Node's internals, systemd's sockets, the shell that started it. */
export function cleanBase(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const startedByNpm = env["npm_execpath"] !== undefined;
  const clean: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || OURS.has(name) || /^(npm_|SVCD_)/i.test(name)) continue;
    if (startedByNpm && (name === "COLOR" || (name === "NODE" && value === env["npm_node_execpath"]))) continue;
    clean[name] = name === "PATH" ? withoutNpmFolders(value) : value;
  }
  return clean;
}

const OURS: ReadonlySet<string> = new Set([
  "INIT_CWD",
  "NODE_COMPILE_CACHE",
  "NODE_CHANNEL_FD",
  "NODE_CHANNEL_SERIALIZATION_MODE",
  "NODE_UNIQUE_ID",
  "NODE_TEST_CONTEXT",
  "NODE_V8_COVERAGE",
  "NOTIFY_SOCKET",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "INVOCATION_ID",
  "JOURNAL_STREAM",
  "SYSTEMD_EXEC_PID",
  "MAINPID",
  "WATCHDOG_PID",
  "WATCHDOG_USEC",
  "_",
  "PWD",
  "OLDPWD",
  "SHLVL",
]);

function withoutNpmFolders(path: string): string {
  return path
    .split(":")
    .filter((folder) => !/(^|\/)(node_modules\/\.bin|node-gyp-bin)\/?$/.test(folder))
    .join(":");
}

export const OWN_ENVIRONMENT = "svcd's own environment";

/** Variables while they are being put together, and which were asked for in vain. */
class Making {
  private readonly values: Map<string, string>;
  /** Of what `set` was told; the rest is svcd's own. */
  readonly origins = new Map<string, string>();
  private readonly missed = new Set<string>();

  constructor(base: Environment) {
    this.values = new Map(Object.entries(base));
  }

  readonly lookup: Lookup = (name) => this.values.get(name);

  set(name: string, value: string, origin: string): void {
    this.values.set(name, value);
    this.origins.set(name, origin);
  }

  setAll(values: Environment, origin: string): void {
    for (const [name, value] of Object.entries(values)) this.set(name, value, origin);
  }

  remove(name: string): void {
    this.values.delete(name);
    this.origins.delete(name);
  }

  miss(names: readonly string[]): void {
    for (const name of names) this.missed.add(name);
  }

  env(): Environment {
    return Object.fromEntries(this.values);
  }

  unset(): string[] {
    return [...this.missed];
  }
}

function daemonLayer(service: Service, { base, daemon }: Layers): Started<Making> {
  const making = new Making(base);
  const problem = addEnvironment(service, making, daemon, base, " of svcd.yaml");
  return problem ?? { ok: true, value: making };
}

function addEnvironment(
  service: Service,
  making: Making,
  entries: DaemonSettings["environment"],
  base: Environment,
  of = "",
): Problem | null {
  for (const [name, template] of Object.entries(entries)) {
    if (template === null) {
      // From svcd's own environment, whatever lies between; where svcd has none, the service has none either.
      if (Object.hasOwn(base, name)) making.set(name, base[name]!, OWN_ENVIRONMENT);
      else making.remove(name);
      continue;
    }
    const value = filled(service, `environment.${name}`, template, making, of);
    if (!value.ok) return value;
    making.set(name, value.value, of === "" ? placeOf(service, `environment.${name}`) : "svcd.yaml");
  }
  return null;
}

/** "vllm.yaml:12" */
function placeOf({ source, lines }: Service, key: string): string {
  const whole = key.split(".", 1)[0]!;
  return `${source.file}:${lines?.[key] ?? lines?.[whole] ?? source.line}`;
}

function addEnvFile(service: Service, making: Making, file: FoundEnvFile, optional: boolean): Problem | null {
  if (file.text === null) {
    if (optional && file.missing) return null;
    const fix = file.missing ? `write the file, or "?${file.path}" if it may be missing` : "let svcd read the file";
    return problem(service, "env_file", { what: `cannot read ${file.path}: ${file.why}`, fix });
  }
  const read = parseEnvFile(file.text, making.lookup);
  if (!read.ok) {
    const first = read.flaws[0]!;
    const more = read.flaws.length > 1 ? ` (and ${read.flaws.length - 1} more)` : "";
    return problem(service, "env_file", { what: `${file.path}:${first.line}: ${first.what}${more}`, fix: first.fix });
  }
  for (const [name, value] of read.values) making.set(name, value, file.path);
  making.miss(read.unset);
  return null;
}

/** Where these variables come from. */
const GIVEN = "gpus";

/** A box's own variables speak of all its devices, also where a file repeats them; a command is filled in with what was given. */
function giveGpus(making: Making, gpus: Lease | null): void {
  if (gpus === null) return;
  const env = making.env();
  making.setAll(gpuVariables(gpus, env), GIVEN);
  const count = gpuCount(gpus, env);
  if (env["GPU_COUNT"] !== count) making.set("GPU_COUNT", count, GIVEN);
}

function addVenv(service: Service, making: Making): Problem | null {
  if (service.venv === null) return null;
  const venv = filled(service, "venv", service.venv, making);
  if (!venv.ok) return venv;
  if (venv.value === "") return null;
  const folder = venv.value.replace(/(?<=.)\/+$/, "");
  making.set("VIRTUAL_ENV", folder, "venv");
  making.set("PATH", `${folder}/bin:${making.lookup("PATH") || "/usr/local/bin:/usr/bin:/bin"}`, "venv");
  making.remove("PYTHONHOME"); // It would take Python back out of the environment; `activate` removes it too.
  return null;
}

// --- what runs -----------------------------------------------------------------------------------------------------

export type ResolvedCheck =
  | { readonly kind: "http"; readonly url: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "exec"; readonly argv: readonly string[] }
  | { readonly kind: "log"; readonly pattern: string };

export type ResolvedSmoke =
  | {
      readonly kind: "score";
      readonly url: string;
      readonly query: string;
      readonly matching: string;
      readonly unrelated: string;
    }
  | {
      readonly kind: "http";
      readonly url: string;
      readonly method: string;
      readonly body: string | null;
      readonly expect: string | null;
    };

export type ResolvedHook =
  | { readonly kind: "command"; readonly argv: readonly string[] }
  | { readonly kind: "webhook"; readonly url: string };

/** Everything that a start needs to know, with nothing left to fill in. Empty text counts as not written. */
export interface Resolved {
  readonly argv: readonly string[];
  readonly workingDir: string | null;
  readonly user: string | null;
  readonly group: string | null;
  readonly check: ResolvedCheck | null;
  readonly smoke: ResolvedSmoke | null;
  /** For each rule of `phases` the folder (and pattern) that grows; null: it is another rule, or nothing is left of it. */
  readonly growths: readonly (string | null)[];
  readonly hooks: Readonly<Partial<Record<HookEvent, ResolvedHook>>>;
  /** Variables that were asked for without a default and are not set. */
  readonly unset: readonly string[];
}

/** `variables`: for templates only, above the environment (a recipe's). */
export function resolve(service: Service, env: Environment, variables: Environment = {}): Started<Resolved> {
  const making = new Making({ ...env, ...variables });
  const argv = argvOf(service, "command", service.command, making);
  if (!argv.ok) return argv;
  const workingDir = filledOrNull(service, "working_dir", service.workingDir, making);
  if (!workingDir.ok) return workingDir;
  const user = filledOrNull(service, "user", service.user, making);
  if (!user.ok) return user;
  const group = filledOrNull(service, "group", service.group, making);
  if (!group.ok) return group;
  const check = checkOf(service, making);
  if (!check.ok) return check;
  const smoke = smokeOf(service, check.value, making);
  if (!smoke.ok) return smoke;
  const growths: (string | null)[] = [];
  for (const { growth } of service.phases ?? []) {
    const path = filledOrNull(service, "phases", growth, making);
    if (!path.ok) return path;
    growths.push(path.value);
  }
  const hooks = hooksOf(service, making);
  if (!hooks.ok) return hooks;
  return {
    ok: true,
    value: {
      argv: argv.value,
      workingDir: workingDir.value,
      user: user.value,
      group: group.value,
      check: check.value,
      smoke: smoke.value,
      growths,
      hooks: hooks.value,
      unset: making.unset(),
    },
  };
}

function argvOf(service: Service, key: string, command: Command, making: Making): Started<readonly string[]> {
  if (command.kind === "words") {
    const argv: string[] = [];
    for (const word of command.words) {
      const text = filled(service, key, word, making);
      if (!text.ok) return text;
      argv.push(text.value);
    }
    return argv[0]!.trim() === "" ? emptyCommand(service, key, making) : { ok: true, value: argv };
  }
  const text = filled(service, key, command.text, making);
  if (!text.ok) return text;
  if (text.value.trim() === "") return emptyCommand(service, key, making);
  if (command.kind === "shell") return { ok: true, value: ["/bin/sh", "-c", text.value] };
  const words = splitWords(text.value);
  if (!words.ok)
    return problem(service, key, {
      what: `${words.flaw.what}, after the variables were filled in`,
      fix: words.flaw.fix,
    });
  return (words.value[0] ?? "") === "" ? emptyCommand(service, key, making) : { ok: true, value: words.value };
}

function emptyCommand(service: Service, key: string, making: Making): Problem {
  const unset = making.unset();
  const fix =
    unset.length > 0
      ? `set ${unset.join(", ")}, or give a default: \${${unset[0]}:-…}`
      : "begin with the name of a program";
  return problem(service, key, { what: "nothing is left to run after the variables were filled in", fix });
}

function checkOf(service: Service, making: Making): Started<ResolvedCheck | null> {
  const check = service.check;
  switch (check?.kind) {
    case undefined:
      return { ok: true, value: null };
    case "log":
      return { ok: true, value: { kind: "log", pattern: check.pattern } };
    case "exec": {
      const argv = argvOf(service, "healthcheck.exec", check.command, making);
      return argv.ok ? { ok: true, value: { kind: "exec", argv: argv.value } } : argv;
    }
    case "http": {
      const url = filled(service, "healthcheck.http", check.url, making);
      if (!url.ok) return url;
      const flaw = urlFlaw(url.value.trim());
      return flaw === null
        ? { ok: true, value: { kind: "http", url: url.value.trim() } }
        : problem(service, "healthcheck.http", flaw);
    }
    case "tcp": {
      const text = filled(service, "healthcheck.tcp", check.address, making);
      if (!text.ok) return text;
      const address = parseAddress(text.value);
      return address.ok
        ? { ok: true, value: { kind: "tcp", ...address.value } }
        : problem(service, "healthcheck.tcp", address.flaw);
    }
  }
}

function smokeOf(service: Service, check: ResolvedCheck | null, making: Making): Started<ResolvedSmoke | null> {
  const { smoke } = service;
  if (smoke === undefined) return { ok: true, value: null };
  const written = filledOrNull(service, "smoke", smoke.url, making);
  if (!written.ok) return written;
  // `${RERANKER:+http://…/score}`: not asked on this machine.
  if (smoke.url !== null && written.value === null) return { ok: true, value: null };
  // Where the file says nothing it is the server that the check asks; that there is one was checked when the file was read.
  const url = written.value?.trim() ?? (check?.kind === "http" ? new URL("/score", check.url).href : "");
  const flaw = urlFlaw(url);
  if (flaw !== null) return problem(service, "smoke", flaw);
  if (smoke.kind === "score") return { ok: true, value: { ...smoke, url } };
  const body = filledOrNull(service, "smoke", smoke.body, making);
  return body.ok ? { ok: true, value: { ...smoke, url, body: body.value } } : body;
}

function hooksOf(service: Service, making: Making): Started<Resolved["hooks"]> {
  const hooks: Partial<Record<HookEvent, ResolvedHook>> = {};
  for (const event of ["failed", "healthy", "stopped", "idle"] as const) {
    const hook = service.on[event];
    if (hook === undefined) continue;
    const key = `on.${event}`;
    const text = hook.kind === "webhook" ? hook.url : hook.command.kind === "text" ? hook.command.text : null;
    if (text === null) {
      const argv = argvOf(service, key, (hook as { command: Command }).command, making);
      if (!argv.ok) return argv;
      hooks[event] = { kind: "command", argv: argv.value };
      continue;
    }
    const written = filled(service, key, text, making);
    if (!written.ok) return written;
    if (written.value.trim() === "") continue; // `${WEBHOOK:-}`: none on this machine.
    if (isWebhook(written.value)) {
      const flaw = urlFlaw(written.value.trim());
      if (flaw !== null) return problem(service, key, flaw);
      hooks[event] = { kind: "webhook", url: written.value.trim() };
      continue;
    }
    const words = splitWords(written.value);
    if (!words.ok) return problem(service, key, words.flaw);
    hooks[event] = { kind: "command", argv: words.value };
  }
  return { ok: true, value: hooks };
}

// --- filling in ------------------------------------------------------------------------------------------------------

type Problem = { readonly ok: false; readonly problem: StartProblem };

function filled(service: Service, key: string, template: Template, making: Making, of = ""): Started<string> {
  const result = interpolate(template, making.lookup);
  if (!result.ok) return problem(service, key, result.flaw, of);
  making.miss(result.value.unset);
  return { ok: true, value: result.value.text };
}

function filledOrNull(
  service: Service,
  key: string,
  template: Template | null,
  making: Making,
): Started<string | null> {
  if (template === null) return { ok: true, value: null };
  const text = filled(service, key, template, making);
  return text.ok && text.value.trim() === "" ? { ok: true, value: null } : text;
}

function problem(service: Service, key: string, flaw: Flaw, of = ""): Problem {
  const { file, line } = service.source;
  const whole = key.split(".", 1)[0]!;
  return {
    ok: false,
    problem: {
      key,
      file,
      line: service.lines?.[key] ?? service.lines?.[whole] ?? line,
      what: `\`${key}\`${of}: ${flaw.what}`,
      fix: flaw.fix,
    },
  };
}
