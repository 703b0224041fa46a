/**
 * Idleness as the control API asks it, and as svcd carries it out: which services and whether the machine have a rule, what counts as
 * work, what is done. Wiring, as in `local-daemon.ts`.
 */
import type { IdleOverview, IdleReport } from "./control/daemon.ts";
import type { Idleness } from "./idle/idle.ts";
import type { IdleRule } from "./idle/rule.ts";
import type { IdleNews } from "./idle/watch.ts";
import { IdleKeeper, type IdleOptions, type Idler } from "./os/idle-keeper.ts";
import type { LinuxLauncher } from "./os/launcher.ts";
import { interpolate } from "./plan/interpolate.ts";
import type { Hook, Service, Template } from "./plan/plan.ts";
import { redactor, secretArguments } from "./plan/secrets.ts";
import { bareProgram } from "./plan/service-of.ts";
import { formatDuration } from "./plan/units.ts";
import { quoteWord } from "./plan/words.ts";
import { type HookFacts, OperatorError } from "./ports.ts";
import type { Instant } from "./service/life.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";

export interface LocalIdleOptions {
  readonly supervisor: Supervisor;
  readonly launcher: LinuxLauncher;
  /** `idle:` of svcd.yaml as it is now. */
  readonly machineRule: () => IdleRule | undefined;
  readonly boot: string;
  readonly awakeFile: string;
  readonly now: () => Instant;
  readonly runHook: (hook: Hook, facts: HookFacts) => void;
  readonly announce: (text: string) => void;
  readonly sourcesFor?: IdleOptions["sourcesFor"];
}

export class LocalIdle {
  readonly #options: LocalIdleOptions;
  readonly #upSince: Instant;
  readonly #machine: Service;
  readonly keeper: IdleKeeper;

  constructor(options: LocalIdleOptions) {
    this.#options = options;
    this.#upSince = options.now();
    this.#machine = machineAsService();
    const { now, boot, awakeFile, sourcesFor } = options;
    this.keeper = new IdleKeeper({
      ...{ now, boot, awakeFile },
      ...(sourcesFor === undefined ? {} : { sourcesFor }),
      idlers: () => this.#idlers(),
      work: () => this.#work(),
      filled: (name, template) => this.#filled(name, template),
      onNews: (news) => this.#carryOut(news),
    });
  }

  overview(): IdleOverview {
    const { awakeUntil } = this.keeper;
    const idle = this.#idlers().flatMap(({ name }) => {
      const known = this.keeper.of(name);
      return known === undefined ? [] : [this.#report(name, known)];
    });
    return { awakeUntil: awakeUntil === null ? null : this.#wall(awakeUntil), idle };
  }

