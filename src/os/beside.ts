/**
 * What runs beside a service or a job and for it: its hooks and notifications, in its own environment, folder and user. It must
 * work when the service itself does not, so what may be wrong there (the command, a check, the folder) is left out or replaced.
 */
import type { ResolvedHook } from "../plan/environment.ts";
import type { Service } from "../plan/plan.ts";
import { redactor } from "../plan/secrets.ts";
import { formatDuration } from "../plan/units.ts";
import type { Launch, Prepared } from "../ports.ts";
import { type CommandEnd, runBounded } from "./bounded-command.ts";
import { type OnDone, soon } from "./errands.ts";
import { plainText } from "./last-lines.ts";
import type { LinuxLauncher, Setting } from "./launcher.ts";

export interface BesideOptions {
  readonly launcher: Pick<LinuxLauncher, "setting" | "beside" | "explainRefusal">;
  /** Where commands run whose service has no usable folder. */
  readonly rootDir: string;
  readonly commandMs: number;
}

/** A hook with everything filled in, and how to carry out what it asks for. */
export interface Filled {
  /** null: it became empty when its variables were filled in. */
  readonly hook: ResolvedHook | null;
  readonly env: Launch["env"];
  /** As whom it runs; null: as svcd does. */
  readonly user: string | null;
  /** Runs a command in the setting of the service. Answers later, never while this runs. */
  run(command: BesideCommand, onDone: OnDone): () => void;
  /** Without the values of variables that are secrets. */
  masked(text: string): string;
}

export interface BesideCommand {
  readonly argv: readonly string[];
  readonly variables?: Launch["env"];
  readonly stdin?: string;
}

const KEPT_OUTPUT = 4096;

export type FilledAnswer =
  | { readonly ok: true; readonly filled: Filled }
  | { readonly ok: false; readonly cause: string };

/** `hook: null`: none is asked for, only the setting is. */
export function fillIn(service: Service, hook: Service["on"] | null, options: BesideOptions): FilledAnswer {
  const plain = withOnlyThis(service, hook);
  const answer = options.launcher.setting(plain);
  if (!answer.ok) return { ok: false, cause: answer.cause };
  const { setting } = answer;
  const { env, resolved } = setting;
  const masked = redactor(env);
  return {
    ok: true,
    filled: {
      hook: Object.values(resolved.hooks)[0] ?? null,
      env,
      user: resolved.user,
      masked,
      run: (command, onDone) => run(plain, setting, command, options, (failure) => onDone(failure && masked(failure))),
    },
  };
}

function withOnlyThis(service: Service, hook: Service["on"] | null): Service {
  return { ...service, command: { kind: "words", words: ["true"] }, check: null, on: hook ?? {} };
}

function run(
  service: Service,
  setting: Setting,
  { argv, variables, stdin }: BesideCommand,
  { launcher, rootDir, commandMs }: BesideOptions,
  onDone: OnDone,
): () => void {
  const prepare = (cwd: string): Prepared => launcher.beside(service, { ...setting, cwd }, argv, variables);
  const prepared = prepare(setting.cwd);
  // A folder that is gone may be the very thing to tell somebody about.
  const isFolder = prepared.kind === "refusal" && prepared.cause.startsWith("working_dir ");
  const launchable = isFolder ? prepare(rootDir) : prepared;
  if (launchable.kind === "refusal") return soon(() => onDone(launchable.cause));
  const launch = stdin === undefined ? launchable.launch : { ...launchable.launch, stdin };
  return runBounded(launch, { timeoutMs: commandMs, keepBytes: KEPT_OUTPUT }, (end) => {
    const { how } = end;
    const refused = how.kind === "refused" ? launcher.explainRefusal(launch, how.code, how.message).cause : null;
    onDone(refused ?? failureOf(end, commandMs));
  });
}

function failureOf({ how, output }: CommandEnd, limitMs: number): string | null {
  const said = output
    .toString("utf8")
    .split("\n")
    .map(plainText)
    .findLast((line) => line.trim() !== "");
  const ending = said === undefined ? "" : `: ${said.trim()}`;
  switch (how.kind) {
    case "code":
      return how.code === 0 ? null : `exit ${how.code}${ending}`;
    case "signal":
      return `killed by ${how.signal}${ending}`;
    case "timeout":
      return `not done within ${formatDuration(limitMs)}, so it was killed${ending}`;
    case "refused":
      return how.message;
  }
}
