/**
 * The core's wiring: takes over from the last core, reads the files, answers on the socket. May be killed at any moment;
 * the keeper starts the next one.
 *
 * Order matters for speed: what is wanted starts first, then the control socket, then everything that can wait (watching,
 * svcd's own log).
 */
import { chmodSync, chownSync, existsSync, readFileSync, write } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { BEAT_MS, toBeat } from "./beat.ts";
import { EventLog } from "./control/event-log.ts";
import { createControlServer, roomFor } from "./control/server.ts";
import type { StreamName } from "./keeper/messages.ts";
import { localDaemon } from "./local-daemon.ts";
import { LocalIdle } from "./local-idle.ts";
import { runEvent } from "./local-jobs.ts";
import { accountOf, groupIdOf } from "./os/accounts.ts";
import { ConfigDirectory, type ConfigSnapshot } from "./os/config-directory.ts";
import { GATEWAY_ACTIVITY_FILE, GatewayActivity } from "./os/gateway-activity.ts";
import type { MainProcess } from "./os/gpu-holders.ts";
import { GpuUse } from "./os/gpu-use.ts";
import { LinuxGpus } from "./os/gpus.ts";
import { LinuxHooks } from "./os/hooks.ts";
import { LinuxJobHistory } from "./os/job-history.ts";
import { type Hello, KeeperClient, type KeeperReport } from "./os/keeper-client.ts";
import { LogLastWords } from "./os/last-words.ts";
import { launchReport } from "./os/launch-report.ts";
import { LinuxLauncher } from "./os/launcher.ts";
import { LinuxNotifier } from "./os/notifier.ts";
import { OomWitness } from "./os/oom-witness.ts";
import { openFiles } from "./os/open-files.ts";
import { PlanSource, thisMachine, withText } from "./os/plan-source.ts";
import { LinuxProber } from "./os/prober.ts";
import { RunStarts } from "./os/run-starts.ts";
import { LinuxRunUsages } from "./os/run-usage.ts";
import { LinuxStarts } from "./os/start-watch.ts";
import { StateJournal } from "./os/state-journal.ts";
import { SvcdLog } from "./os/svcd-log.ts";
import { SystemClock } from "./os/system-clock.ts";
import { troublesOf } from "./os/troubles.ts";
import { WishStore } from "./os/wish-store.ts";
import { giveBackIfGrown, giveBackMemory } from "./own-memory.ts";
import { goFirst } from "./own-priority.ts";
import { places } from "./places.ts";
import { resolveExposure } from "./plan/expose.ts";
import { formatMistake } from "./plan/mistake.ts";
import type { Plan } from "./plan/plan.ts";
import type { Inherited, JobPorts, News } from "./ports.ts";
import type { RunRecord } from "./schedule/run-record.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { stateWord } from "./supervisor/wording.ts";

declare const SVCD_VERSION: string | undefined;
const version = typeof SVCD_VERSION === "string" ? SVCD_VERSION : "dev";

/** The channel to the keeper. */
const KEEPER_FD = 3;
const SOCKET_AGAIN_MS = 1_000;
/** All is read, started and watched; whoever still waits for something notices a pause of 35 ms least now. */
const GIVE_BACK_MEMORY_AFTER_MS = 1_500;
/**
 * `when:` looks at the machine, which tells nobody when it changes. Only while somebody is SKIPPED, and more rarely the longer
 * nothing has changed: idle is idle, and whoever puts right what is missing does it soon, or notices no half minute.
 */
const RECHECK_CONDITIONS_MS = { first: 2_000, shareOfQuiet: 0.1 };
/** Full disks tell nobody when there is room again. At rest on the beat only. */
const LOOK_AGAIN_IN_TROUBLE_MS = 2_000;

const root = process.argv[2] === "--root" ? (process.argv[3] ?? null) : null;
const where = places({ root, env: process.env, uid: process.getuid?.() ?? 0, exists: existsSync });
const log = new SvcdLog({ file: join(where.log, "svcd.log") });
const say = (line: string): void => log.info(line);