  /** Of a service, for `why`: a line each. */
  linesOf(name: string): string[] {
    const known = this.keeper.of(name);
    const member = this.#options.supervisor.members.get(name);
    const rule = member?.service.idle;
    if (rule === undefined || member?.life.state.at !== "running") return [];
    if (known === undefined)
      return [
        `nothing has been looked at yet; rule: ${this.#actionOf(name, rule)} after ${formatDuration(rule.afterMs)}`,
      ];
    const { idleness } = known;
    return [this.#sentence(name, rule, idleness), ...idleness.readings.map(({ source, what }) => `${source}: ${what}`)];
  }

  /** What is less than half of its time, or five minutes, away. */
  countdowns(): string[] {
    const now = this.#options.now();
    return this.#idlers().flatMap(({ name, rule }) => {
      const idleness = this.keeper.of(name)?.idleness;
      if (idleness?.dueAt == null || idleness.dueAt - now > rule.afterMs / 2) return [];
      return [`${name ?? "this machine"}: ${this.#sentence(name, rule, idleness)}; svctl keep-awake 2h puts it off`];
    });
  }

  keepAwake(ms: number): void {
    const { announce, awakeFile } = this.#options;
    announce(
      ms === 0 ? "keep-awake: no longer" : `keep-awake: nothing is done to what is idle for ${formatDuration(ms)}`,
    );
    try {
      this.keeper.keepAwake(ms);
    } catch (error) {
      const what = `kept awake now, but forgotten when svcd's core ends: ${(error as Error).message}`;
      throw new OperatorError(what, awakeFile, "make room on that disk, or make the directory writable for svcd");
    }
  }

  #idlers(): Idler[] {
    const { supervisor, machineRule } = this.#options;
    const services = [...supervisor.members.values()].flatMap(({ service, life }): Idler[] => {
      const { state } = life;
      if (service.idle === undefined || state.at !== "running" || life.wanted === "down") return [];
      const sourcesKey = `${state.run} ${service.expose !== undefined} ${JSON.stringify(life.gpus ?? null)}`;
      return [{ name: service.name, rule: service.idle, upSince: life.since, sourcesKey }];
    });
    const rule = machineRule();
    if (rule === undefined || supervisor.isShuttingDown) return services;
    return [...services, { name: null, rule, upSince: this.#upSince, sourcesKey: "" }];
  }

  /** A model that loads, a download and a job are use of the machine, whoever waits for them. */
  #work(): string[] {
    const { supervisor } = this.#options;
    const services = [...supervisor.members.values()].flatMap(({ service, life }) => {
      const { at } = life.state;
      if (at === "starting") return [`${service.name} is starting`];
      return at === "running" && service.policy.restart !== "always" ? [`${service.name} runs`] : [];
    });
    return [...services, ...supervisor.runningJobs().map((name) => `job ${name} runs`)];
  }

  #carryOut({ subject, what, why }: IdleNews): void {
    const { supervisor, announce, runHook } = this.#options;
    const { name, rule } = subject;
    const action = this.#actionOf(name, rule);
    if (what === "soon") return announce(`idle: ${why}; soon: ${action}`);
    if (what === "back") return announce(`idle: ${name ?? "this machine"} is used again`);
    if (rule.dryRun) return announce(`idle (dry run): ${why}; without dry_run now: ${action}`);
    announce(`idle: ${why}; now: ${action}`);
    if (rule.action.do === "stop") {
      if (name !== null) supervisor.stopIdle(name, why);
      return;
    }
    const service = name === null ? this.#machine : supervisor.members.get(name)?.service;
    if (service === undefined) return;
    runHook(rule.action.hook, {
      service,
      what: "idle",
      why,
      run: supervisor.members.get(name ?? "")?.life.lastRun ?? 0,
    });
  }

  #report(name: string | null, { idleness, rule }: { idleness: Idleness; rule: IdleRule }): IdleReport {
    return {
      service: name,
      afterMs: rule.afterMs,
      action: this.#actionOf(name, rule),
      dryRun: rule.dryRun,
      quietSince: this.#wall(idleness.quietSince),
      dueAt: idleness.dueAt === null ? null : this.#wall(idleness.dueAt),
      heldBy: idleness.heldBy,
      sources: idleness.readings.map(({ source, what }) => ({ source, what })),
    };
  }

  /** "nobody has used it for 16m; in 4m: stop" */
  #sentence(name: string | null, rule: IdleRule, { quietSince, dueAt, heldBy }: Idleness): string {
    const now = this.#options.now();
    const quiet = `nobody has used it for ${minutes(now - quietSince)}`;
    const action = this.#actionOf(name, rule);
    if (dueAt === null) return `${quiet}; not counted: ${heldBy}`;
    if (dueAt > now) return `${quiet}; in ${minutes(dueAt - now)}: ${action}${rule.dryRun ? " (dry run)" : ""}`;
    return rule.dryRun ? `${quiet}; dry run, would be done: ${action}` : `${quiet}; done: ${action}`;
  }

  #actionOf(name: string | null, { action }: IdleRule): string {
    if (action.do === "stop") return "stop";
    const { hook } = action;
    if (hook.kind === "webhook") return "its webhook is told";
    const { command } = hook;
    const written = command.kind === "words" ? command.words.map(quoteWord).join(" ") : command.text;
    const text = this.#filled(name, written) ?? written;
    return `run ${redactor(this.#envOf(name) ?? {}, secretArguments(text.split(/\s+/)))(text)}`;
  }

  #filled(name: string | null, template: Template): string | null {
    const env = this.#envOf(name);
    if (env === null) return null;
    const filled = interpolate(template, (key) => (Object.hasOwn(env, key) ? env[key] : undefined));
    return filled.ok && filled.value.text.trim() !== "" ? filled.value.text.trim() : null;
  }

  #envOf(name: string | null): Readonly<Record<string, string>> | null {
    const service = name === null ? this.#machine : this.#options.supervisor.members.get(name)?.service;
    const answer = service === undefined ? null : this.#options.launcher.setting(service);
    return answer?.ok ? answer.setting.env : null;
  }

  #wall(at: Instant): string {
    return new Date(Date.now() + (at - this.#options.now())).toISOString();
  }
}

/** The command of the machine's rule runs in svcd's own surroundings, as a hook of a service does in the service's. */
function machineAsService(): Service {
  const source = { file: "svcd.yaml", line: 1, column: 1 };
  return bareProgram({ name: "svcd", group: "svcd", source, lines: {} }, { kind: "words", words: ["true"] });
}

/** A countdown of seconds only at its end. */
function minutes(ms: number): string {
  return formatDuration(ms < 120_000 ? Math.round(ms / 1000) * 1000 : Math.round(ms / 60_000) * 60_000);
}
