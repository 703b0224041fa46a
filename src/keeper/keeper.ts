/**
 * The keeper: parent of every service and of the core. It starts, signals and reaps; it drains log pipes into files; it
 * starts the core again when that ends. It decides nothing: it knows no policy, no YAML, no HTTP, no schedule.
 *
 *   core ──orders──▶ keeper ──spawn, signal──▶ services
 *        ◀─reports──        ◀──exit, output──
 */
import { chmodSync, existsSync, mkdirSync, stat, statSync } from "node:fs";
import { dirname } from "node:path";
import { giveBackIfGrown, giveBackMemory } from "../own-memory.ts";
import { asGiven, goFirst } from "../own-priority.ts";
import { encloseApartBy } from "./apart.ts";
import { Children } from "./children.ts";
import type { Chosen, ContainedRun, Containment } from "./containment.ts";
import { CoreProcess } from "./core-process.ts";
import { Descriptors } from "./descriptors.ts";
import { removeSpares } from "./log-pipe.ts";
import type { EndedRun, Order, Report, RunName, ServiceLogs, Spawn } from "./messages.ts";
import { bootId, endOf, isAlive, isGone, monotonicMs, readStat, UNKNOWN_START } from "./process-identity.ts";
import { type BegunRun, RunJournal } from "./run-journal.ts";
import { preparePipes, ServiceOutput } from "./service-output.ts";
import { findStray, findStrays } from "./stray.ts";

export interface KeeperOptions {
  readonly runDir: string;
  /** 0o600, or 0o640 where a group may read logs. */
  readonly logMode: number;
  readonly core: { readonly execArgv: readonly string[]; readonly file: string; readonly args: readonly string[] };
  readonly say: (line: string) => void;
  readonly contained: Chosen;
}

