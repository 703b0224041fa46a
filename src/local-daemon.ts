/**
 * The daemon as the control API asks it: the supervisor's answers, the files' plan, and what the system knows beside them
 * (logs, evidence, facts of processes). Wiring: it decides nothing.
 */
import type { Daemon, ExposedRoute, HealthReport, LaunchReport, ServiceDetail, WhyReport } from "./control/daemon.ts";
import type { EventLog } from "./control/event-log.ts";
import { gpuReport } from "./gpu/report.ts";
import type { ContainmentFacts, LogPosition, StreamName } from "./keeper/messages.ts";
import type { LocalIdle } from "./local-idle.ts";
import { localJobs } from "./local-jobs.ts";
import { evidenceOf } from "./os/evidence.ts";
import type { LinuxGpus } from "./os/gpus.ts";
import { type KeeperClient, logsOf } from "./os/keeper-client.ts";
import type { LogMark } from "./os/log-lines.ts";
import { machineReport } from "./os/machine-report.ts";
import { heldUp, processFacts } from "./os/process-facts.ts";
import type { RunStarts } from "./os/run-starts.ts";
import { ServiceUsages } from "./os/service-usage.ts";
import { diffServices } from "./plan/diff.ts";
import type { Exposure, ResolvedExposure } from "./plan/expose.ts";
import type { Reading } from "./plan/flaw.ts";
import type { Plan, Service } from "./plan/plan.ts";
import { baseName } from "./plan/references.ts";
import { masked } from "./plan/secrets.ts";
import type { Signal } from "./service/policy.ts";
import type { Action, ActionResult, PlanReport, ServiceStatus } from "./supervisor/answers.ts";
import { isMet } from "./supervisor/dependencies.ts";
import type { Supervised } from "./supervisor/loop.ts";
import type { Supervisor } from "./supervisor/supervisor.ts";
import { describeEnd } from "./supervisor/wording.ts";

export interface LocalDaemonOptions {
  readonly supervisor: Supervisor;
  readonly keeper: KeeperClient;
  readonly events: EventLog;
  readonly gpus: Pick<LinuxGpus, "refresh">;
  readonly version: string;
  readonly keeperPid: number;
  readonly containment: ContainmentFacts;
  /** When the keeper started, ISO 8601. */
  readonly since: string;
  readonly logDir: string;
  /** What svcd itself cannot do now. */
  readonly troubles: () => readonly string[];
  readonly idle: LocalIdle;
  /** Reads the files now. */
  readonly readPlan: () => Promise<Plan>;
  /** How it would be started now. */
  readonly launchOf: (service: Service) => LaunchReport;
  /** The same as if this file held this text; null: it is none that is read. */
  readonly readPlanWith: (file: string, text: string) => Promise<Plan | null>;
  readonly runStarts: RunStarts;
  /** Where services, state and logs are. */
  readonly diskPaths: readonly string[];
  /** Where its next run would run; null: it cannot be said. */
  readonly workingDirOf: (service: Service) => string | null;
  /** With the environment that its next run would get. */
  readonly resolveExposure: (service: Service, exposure: Exposure) => Reading<ResolvedExposure>;
  /** How many processes the kernel killed for want of memory during the last run of a service that ended. */
  readonly oomKillsDuring: (service: string) => number;
  /** Where the output of this run begins in its logs; null: not known any more. */
  readonly beginningOf: (service: string, run: number, stream: StreamName) => LogMark | null;
  /** To everybody who listens, and in svcd's own log. */
  readonly announce: (text: string) => void;
}

/** Lines of output in an answer to "why". */
const LAST_LINES = 20;