const keeper = new KeeperClient(KEEPER_FD, where.log, {
  hello: (hello) => takeOver(hello),
  // Without its keeper a core can supervise nothing; the next svcd adopts what runs.
  gone: () => process.exit(1),
});

// Services must outlive whatever goes wrong in here; the keeper starts the next core at once.
process.on("uncaughtException", crash);
// The keeper decides when svcd ends; a signal to the whole process group must not take the core away from under it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {});

/** sysexits(3): 70 is a software error. */
function crash(error: unknown): void {
  // A terminal that is stopped must not keep the core from ending.
  write(2, `svcd: a bug in the core: ${error instanceof Error ? error.stack : error}\n`, () => process.exit(70));
  setTimeout(() => process.exit(70), 200);
}

/** Answers with who hears the keeper from now on. */
function takeOver(hello: Hello): (report: KeeperReport) => void {
  const journal = new StateJournal(join(where.run, "core.journal"), hello.bootId, say);
  const wishes = new WishStore(join(where.state, "wishes.json"), hello.bootId, say);
  const events = new EventLog(`${Date.now().toString(36)}.${process.pid.toString(36)}`);
  const oom = new OomWitness();
  const memory = journal.memory();
  const filesInUse = (): string[] => {
    const members = [...supervisor.written()];
    // Before anything is taken over, what the last core ran.
    const before = [...memory.services.values(), ...memory.jobDefinitions.values()];
    return (members.length > 0 ? members : before).map(({ source: { file } }) => file);
  };
  const { services, cron, settings } = where;
  const files = { services, cron, settings };
  const known = memory.settings;
  const planOptions = { ...files, env: process.env, machine: thisMachine(), filesInUse };
  const source = new PlanSource({ ...planOptions, known });
  const directory = new ConfigDirectory({
    ...files,
    onChange: (snapshot) => whenFilesChanged(snapshot),
    say,
  });
  const launcher = new LinuxLauncher({
    env: process.env,
    rootDir: root ?? dirname(where.services),
    runDir: where.run,
    tagsRuns: hello.containment.way !== "cgroup",
    templateDir: join(import.meta.dirname, "..", "recipes"),
    warn: (service, warning) => log.warn(`${service}: ${warning}`),
    daemonEnvironment: () => source.settings?.environment ?? {},
    marks: root === null ? {} : { SVCD_ROOT: root },
    gpusOf: (service) => supervisor.gpusOf(service),
  });
  goFirst(); // The launcher has seen by now what services inherit.
  const logPath = (service: string, stream: StreamName): string =>
    join(where.log, stream === "stdout" ? `${service}.log` : `${service}.stderr.log`);
  const runStarts = new RunStarts();
  const prober = new LinuxProber({
    launcher,
    logPath,
    followLog: (service, stream, onGrown) => keeper.follow(service, stream, onGrown),
    onResult: (service, run, result) => supervisor.probed(service, run, result),
    marksFile: join(where.run, "log-marks.json"),
    onBegan: ({ name, logs }, run) => {
      if (logs === null) return;
      const { position } = keeper.positionOf(name, "stdout", logPath(name, "stdout"));
      runStarts.note(name, { run, at: new Date().toISOString(), position });
    },
  });
  const starts = new LinuxStarts({
    launcher,
    logPath,
    followLog: (service, stream, onGrown) => keeper.follow(service, stream, onGrown),
    onWord: (service, run, word) => supervisor.progressed(service, run, word),
    marksFile: join(where.run, "start-marks.json"),
    stateDir: where.state,
    say: (line) => log.warn(line),
  });
  const clock = new SystemClock(() => supervisor.tick());
  const gpus = new LinuxGpus({
    env: process.env,
    runDir: where.run,
    mains: () => mainProcesses(supervisor),
    onSeen: () => supervisor.gpusSeen(),
    now: () => clock.now(),
  });
  const hooks = new LinuxHooks({ launcher, hostname: hostname(), rootDir: root ?? dirname(where.services), say });
  const history = new LinuxJobHistory({
    stateDir: where.state,
    logDir: where.log,
    say,
    keepOf: (job) => supervisor.jobDefinition(job)?.keep ?? null,
  });
  const notifier = new LinuxNotifier({
    launcher,
    hostname: hostname(),
    rootDir: root ?? dirname(where.services),
    logDir: where.log,
    user: accountOf(String(process.geteuid?.() ?? 0))?.name ?? "root",
    say,
  });
  const usages = new LinuxRunUsages();
  for (const live of hello.live) usages.began(live);
  for (const { service, cpuMs } of hello.ended) usages.ended(service, cpuMs ?? null);
  const jobs: JobPorts = {
    history,
    notifier,
    launcher,
    usages,
    boot: hello.bootId,
    host: hostname(),
  };
  const supervisor = new Supervisor(
    {
      clock,
      chance: { next: () => Math.random() },
      processes: keeper,
      launcher,
      prober,
      starts,
      journal,
      wishes,
      hooks,
      announcer: { announce: (news) => announce(news) },
      lastWords: new LogLastWords(where.log),
      jobs,
      gpus,
    },
    // Half a decision must not be gone on with, whoever asked for it: this core ends, and the next one takes over.
    (error) => setImmediate(() => crash(error)),
  );

  const idle = new LocalIdle({
    supervisor,
    launcher,
    machineRule: () => source.settings?.idle,
    boot: hello.bootId,
    awakeFile: join(where.run, "keep-awake.json"),
    now: () => clock.now(),
    runHook: (hook, facts) => hooks.run(hook, facts),
    announce: (text) => announce({ kind: "daemon", text }),
    sourcesFor: ({ name, rule }) => {
      const isExposed = name === null || supervisor.members.get(name)?.service.expose !== undefined;
      const requests = isExposed ? [new GatewayActivity(join(where.run, GATEWAY_ACTIVITY_FILE), name)] : [];
      const given = name === null ? null : supervisor.members.get(name)?.life.gpus;
      if (!rule.gpu || given === undefined || gpus.view().kind === "none") return requests;
      const counts = (uuid: string): boolean => given === null || given.devices.some((device) => device.uuid === uuid);
      return [...requests, new GpuUse((withinMs) => gpus.refresh(withinMs), counts)];
    },
  });

  function announce(news: News): void {
    const at = new Date().toISOString();
    switch (news.kind) {
      case "state": {
        const service = supervisor.status(news.service);
        if (service === null) return;
        const before = stateWord(news.before.state);
        oom.note(news.service, news.before, news.after);
        events.add({ type: "state", at, before, service });
        if (news.after.state.at === "skipped") recheckSoon();
        idle.keeper.wake();
        if (before !== service.state) log.info(`${service.name}: ${before} → ${service.state} (${service.why})`);
        return;
      }
      case "removed":
        events.add({ type: "removed", at, name: news.service });
        runStarts.forget(news.service);
        log.info(`${news.service}: removed`);
        return;
      case "run":
        events.add(runEvent(at, news));
        if (news.what === "started") log.info(`${news.job}: run ${news.run} started (pid ${news.pid})`);
        else log.info(`${news.job}: ${inWords(news.record)}`);
        return;
      case "job":
        events.add({ type: "job", at, name: news.job, what: news.what });
        log.info(`${news.job}: ${news.what}`);
        return;
      case "daemon":
        events.add({ type: "daemon", at, text: news.text });
        log.info(news.text);
    }
  }

  let recheck: NodeJS.Timeout | null = null;
  let quietSince = clock.now();
  function recheckSoon(): void {
    quietSince = clock.now();
    if (recheck !== null) clearTimeout(recheck);
    recheck = null;
    recheckLater();
  }
  function recheckLater(): void {
    const { first, shareOfQuiet } = RECHECK_CONDITIONS_MS;
    const inMs = Math.max(first, (clock.now() - quietSince) * shareOfQuiet);
    recheck ??= setTimeout(recheckConditions, inMs < BEAT_MS ? inMs : toBeat(clock.now(), BEAT_MS));
  }
  function recheckConditions(): void {
    recheck = null;
    if (supervisor.recheckConditions()) recheckLater();
  }

  let mistakesTold = "";
  let settingsKept = JSON.stringify(memory.settings);
  function keepSettings({ daemon: settings }: Plan): void {
    if (JSON.stringify(settings) === settingsKept) return;
    settingsKept = JSON.stringify(settings);
    journal.record({ kind: "settings", settings });
  }

  function noteWhatWasRead(plan: Plan): void {
    keepSettings(plan);
    const text = plan.mistakes.map(formatMistake).join("\n");
    if (text !== mistakesTold && text !== "") log.warn(`mistakes in the files, all else goes on:\n${text}`);
    mistakesTold = text;
  }

  function whenFilesChanged(snapshot: ConfigSnapshot): void {
    const plan = source.planOf(snapshot);
    noteWhatWasRead(plan);
    if (!plan.daemon.autoApply) {
      supervisor.consider(plan);
      return idle.keeper.wake(); // svcd.yaml counts at once.
    }
    const applied = supervisor.apply(plan, null, "files");
    idle.keeper.wake();
    events.add({ type: "plan", at: new Date().toISOString(), plan: applied });
  }

  const snapshot = directory.read();
  const plan = source.planOf(snapshot);
  noteWhatWasRead(plan);
  supervisor.inherit(memory, inheritedFrom(hello), plan);
  const isFirst = !hello.hadCore; // One that died before it was in charge may have left all of it undone.
  if (hello.stopping === null && (isFirst || plan.daemon.autoApply))
    supervisor.apply(plan, null, isFirst ? "start" : "files");
  else supervisor.consider(plan);
  idle.keeper.wake();
  const troubles = (): string[] =>
    troublesOf({
      wishes: wishes.failing,
      journal: journal.failing,
      history: history.failing,
      logs: keeper.losing(),
    });
  let troubled: string[] = [];
  const noteTroubles = (): void => {
    wishes.tryAgain();
    journal.tryAgain();
    history.tryAgain();
    const now = troubles();
    // Numbers and times in a sentence grow; that is no news.
    const isNews = (text: string, before: readonly string[]): boolean =>
      before.every((other) => other.replaceAll(/\d+/g, "") !== text.replaceAll(/\d+/g, ""));
    for (const text of now) if (isNews(text, troubled)) log.warn(text);
    if (now.length === 0 && troubled.length > 0) log.info("what was troubling svcd is over");
    troubled = now;
    giveBackIfGrown();
    setTimeout(noteTroubles, troubled.length > 0 ? LOOK_AGAIN_IN_TROUBLE_MS : toBeat(clock.now(), BEAT_MS));
  };
  noteTroubles();
  recheckConditions();

  const daemon = localDaemon({
    supervisor,
    keeper,
    events,
    gpus,
    version,
    keeperPid: hello.keeperPid,
    containment: hello.containment,
    since: hello.since,
    logDir: where.log,
    troubles,
    idle,
    readPlan: async () => {
      const read = source.planOf(directory.read());
      noteWhatWasRead(read);
      return read;
    },
    launchOf: (service) => launchReport(service, supervisor.unmet(service), launcher.setting(service)),
    readPlanWith: async (file, text) => {
      const changed = withText(directory.read(), files, file, text);
      // Read apart: what is only asked about must not count as last understood.
      return changed === null ? null : new PlanSource({ ...planOptions, known: source.settings }).planOf(changed);
    },
    runStarts,
    diskPaths: [where.services, where.state, where.log],
    workingDirOf: (service) => {
      const setting = launcher.setting(service);
      return setting.ok ? setting.setting.cwd : null;
    },
    beginningOf: (service, run, stream) => starts.beginningOf(service, run, stream),
    resolveExposure: (service, exposure) => {
      const setting = launcher.setting(service);
      if (!setting.ok) return { ok: false, flaw: { what: setting.cause, fix: `see: svctl why ${service.name}` } };
      const { env, recipe } = setting.setting;
      const made = new Map(recipe?.variables.map(({ name, text }) => [name, text]));
      return resolveExposure(exposure, (name) => made.get(name) ?? env[name]);
    },
    oomKillsDuring: (service) => oom.killsDuring(service),
    announce: (text) => announce({ kind: "daemon", text }),
  });
  const server = createControlServer(daemon, {
    openapi: openApi(),
    limits: roomFor(openFiles()),
    onBug: (reference, request, error) =>
      log.error(`bug ${reference} in ${request}: ${(error as Error)?.stack ?? error}`),
  });
  keeper.beforeLeaving(async () => {
    idle.keeper.close();
    prober.close();
    gpus.close();
    starts.close();
    hooks.close();
    notifier.close();
    await server.close();
    history.close();
    await log.close();
  });
  const group = plan.daemon.group === null ? null : groupIdOf(plan.daemon.group);
  if (group !== null) openToGroup(group);
  else if (plan.daemon.group !== null)
    log.warn(`svcd.yaml: there is no group ${plan.daemon.group}; the socket is the owner's only`);
  let told = "";
  // Without its socket svcd still supervises; people must hear why they cannot ask it, and the cause may pass.
  const openSocket = async (): Promise<void> => {
    try {
      await server.listen(where.socket, { group });
      if (told !== "") log.info("the control socket is open now");
    } catch (error) {
      const { message } = error as Error;
      if (message !== told) log.error(`no control socket, trying again every second: ${message}`);
      told = message;
      setTimeout(openSocket, SOCKET_AGAIN_MS);
    }
  };
  void openSocket().then(() => {
    keeper.ready();
    const jobs = plan.jobs.size === 0 ? "" : `, ${plan.jobs.size} jobs in ${cron}`;
    log.info(
      isFirst ? `svcd ${version} runs, ${plan.services.size} services in ${services}${jobs}` : "a new core took over",
    );
    void log.openFile();
    // Whoever asked for the plan meanwhile has read newer files than we took up.
    const newest = directory.read();
    if (newest.hash !== snapshot.hash) whenFilesChanged(newest);
    void directory.watch(newest);
    setTimeout(giveBackMemory, GIVE_BACK_MEMORY_AFTER_MS);
  });
  return (report) => {
    switch (report.is) {
      case "spawned":
        usages.began(report);
        return supervisor.spawned(report);
      case "refused":
        return supervisor.refused(report.service, report.run, report.code, report.message);
      case "exited":
        usages.ended(report.service, report.cpuMs ?? null);
        return supervisor.exited(report);
      case "gone":
        usages.ended(report.service, report.cpuMs ?? null);
        return supervisor.gone(report.service, report.run);
      case "survived":
        return supervisor.survived(report.service, report.run, report.survivors);
      case "asked":
        if (report.to === "stop") return supervisor.shutdown();
        return whenFilesChanged(directory.read());
    }
  };
}