/** Growth of a watched log is told at most this often. */
const TELL_GROWTH_EVERY_MS = 10;
/** And to a core that does not keep up, or is not there, at most this often is tried. */
const TELL_AGAIN_MS = 200;
/** When a core is in charge, this long after: what it ordered at first is done. */
const GIVE_BACK_MEMORY_AFTER_MS = 1_500;
/** A core that is well says within milliseconds that it begins to stop everything. */
const HEARD_WITHIN_MS = 5_000;
/** For services that nobody can ask to end because no core comes up: TERM, then KILL. */
const GRACE_WITHOUT_CORE_MS = 10_000;
const STUCK_AFTER_MS = 10_000;
/** The core ends at once when its channel does. */
const CORE_ENDS_WITHIN_MS = 1_000;

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #boot = bootId();
  readonly #since = new Date().toISOString();
  readonly #pipeDir: string;
  readonly #journal: RunJournal;
  readonly #containment: Containment;
  readonly #children: Children;
  readonly #core: CoreProcess;
  readonly #outputs = new Map<string, ServiceOutput>();
  readonly #descriptors = Descriptors.ofThisProcess();
  /** Ends that no core has noted yet. */
  readonly #ended = new Map<string, EndedRun>();
  readonly #watched = new Set<string>();
  readonly #lastRuns = new Map<string, number>();
  readonly #grown = new Set<string>();
  #unheard: NodeJS.Timeout | null = null;
  #tellingGrowth: NodeJS.Timeout | null = null;
  /** The status to end with. */
  #stopping: number | null = null;
  #stopsWithoutCore = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#pipeDir = `${options.runDir}/pipes`;
    mkdirSync(this.#pipeDir, { recursive: true, mode: 0o700 });
    removeSpares(this.#pipeDir); // Of one that was killed.
    this.#journal = new RunJournal(`${options.runDir}/runs.journal`, this.#boot);
    this.#containment = options.contained.containment;
    encloseApartBy((act) => this.#containment.apart(act));
    this.#children = new Children(this.#containment, {
      onExit: (ended) => this.#whenEnded(ended),
      onGone: (name, cpuMs) => this.#whenGone(name, cpuMs === null ? {} : { cpuMs }),
      onSurvived: ({ service, run }, survivors) => this.#core.tell({ is: "survived", service, run, survivors }),
    });
    this.#core = new CoreProcess({
      ...options.core,
      say: options.say,
      onStart: (pid) => {
        const startTicks = readStat(pid)?.startTicks ?? 0;
        this.#journal.record({ fact: "core", boot: this.#boot, pid, startTicks });
        this.#greet();
      },
      onOrders: (orders) => this.#obey(orders),
      onEnd: () => this.#stopWithoutCoreIfNoneStays(),
    });
    this.#endLastCore();
    this.#adoptWhatRuns();
  }

  start(): void {
    // libuv makes its threads when the first is needed, and aborts where none can be made; now one can.
    stat("/", () => {});
    process.on("SIGTERM", (signal) => this.#askedToStop(signal));
    process.on("SIGINT", (signal) => this.#askedToStop(signal));
    process.on("SIGHUP", (signal) => this.#core.tell({ is: "asked", to: "reread", signal }));
    // Everything hangs on this process: what nobody foresaw is told, and it goes on.
    process.on("uncaughtException", (error) => this.#options.say(`svcd: a bug in the keeper: ${error.stack}`));
    // Terminals and parents that go away must not take the services with them.
    process.on("SIGPIPE", () => {});
    // Their default is the end of the process (or, for USR1, an open debugger): neither is anybody's to ask of svcd.
    for (const signal of ["SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGALRM"] as const) process.on(signal, () => {});
    goFirst();
    this.#core.start();
  }

  // What the core hears first.

  #greet(): void {
    this.#watched.clear(); // A new core watches anew, and the hello says where all logs stand.
    this.#grown.clear();
    this.#core.tell({
      is: "hello",
      keeperPid: process.pid,
      since: this.#since,
      bootId: this.#boot,
      live: this.#children.live(),
      ended: [...this.#ended.values()],
      uncleared: this.#children.uncleared(),
      containment: this.#options.contained.facts,
      logs: [...this.#outputs.values()].flatMap((output) => output.positions()),
      lastRuns: Object.fromEntries(this.#lastRuns),
      stopping: this.#stopping,
      coreStarts: this.#core.starts,
      hadCore: this.#core.hadOne,
    });
  }

  // What the core orders.

  #obey(orders: Order[]): void {
    const spawns = orders.filter((order) => order.do === "spawn");
    const obeyAll = (): void => {
      this.#prepareAllPipes(spawns);
      // Each on its own: what one order meets must not cost the others.
      for (const order of orders) this.#tryOrSay(`cannot ${order.do}`, () => this.#obeyOne(order));
    };
    if (spawns.length > 0) asGiven(obeyAll);
    else obeyAll();
  }

  #obeyOne(order: Order): void {
    switch (order.do) {
      case "spawn":
        return this.#spawn(order);
      case "signal":
        return this.#children.signal(order, order.signal, order.to);
      case "end":
        return this.#children.end(order);
      case "noted":
        this.#ended.delete(keyOf(order));
        return;
      case "logs":
        this.#prepareAllPipes([order]);
        return this.#output(order.service).adjust(order.logs);
      case "watch":
        return this.#watch(order.service, order.on);
      case "clear":
        return this.#outputs.get(order.service)?.clear();
      case "forget":
        this.#outputs.get(order.service)?.remove();
        this.#outputs.delete(order.service);
        this.#watched.delete(order.service);
        // What has its run's number in its name never runs again; the others' numbers are kept, so that none is used twice.
        if (order.service.includes("!")) this.#lastRuns.delete(order.service);
        return;
      case "stopping":
        if (this.#stopping === null) this.#core.forgiveEnds();
        this.#stopping ??= order.status;
        if (this.#unheard !== null) clearTimeout(this.#unheard);
        return;
      case "ready":
        setTimeout(giveBackMemory, GIVE_BACK_MEMORY_AFTER_MS);
        return this.#core.ready();
      case "again":
        return this.#core.expectEnd();
      case "pong":
        this.#core.answered();
        return giveBackIfGrown();
      case "leave":
        return this.#leave(order.status);
    }
  }

  #prepareAllPipes(services: readonly { service: string; logs: ServiceLogs }[]): void {
    const fresh = services.filter(({ service, logs }) => !this.#outputs.get(service)?.isReadyFor(logs));
    if (fresh.length > 0) this.#tryOrSay("cannot make the log pipes", () => preparePipes(this.#pipeDir, fresh));
  }

  #spawn(order: Spawn): void {
    const { service, run } = order;
    this.#lastRuns.set(service, run);
    const refuse = (code: string, message: string): void => {
      this.#journal.record({ fact: "over", service, run });
      this.#core.tell({ is: "refused", service, run, code, message });
    };
    const { nextEnclosure: enclosure } = this.#containment;
    const { logs } = order;
    this.#journal.record({ fact: "about to", service, run, boot: this.#boot, at: monotonicMs(), logs, enclosure });
    try {
      const output = this.#output(service);
      // Where the pipes of many could not be made together, this one may be, or throws its own reason.
      if (!output.isReadyFor(order.logs)) preparePipes(this.#pipeDir, [order]);
      output.configure(order.logs);
      const live = this.#children.spawn(order, output.openForChild(order), refuse);
      if (live === null) return;
      this.#recordIs(live);
      const { pid, startTicks, startedAt } = live;
      this.#core.tell({ is: "spawned", service, run, pid, startTicks, startedAt });
    } catch (error) {
      // Its pipe could not be made or opened: no process or descriptor free, a full or read-only run directory.
      const { code, message } = error as NodeJS.ErrnoException;
      refuse(code ?? "UNKNOWN", message);
    }
  }

  #output(service: string): ServiceOutput {
    let output = this.#outputs.get(service);
    if (output === undefined) {
      output = new ServiceOutput(service, this.#pipeDir, this.#options.logMode, this.#descriptors, {
        onWrote: (name) => this.#whenGrown(name),
        onMoved: (name) => this.#tellSoon(name),
      });
      this.#outputs.set(service, output);
    }
    return output;
  }

  #leave(status: number): void {
    for (const output of this.#outputs.values()) output.remove();
    this.#tryOrSay("cannot clear the pipes", () => removeSpares(this.#pipeDir));
    const end = (): void => {
      this.#containment.close();
      process.exit(status);
    };
    this.#core.leave(end);
    setTimeout(end, CORE_ENDS_WITHIN_MS); // Stopped, or lost in a hung file system.
  }

  // What the core hears.

  #whenEnded(ended: EndedRun): void {
    this.#outputs.get(ended.service)?.drain(); // Its last words are in the file before anybody hears of its end.
    this.#ended.set(keyOf(ended), ended);
    if (ended.isClear) this.#journal.record({ fact: "over", service: ended.service, run: ended.run });
    this.#core.tell(ended);
    if (this.#stopsWithoutCore) {
      this.#children.end(ended);
      if (this.#children.isEmpty) this.#leave(this.#stopping ?? 0);
    }
  }

  #whenGone({ service, run }: RunName, used: { readonly cpuMs?: number }): void {
    const ended = this.#ended.get(keyOf({ service, run }));
    if (ended !== undefined) this.#ended.set(keyOf(ended), { ...ended, ...used, isClear: true });
    this.#outputs.get(service)?.drain();
    this.#journal.record({ fact: "over", service, run });
    this.#core.tell({ is: "gone", service, run, ...used });
    if (this.#stopsWithoutCore && this.#children.isEmpty) this.#leave(this.#stopping ?? 0);
  }

  #recordIs({ service, run, pid, startTicks, startedAt, enclosure }: ContainedRun): void {
    this.#journal.record({ fact: "is", service, run, pid, startTicks, startedAt, enclosure });
  }

  #watch(service: string, on: boolean): void {
    if (!on) {
      this.#watched.delete(service);
      return;
    }
    this.#watched.add(service);
    this.#tellWhereItStands(service);
  }

  #whenGrown(service: string): void {
    if (this.#watched.has(service)) this.#tellSoon(service);
  }

  /** Not at once and not without end: a core that hears nothing gets one word about each log when it does again. */
  #tellSoon(service: string): void {
    this.#grown.add(service);
    this.#tellingGrowth ??= setTimeout(() => this.#tellGrowth(), TELL_GROWTH_EVERY_MS);
  }

  #tellGrowth(): void {
    this.#tellingGrowth = null;
    if (!this.#core.keepsUp) {
      this.#tellingGrowth = setTimeout(() => this.#tellGrowth(), TELL_AGAIN_MS);
      return;
    }
    for (const service of this.#grown) this.#tellWhereItStands(service);
    this.#grown.clear();
  }

  #tellWhereItStands(service: string): void {
    for (const position of this.#outputs.get(service)?.positions() ?? []) this.#core.tell({ is: "wrote", ...position });
  }

  #askedToStop(signal: NodeJS.Signals): void {
    if (this.#stopping === null) this.#core.forgiveEnds();
    this.#stopping ??= 0;
    const report: Report = { is: "asked", to: "stop", signal };
    this.#core.tell(report);
    this.#stopWithoutCoreIfNoneStays();
    // A core that is stopped or hangs would keep svcd from ending: the next one is told that everything shall stop.
    this.#unheard ??= setTimeout(() => this.#core.kill(), HEARD_WITHIN_MS);
  }

  /** No core stays up to stop things in order: end them all the plain way, so that a stop is always a stop. */
  #stopWithoutCoreIfNoneStays(): void {
    if (this.#stopping === null || this.#stopsWithoutCore || !this.#core.isCrashLooping) return;
    this.#stopsWithoutCore = true;
    this.#options.say("svcd: no core stays up; stopping all services without it");
    if (this.#children.isEmpty) this.#leave(this.#stopping ?? 0);
    for (const run of this.#children.live()) this.#children.signal(run, "SIGTERM", "group");
    for (const run of this.#children.uncleared()) this.#children.end(run);
    setTimeout(() => {
      for (const run of this.#children.live()) this.#children.end(run);
    }, GRACE_WITHOUT_CORE_MS);
    // What withstands KILL ends when its disk or driver lets it; svcd does not wait for that.
    setTimeout(() => this.#leave(this.#stopping ?? 0), GRACE_WITHOUT_CORE_MS + STUCK_AFTER_MS);
  }

  // What an earlier keeper left.

  /** It noticed that its keeper died, and left; one that hangs notices nothing, and would hold the control socket. */
  #endLastCore(): void {
    const { core } = this.#journal;
    if (core === null || !isAlive(core.pid, core.startTicks)) return;
    try {
      process.kill(core.pid, "SIGKILL");
    } catch {
      return; // It has just left.
    }
    this.#options.say(`svcd: ended the core of an earlier svcd (pid ${core.pid})`);
  }

  #adoptWhatRuns(): void {
    const known = this.#journal.begun();
    const unknown = this.#unknownToTheJournal(known);
    this.#prepareAllPipes([...known, ...unknown]);
    for (const one of known) this.#adoptOne(one, true);
    for (const one of unknown) this.#adoptOne({ ...one, enclosure: this.#ownEnclosureOf(one, unknown) }, false);
    this.#containment.tidy();
  }

  /** A cgroup that two runs share (no other could be made when they were started) holds neither of them. */
  #ownEnclosureOf(one: BegunRun, all: readonly BegunRun[]): string | null {
    const enclosureOf = ({ live }: BegunRun): string | null => live && this.#containment.enclosureOf(live.pid);
    const enclosure = enclosureOf(one);
    return all.some((other) => other !== one && enclosureOf(other) === enclosure) ? null : enclosure;
  }

  #adoptOne({ service, run, at, logs, live, enclosure }: BegunRun, isInJournal: boolean): void {
    this.#lastRuns.set(service, Math.max(run, this.#lastRuns.get(service) ?? 0));
    this.#tryOrSay(`cannot open the log of ${service}`, () => this.#output(service).configure(logs));
    const isKnown = live !== null && live.startTicks !== UNKNOWN_START;
    const found = isKnown ? live : findStray(this.#options.runDir, { service, run }, at);
    if (found !== null && !isGone(found.pid, found.startTicks)) {
      const adopted: ContainedRun = { ...found, enclosure, isWatched: true };
      this.#children.adopt(adopted);
      this.#options.say(`svcd: adopted ${service} (pid ${found.pid}), started by an earlier svcd`);
      const boot = this.#boot;
      if (!isInJournal) this.#journal.record({ fact: "about to", service, run, boot, at, logs, enclosure });
      if (!isKnown || !isInJournal) this.#recordIs(adopted);
      return;
    }
    // It ended unseen, or was about to start and never did; in both cases something of it may be there.
    const leader = found ?? { service, run, pid: NOBODY, startTicks: UNKNOWN_START, startedAt: at };
    const isClear = this.#children.adoptDead({ ...leader, enclosure, isWatched: false });
    if (found === null && isClear) return this.#journal.record({ fact: "over", service, run });
    const exit = endOf(leader.pid, leader.startTicks);
    this.#whenEnded({ is: "exited", service, run, pid: leader.pid, exit, at: monotonicMs(), isClear });
  }

  /** The journal can be lost, or miss what a full disk refused; every run carries its mark, and none may be started beside it. */
  #unknownToTheJournal(known: readonly BegunRun[]): BegunRun[] {
    const newest = new Map(known.map(({ service, run }) => [service, run])); // Later facts stand later.
    const logs: ServiceLogs = { stdout: null, stderr: null }; // Its pipe is opened when the core says what it is.
    const leaders = new Map<string, BegunRun>();
    for (const live of findStrays(this.#options.runDir)) {
      // The oldest carries the run; others are what it started in sessions of their own.
      if (live.run <= (newest.get(live.service) ?? 0) || leaders.has(live.service)) continue;
      leaders.set(live.service, { ...live, at: live.startedAt, logs, live, enclosure: null });
    }
    return [...leaders.values()];
  }

  #tryOrSay(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#options.say(`svcd: ${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** No process has this pid: what is left of a run whose leader was never known. */
const NOBODY = 0;

function keyOf({ service, run }: RunName): string {
  return `${service}#${run}`;
}

/** 0700, whatever the umask; an existing directory keeps its mode. */
export function makeDirectory(path: string, mode: number): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  makeAbove(dirname(path));
  mkdirSync(path, { mode });
  chmodSync(path, mode);
}

/** Not by `recursive: true`: Node never comes back from that where it is impossible, as in /proc. */
function makeAbove(path: string): void {
  if (existsSync(path)) return;
  makeAbove(dirname(path));
  mkdirSync(path);
}