export function localDaemon(options: LocalDaemonOptions): Daemon {
  const { supervisor, keeper, events } = options;
  const usages = new ServiceUsages();
  return {
    ...localJobs({ supervisor, keeper, logDir: options.logDir }),
    health: () => health(options),
    services: () => supervisor.statuses(),
    service: (name) => detail(options, name),
    select: (words) => supervisor.select(words),
    routes: () =>
      [...supervisor.members.values()].flatMap(({ service, life }) => {
        // What this machine does not want has no door either.
        const isWanted = life.state.at !== "skipped" && supervisor.status(service.name)?.enabled !== false;
        return isWanted ? routesOf(options, service) : [];
      }),
    act: (action: Action, names) => supervisor.act(action, names),
    signal: (names, signal) => supervisor.signal(names, signal as Signal),
    setEnabled: (names, enabled) => supervisor.setEnabled(names, enabled),
    why: (name) => whyOf(options, name),
    launch: (name) => {
      const member = supervisor.members.get(name);
      return member === undefined ? null : options.launchOf(member.service);
    },
    plan: async () => supervisor.preview(await options.readPlan()),
    planWith: async (file, text) => {
      const plan = await options.readPlanWith(file, text);
      return plan === null ? null : supervisor.preview(plan);
    },
    apply: (names) => apply(options, names),
    remove: (names) => supervisor.setAside(names),
    clearLogs: (names) => names.map((name) => clearLog(options, name)),
    idle: () => options.idle.overview(),
    keepAwake: (ms) => options.idle.keepAwake(ms),
    shutdown: () => supervisor.shutdown(),
    restartCore: () => {
      options.announce("upgrade: the installed core takes over from this one; services go on");
      // The answer, and the word to whoever listens, must be out before the core is gone.
      setTimeout(() => keeper.again(() => process.exit(0)), 50);
    },
    eventsSince: (id) => events.since(id),
    lastEventId: () => events.lastId(),
    oldestEventId: () => events.oldestId(),
    subscribe: (listener) => events.subscribe(listener),
    log: (name, stream) => logPosition(options, name, stream),
    followLog: (name, stream, onGrown) => followLog(options, name, stream, onGrown),
    runStarts: (name) => (supervisor.members.has(name) ? options.runStarts.of(name) : null),
    usage: () =>
      usages.of(supervisor.statuses().flatMap(({ name, run, pid }) => (pid === null ? [] : [{ name, run, pid }]))),
    machine: () => machineReport(options.diskPaths),
    processFacts,
    gpus: async (withinMs) => gpuReport(await options.gpus.refresh(withinMs), supervisor.gpusHeld(), isoAt),
  };
}

/** Of a moment of CLOCK_MONOTONIC. */
function isoAt(at: number): string {
  return new Date(Date.now() - (Number(process.hrtime.bigint() / 1_000_000n) - at)).toISOString();
}

function clearLog({ supervisor, keeper }: LocalDaemonOptions, name: string): ActionResult {
  const member = supervisor.members.get(name);
  const runBefore = member?.life.lastRun ?? 0;
  if (member === undefined || member.service.logs === null) {
    return { name, outcome: "refused", what: "has no log (logs: none)", runBefore };
  }
  keeper.clear(name);
  return { name, outcome: "done", what: "cleared", runBefore };
}

function health({
  supervisor,
  version,
  keeperPid,
  since,
  containment,
  troubles,
  idle,
}: LocalDaemonOptions): HealthReport {
  return {
    status: supervisor.isShuttingDown ? "stopping" : "ok",
    version,
    keeper: keeperPid,
    core: process.pid,
    since,
    services: supervisor.members.size,
    jobs: supervisor.jobCount,
    mistakes: supervisor.plan?.mistakes.length ?? 0,
    containment,
    troubles: troubles(),
    countdowns: idle.countdowns(),
  };
}

async function apply(
  { supervisor, events, readPlan, idle }: LocalDaemonOptions,
  names: readonly string[] | null,
): Promise<PlanReport> {
  const plan = supervisor.apply(await readPlan(), names, "person");
  idle.keeper.wake();
  events.add({ type: "plan", at: new Date().toISOString(), plan });
  return plan;
}

function detail({ supervisor, logDir }: LocalDaemonOptions, name: string): ServiceDetail | null {
  const member = supervisor.members.get(name);
  const status = supervisor.status(name);
  if (member === undefined || status === null) return null;
  const logs = logsOf(member.service, logDir);
  const stderr = logs.stderr === "stdout" ? logs.stdout : logs.stderr;
  return {
    status,
    dependsOn: member.service.dependsOn.map((dependency) => {
      const { name: other, condition } = dependency;
      const needed = supervisor.members.get(other);
      return { name: other, condition, met: needed !== undefined && isMet(dependency, needed) };
    }),
    neededBy: supervisor.neededBy(name),
    logs: { stdout: logs.stdout?.path ?? null, stderr: stderr?.path ?? null },
    definition: masked(member.service),
  };
}

function routesOf({ resolveExposure }: LocalDaemonOptions, service: Service): ExposedRoute[] {
  const { name, source, lines } = service;
  const file = { path: source.file, line: lines?.["expose"] ?? source.line };
  return (service.expose ?? []).map((exposure): ExposedRoute => {
    const resolved = resolveExposure(service, exposure);
    const known = { service: name, of: baseName(name), file };
    if (resolved.ok) return { ...known, exposure: resolved.value, problem: null };
    const { what, fix } = resolved.flaw;
    return { ...known, exposure: null, problem: { what, fix } };
  });
}