function* mainProcesses(supervisor: Supervisor): Iterable<MainProcess> {
  for (const { service: name, run, pid } of supervisor.processes()) yield { name, run, pid };
}

/** The way to the socket; logs are read through it. */
function openToGroup(group: number): void {
  try {
    chownSync(where.run, -1, group);
    chmodSync(where.run, 0o750);
  } catch (error) {
    log.warn(`cannot open ${where.run} to the group of svcd.yaml: ${(error as Error).message}`);
  }
}

/** "run 3 success (exit 0)", "12:01 skipped (run 2 is not over)". */
function inWords({ run, scheduledFor, result, why, retryAt }: RunRecord): string {
  const what = run === null ? `due at ${scheduledFor}` : `run ${run}`;
  return `${what}: ${result} (${why})${retryAt === null ? "" : `, again at ${retryAt}`}`;
}

function inheritedFrom(hello: Hello): Inherited {
  const ended = hello.ended.map(({ service, run, exit, isClear }) => ({ service, run, exit, isClear }));
  return {
    sameKeeper: hello.coreStarts > 1,
    live: hello.live,
    ended,
    uncleared: hello.uncleared,
    stopping: hello.stopping,
    lastRuns: hello.lastRuns,
  };
}

function openApi(): string | null {
  try {
    return readFileSync(join(import.meta.dirname, "openapi.json"), "utf8");
  } catch {
    return null; // Run from source: it is made when svcd is built.
  }
}