/** Where the log stands: from the keeper if it is followed, else from the file itself. */
function logPosition(options: LocalDaemonOptions, name: string, stream: StreamName): LogPosition | null {
  const { supervisor, keeper, logDir } = options;
  const member = supervisor.members.get(name);
  if (member === undefined) return null;
  const logs = logsOf(member.service, logDir);
  const kept = logs.stderr === "stdout" ? "stdout" : stream;
  const settings = kept === "stdout" || logs.stderr === "stdout" ? logs.stdout : logs.stderr;
  return settings === null ? null : keeper.positionOf(name, kept, settings.path);
}

function followLog(
  options: LocalDaemonOptions,
  name: string,
  stream: StreamName,
  onGrown: (position: LogPosition) => void,
): () => void {
  const stands = logPosition(options, name, stream);
  // The keeper tells of logs that it has opened; one of a service that never ran stands all the same.
  if (stands !== null) setImmediate(onGrown, stands);
  return options.keeper.follow(name, stands?.stream ?? stream, onGrown);
}

async function whyOf(options: LocalDaemonOptions, name: string): Promise<WhyReport | null> {
  const { supervisor, logDir } = options;
  const member = supervisor.members.get(name);
  const status = supervisor.status(name);
  if (member === undefined || status === null) return null;
  const { service, life, good, lastProcess } = member;
  const { stdout, stderr } = logsOf(service, logDir);
  const logPaths = [stdout, stderr === "stdout" ? null : stderr].flatMap((log) => (log === null ? [] : [log.path]));
  const evidence = await evidenceOf({
    service: name,
    end: life.lastEnd,
    logPaths,
    lines: LAST_LINES,
    pid: lastProcess !== null && lastProcess.run === life.lastEnd?.run ? lastProcess.pid : null,
    workingDir: options.workingDirOf(service),
    oomKills: options.oomKillsDuring(name),
    isServer: service.policy.restart === "always" && life.restarts > 0,
    nextBegan: nextBeganOf(options, member, stdout?.path ?? null, stderr),
  });
  const changes = good === null ? null : diffServices(good.service, service);
  const { lastEnd, state } = life;
  const held = status.pid === null ? null : heldUp(status.pid);
  const letGoOn = held?.letsItGoOn ? [`let it go on: svctl signal ${held.letsItGoOn} ${name}`] : [];
  const wallNow = Date.now();
  const endedAt = lastEnd === null ? 0 : wallNow - (Number(process.hrtime.bigint() / 1_000_000n) - lastEnd.at);
  return {
    status: held === null ? status : { ...status, why: `${status.why}; ${held.how}` },
    lastEnd: lastEnd && {
      run: lastEnd.run,
      how: describeEnd(lastEnd),
      at: new Date(endedAt).toISOString(),
      upMs: Math.round(lastEnd.upMs),
      evidence: evidence.facts,
    },
    lastLines: evidence.lastLines,
    waitsFor: state.at === "waiting" ? state.blockers : [],
    idle: options.idle.linesOf(name),
    changedSinceGood: changes?.details.map(({ field, before, after }) => `${field}: ${before} → ${after}`) ?? [],
    next: status.next,
    advice: [...letGoOn, ...evidence.advice, ...adviceFor(status)],
  };
}

/** Where the run after the one that ended last begins: what stands before is that one's. */
function nextBeganOf(
  { beginningOf }: LocalDaemonOptions,
  { service, life }: Readonly<Supervised>,
  stdout: string | null,
  stderr: "stdout" | { readonly path: string } | null,
): Record<string, LogMark> {
  if (life.lastEnd === null || life.lastRun <= life.lastEnd.run) return {};
  const marks: Record<string, LogMark> = {};
  for (const [stream, path] of [
    ["stdout", stdout],
    ["stderr", stderr === "stdout" ? null : (stderr?.path ?? null)],
  ] as const) {
    const mark = path === null ? null : beginningOf(service.name, life.lastRun, stream);
    if (path !== null && mark !== null && mark.inode !== 0) marks[path] = mark;
  }
  return marks;
}

function adviceFor({ name, state, file, enabled }: ServiceStatus): string[] {
  const advice: string[] = [];
  if (file.note !== null) advice.push(`mend the file: svctl plan shows every mistake of ${file.path}`);
  if (state === "FATAL") advice.push(`mend the cause, then: svctl start ${name}`);
  if (state === "BACKOFF") advice.push(`read the log: svctl logs ${name}; to try at once: svctl restart ${name}`);
  if (state === "WAITING")
    advice.push(`look at what it waits for: svctl why ${name} names it, svctl why on that leads on`);
  if (state === "STOPPED") advice.push(enabled ? `svctl start ${name}` : `svctl enable ${name}`);
  if (state === "STARTING") advice.push(`watch it: svctl logs -f ${name}`);
  return advice;
}
