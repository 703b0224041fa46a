/**
 * The world around one core, in memory and from a seed: a keeper with processes, a journal, files, people's wishes, probes.
 * It keeps the contracts of `ports.ts` as the real one does, with the real one's weather (`faults.ts`): words arrive late, a
 * core dies between any two of its actions, a keeper dies and the next one adopts, a disk takes no more lines.
 *
 * What must always be so is looked at where it happens (`invariants.ts`), not afterwards.
 */
import type { Plan } from "../plan/plan.ts";
import type { EndedProcess } from "../ports.ts";
import type { Exit } from "../service/exit.ts";
import type { RunNumber } from "../service/life.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { Agenda } from "./agenda.ts";
import { Killed, type MakeSupervisor, SimCore } from "./core.ts";
import { Coverage } from "./coverage.ts";
import { SimJournal, SimWishes } from "./disk.ts";
import { heldBy, takeUp } from "./edits.ts";
import type { Fate } from "./fate.ts";
import type { Fault } from "./faults.ts";
import { Files } from "./files.ts";
import { Broken } from "./invariants.ts";
import { SimKeeper, type Surroundings } from "./keeper.ts";
import { Lives } from "./lives.ts";
import { Naive } from "./naive.ts";

/** A message between keeper and core takes up to this long. */
const LONGEST_DELAY_MS = 5;
const LONGEST_LATENESS_MS = 5_000;
/** What the watcher misses is found by looking again; so are conditions, which nobody tells. */
const RESCAN_EVERY_MS = 10_000;

export interface WorldOptions {
  readonly coverage?: Coverage;
  /** A supervisor that is not as it should be, to see that it is noticed. */
  readonly make?: MakeSupervisor;
}

export class World implements Surroundings {
  readonly agenda = new Agenda();
  readonly fate: Fate;
  readonly coverage: Coverage;
  readonly keeper: SimKeeper;
  readonly files: Files;
  readonly journal = new SimJournal();
  readonly wishes = new SimWishes();
  readonly lives = new Lives();
  /** Services that this machine does not want now. */
  unmet: ReadonlySet<string> = new Set();
  core: SimCore | null = null;
  coresStarted = 0;
  hasLeft = false;
  /** What happened, newest last; the tail is shown when something is broken. */
  readonly story: string[] = [];
  /** The highest run of each service that any core has ordered. */
  readonly ordered = new Map<string, RunNumber>();
  /** What the core has heard of the files last. */
  lastApplied: Plan | null = null;
  /** Taken out by hand, if the core lived to do it. */
  readonly perhapsAside = new Set<string>();
  /** And ever: whether it still is may be in a lost line. */
  readonly onceAside = new Set<string>();
  readonly naive = new Naive();
  /** Runs that were asked to end. */
  readonly stopSaid = new Set<string>();
  readonly #make: MakeSupervisor;
  /** Services that a person stopped or disabled, and nobody asked for since; false: only while this core lives. */
  readonly #stayDown = new Map<string, { readonly isKept: boolean }>();
  #wallAhead = 1_700_000_000_000;
  /** The core that the keeper has started last, until it dies. */
  #number: number | null = null;
  /** Of this core's words those that are under way are lost. */
  #deafTo = 0;
  /** Messages keep their order in each direction. */
  #toKeeperAt = 0;
  #toCoreAt = 0;

  constructor(fate: Fate, plan: Plan, { coverage = new Coverage(), make }: WorldOptions = {}) {
    this.fate = fate;
    this.coverage = coverage;
    this.files = new Files(plan);
    this.keeper = new SimKeeper(this);
    this.#make = make ?? ((ports) => new Supervisor(ports));
  }

  tell(line: string): void {
    this.story.push(`${Math.round(this.agenda.now)} ${line}`);
    if (this.story.length > 4_000) this.story.splice(0, 2_000);
  }

  strikes(fault: Fault, service: string | null): boolean {
    if (!this.fate.happens(fault)) return false;
    if (service !== null) this.strikesNow(fault, service);
    else for (const { life } of this.core?.supervisor.members.values() ?? []) this.coverage.saw(fault, life.state.at);
    return true;
  }

  strikesNow(fault: Fault, service: string): void {
    const member = this.core?.supervisor.members.get(service);
    if (member !== undefined) this.coverage.saw(fault, member.life.state.at);
  }

  /** What the parent of a run saw of its end. */
  ended({ service, run, exit }: EndedProcess): void {
    this.lives.runEnded(service, run, exit);
  }

  get isMemoryWhole(): boolean {
    return !this.journal.isHurt;
  }

  get wallNow(): number {
    return this.#wallAhead + this.agenda.now;
  }

  /** 16: nobody but people looks at it. */
  wallJumps(): void {
    const ms = this.fate.of("wall").between(-1e11, 1e11);
    this.tell(`the wall clock jumps by ${Math.round(ms / 1_000)} s`);
    this.#wallAhead += ms;
  }

  /** Everything that was due meanwhile happens late, the alarm or the words first. */
  pauses(): void {
    const ms = this.fate.of("pauses of the machine").between(1_000, 600_000);
    this.tell(`the machine pauses for ${Math.round(ms / 1_000)} s`);
    this.agenda.now += ms;
    if (this.fate.of("pauses of the machine").happens(0.5)) this.inCore((supervisor) => supervisor.tick());
  }

  /** What happens next, not later than `until`; false: nothing, and it is `until`. */
  passes(until: number): boolean {
    const happening = this.agenda.next(until);
    happening?.act();
    return happening !== null;
  }

  // The core comes and goes.

  /** The keeper starts a core, which is there `bootMs` later; what is said to it meanwhile waits. */
  startCore(bootMs = 0): void {
    const number = ++this.coresStarted;
    this.#number = number;
    this.#toCoreAt = this.agenda.now + bootMs;
    this.tell(`core ${number} starts`);
    this.keeper.comesUp();
    const inherited = this.keeper.greets();
    if (bootMs === 0) return this.#takeOver(number, inherited);
    this.agenda.after(bootMs, () => {
      if (this.#number === number) this.#takeOver(number, inherited);
    });
  }

  #takeOver(number: number, inherited: ReturnType<SimKeeper["greets"]>): void {
    const memory = this.journal.memory();
    this.lives.coreBegins(memory);
    const core = new SimCore(this, number, this.#make);
    this.core = core;
    const { plan } = this.files;
    const by = inherited.sameKeeper ? "files" : "start";
    const isDone = this.inCore((supervisor) => {
      supervisor.inherit(memory, inherited, plan);
      if (inherited.stopping !== null) return supervisor.consider(plan);
      this.lastApplied = plan;
      supervisor.apply(plan, null, by);
    });
    this.naive.taken(plan, null, by, isDone, isDone ? heldBy(core.supervisor) : new Set());
    this.#looksAgainLater(core);
  }

  #looksAgainLater(core: SimCore): void {
    this.agenda.after(RESCAN_EVERY_MS, () => {
      if (this.core !== core) return;
      this.rescan();
      this.inCore((supervisor) => supervisor.recheckConditions());
      this.#looksAgainLater(core);
    });
  }

  /** The files are looked at; if they are as before nothing happens. */
  rescan(): void {
    const { plan } = this.files;
    if (plan === this.lastApplied) return;
    takeUp(this, plan, null, "files");
  }

  killCore(why: string): void {
    if (this.#number === null || this.hasLeft) return;
    this.tell(`core ${this.#number} is killed: ${why}`);
    if (this.strikes("last orders lost", null)) this.#deafTo = this.#number;
    if (this.strikes("journal torn", null)) {
      this.losesLinesAfter(this.journal.length - 1 - this.fate.of("tearing").below(5));
    }
    this.#coreIsGone();
    // What it had said to the keeper still arrives until the next one starts; what the keeper says to it is lost.
    this.agenda.after(this.fate.of("restarts").between(1, 200), () => this.#startsNext());
  }

  losesLinesAfter(lines: number): void {
    this.journal.cutTo(lines);
    this.lives.journalIsHurt();
  }

  /** The keeper dies, and the core with it; services go on, those that end meanwhile end unseen. */
  killKeeper(): void {
    if (this.hasLeft) return;
    this.tell("keeper is killed");
    this.#coreIsGone();
    this.keeper.dies();
    this.lives.keeperDied();
    this.agenda.after(this.fate.of("restarts").between(10, 5_000), () => this.#startsNext());
  }

  #coreIsGone(): void {
    this.core = null;
    this.#number = null;
    for (const [name, { isKept }] of this.#stayDown) if (!isKept) this.#stayDown.delete(name);
  }

  #startsNext(): void {
    if (this.#number !== null || this.hasLeft) return;
    this.startCore(this.fate.of("restarts").between(20, 300));
  }

  /** Does something with the living core; where it dies in the middle, the next one comes up. False: it died, or none was there. */
  inCore(act: (supervisor: Supervisor) => void, core = this.core): boolean {
    if (core === null || this.core !== core) return false;
    try {
      act(core.supervisor);
      return this.core === core;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.killCore(error.message);
      return false;
    }
  }

  /** As `svctl shutdown` or a signal to svcd: the keeper remembers it for whichever core comes next. */
  shutdown(): void {
    this.tell("asked to shut down");
    this.keeper.stopping ??= 0;
    if (this.core === null) this.toCore(null, (supervisor) => supervisor.shutdown());
    else this.inCore((supervisor) => supervisor.shutdown());
  }

  leaves(): void {
    for (const { service, run, isFrozen, leaderLives, hasChildren } of this.keeper.runs.values()) {
      if (!isFrozen && (leaderLives || hasChildren)) throw new Broken(22, `svcd leaves while ${service}#${run} runs`);
    }
    this.tell("svcd leaves");
    this.hasLeft = true;
  }

  // What people asked.

  /** `isKept`: the next core will know it too. */
  mustStayDown(name: string, isKept: boolean): void {
    this.#stayDown.set(name, { isKept });
  }

  /** Somebody asked for it. */
  mayRun(name: string): void {
    this.#stayDown.delete(name);
  }

  staysDown(name: string): boolean {
    return this.#stayDown.has(name);
  }

  // Words between keeper and core.

  toCore(service: string | null, hear: (supervisor: Supervisor) => void): void {
    const number = this.#number;
    if (number === null) return;
    const words = this.fate.of("words");
    const isLate = this.strikes("word is late", service);
    const delay = words.between(0, isLate ? LONGEST_LATENESS_MS : LONGEST_DELAY_MS);
    this.#toCoreAt = Math.max(this.agenda.now + delay, this.#toCoreAt);
    this.agenda.after(this.#toCoreAt - this.agenda.now, () => {
      if (this.#number === number) this.inCore(hear);
    });
  }

  toKeeper(obey: (keeper: SimKeeper) => void): void {
    const { keeper, coresStarted: number } = this;
    const { generation } = keeper;
    this.#toKeeperAt = Math.max(
      this.agenda.now + this.fate.of("orders").between(0, LONGEST_DELAY_MS),
      this.#toKeeperAt,
    );
    this.agenda.after(this.#toKeeperAt - this.agenda.now, () => {
      // The keeper hears what a dead core said until it starts the next one, and nothing of it after that.
      const isHeard = () => generation === keeper.generation && number === this.coresStarted && number !== this.#deafTo;
      if (!isHeard()) return;
      if (this.strikes("keeper dies", null)) return this.killKeeper();
      obey(keeper);
      if (this.strikes("keeper dies", null)) this.killKeeper();
    });
  }

  // Processes do what processes do.

  /** Somebody outside of svcd ends it. */
  processEnds(service: string, exit: Exit): void {
    const process = this.#alive.get(service);
    if (process === undefined) return;
    process.isAlive = false;
    this.#alive.delete(service);
    this.tell(
      `${service}#${process.run} ends (${exit.kind === "code" ? exit.code : exit.kind === "signal" ? exit.signal : "?"})`,
    );
    const isSeen = !this.#keeperIsNew || this.core !== null;
    const ended: EndedProcess = { service, run: process.run, exit: isSeen ? exit : { kind: "unknown" }, isClear: true };
    this.#ended.set(`${service}#${process.run}`, ended);
    this.#toCore(() => {
      if (this.#ended.has(`${service}#${ended.run}`)) this.inCore((supervisor) => supervisor.exited(ended));
    });
  }

  #toCore(act: () => void): void {
    const { core } = this;
    if (core === null) return;
    this.#toCoreAt = Math.max(this.agenda.now + this.random.between(0, LONGEST_DELAY_MS), this.#toCoreAt);
    this.agenda.after(this.#toCoreAt - this.agenda.now, () => {
      if (this.core?.number === core.number) act();
    });
  }

  #toKeeper(act: () => void): void {
    const generation = this.#keeperGeneration;
    const number = this.coresStarted;
    this.#toKeeperAt = Math.max(this.agenda.now + this.random.between(0, LONGEST_DELAY_MS), this.#toKeeperAt);
    this.agenda.after(this.#toKeeperAt - this.agenda.now, () => {
      // The keeper hears what a dead core said until it starts the next one, and nothing of it after that.
      if (generation === this.#keeperGeneration && number === this.coresStarted) act();
    });
  }

  #mayDie(where: string): void {
    if (this.random.happens(this.weather.coreDies)) throw new Killed(where);
  }

  // The ports.

  #makeSupervisor(number: number): Supervisor {
    return new Supervisor({
      clock: {
        now: () => this.agenda.now,
        wallTime: () => new Date(1_700_000_000_000 + this.agenda.now),
        wakeAt: (at) => this.#setAlarm(at, number),
      },
      chance: this.random,
      processes: {
        spawn: (service, run) => this.#orderSpawn(service, run),
        signal: (service, run, signal) => this.#orderSignal(service, run, signal),
        end: (service, run) => this.#orderEnd(service, run),
        noted: (service, run) => {
          this.#mayDie("before noted");
          this.#toKeeper(() => this.#noted(service, run));
        },
        logsChanged: () => {},
        forget: () => {},
        stopping: (status) => this.#toKeeper(() => (this.#stopping ??= status)),
        leave: () => {
          if (this.#alive.size > 0) throw new Broken(`svcd leaves while ${[...this.#alive.keys()]} run`);
          this.tell("svcd leaves");
          this.hasLeft = true;
        },
      },
      launcher: {
        prepare: (): Prepared =>
          this.random.happens(this.weather.refuses)
            ? { kind: "refusal", cause: "no such program", permanent: this.random.happens(0.3) }
            : { kind: "launch", launch },
        explainRefusal: (_launch, code) => ({ cause: code, permanent: code === "ENOENT" }),
        unmet: (service) => (this.skipped.has(service.name) ? "not for this machine" : null),
      },
      prober: { began: () => {}, probe: (service, run) => this.#probe(service, run), forget: () => {} },
      journal: {
        record: (entry) => {
          this.#mayDie("before a record");
          if (!this.random.happens(this.weather.journalFails)) this.#journal.push(structuredClone(entry));
          this.#mayDie("after a record");
        },
      },
      wishes: {
        of: (service) => this.#wishes.get(service) ?? noWish,
        save: (changes) => {
          this.#mayDie("before a wish is kept");
          for (const [service, wish] of changes) this.#wishes.set(service, wish);
          if (this.random.happens(this.weather.wishFails)) throw new OperatorError("disk full", "/state", "make room");
        },
      },
      hooks: { run: () => {} },
      announcer: { announce: (news) => this.#announce(news) },
    });
  }

  #announce(news: News): void {
    if (news.kind === "state" && news.before.state.at !== news.after.state.at) {
      this.tell(`  ${news.service}: ${news.before.state.at} → ${news.after.state.at}`);
    }
  }

  #setAlarm(at: number | null, core: number): void {
    const alarm = ++this.#alarm;
    if (at === null) return;
    this.agenda.after(Math.max(at - this.agenda.now, 0), () => {
      if (alarm === this.#alarm && this.core?.number === core) this.inCore((supervisor) => supervisor.tick());
    });
  }

  #orderSpawn(service: Service, run: RunNumber): void {
    this.#mayDie("before a spawn");
    const { name } = service;
    for (const { name: needed, condition } of service.dependsOn) {
      const other = this.core?.supervisor.members.get(needed);
      if (this.core !== null && (other === undefined || !isMet(condition, other))) {
        throw new Broken(`${name} is started, but ${needed} is not ${condition}`);
      }
    }
    this.#toKeeper(() => {
      this.#lastRuns.set(name, run);
      const other = this.#alive.get(name);
      if (other !== undefined) throw new Broken(`second copy of ${name}: #${other.run} lives, #${run} is spawned`);
      if (this.mustStayDown.has(name)) throw new Broken(`${name} was stopped by a person and is started`);
      if (this.random.happens(this.weather.refuses / 2)) {
        const code = this.random.pick(["ENOENT", "EAGAIN"]);
        this.#toCore(() => this.inCore((supervisor) => supervisor.refused(name, run, code, code)));
        return;
      }
      this.#begin(service, run);
    });
    this.#mayDie("after a spawn");
  }

  #begin(service: Service, run: RunNumber): void {
    const { name, policy } = service;
    const process: SimProcess = {
      service: name,
      run,
      pid: this.#pid++,
      startedAt: this.agenda.now,
      graceMs: policy.stopGraceMs,
      firstSignalAt: null,
      signalled: null,
      isStopped: false,
      isAlive: true,
    };
    this.#alive.set(name, process);
    this.tell(`${name}#${run} is spawned`);
    this.#toCore(() => this.inCore((supervisor) => supervisor.spawned(process)));
    if (policy.restart !== "always") {
      const exit: Exit = { kind: "code", code: this.random.happens(this.weather.crashes) ? 1 : 0 };
      this.#endsLater(process, this.random.between(10, 3_000), exit);
    } else if (this.random.happens(this.weather.crashes)) {
      this.#endsLater(process, this.random.between(0, 20_000), { kind: "code", code: this.random.below(3) });
    }
  }

  #endsLater(process: SimProcess, ms: number, exit: Exit): void {
    this.agenda.after(ms, () => {
      if (process.isAlive) this.processEnds(process.service, exit);
    });
  }

  #orderSignal(service: string, run: RunNumber, signal: Signal): void {
    this.#mayDie("before a signal");
    const grace = this.core?.supervisor.members.get(service)?.service.policy.stopGraceMs ?? 0;
    this.#toKeeper(() => {
      const process = this.#alive.get(service);
      if (process?.run !== run) return; // Gone: the keeper sends nothing.
      if (signal !== "SIGTERM") return; // CONT and HUP ask nobody to end.
      process.firstSignalAt ??= this.agenda.now;
      process.signalled = signal;
      process.graceMs = Math.min(process.graceMs, grace);
      if (this.random.happens(this.weather.ignoresTerm)) return;
      this.#endsLater(process, this.random.between(0, 2_000), { kind: "signal", signal });
    });
  }

  #orderEnd(service: string, run: RunNumber): void {
    this.#mayDie("before an end");
    this.#toKeeper(() => {
      const process = this.#alive.get(service);
      if (process?.run !== run) return;
      const isKnown = this.plan.services.has(service);
      const grace = process.graceMs - LONGEST_DELAY_MS;
      const waited = process.firstSignalAt === null ? -1 : this.agenda.now - process.firstSignalAt;
      // After a takeover the stop signal may have been said again, and later than the deadline was set.
      // An order can also be lost with the keeper that should have heard it.
      const isLate = (waited < 0 && this.#keeperGeneration === 0) || (waited < grace && this.coresStarted === 1);
      if (isKnown && isLate) {
        throw new Broken(`KILL for ${service}#${run} ${Math.round(waited)} ms after its stop signal (grace ${grace})`);
      }
      this.processEnds(service, { kind: "signal", signal: "SIGKILL" });
    });
  }

  #noted(service: string, run: RunNumber): void {
    const key = `${service}#${run}`;
    if (!this.#ended.delete(key)) return;
    if (this.#seenExits.has(key)) throw new Broken(`the end of ${key} was reported twice`);
    this.#seenExits.add(key);
  }

  #probe(service: Service, run: RunNumber): void {
    if (this.random.happens(this.weather.probeHangs)) return;
    const { core } = this;
    const passed = !this.random.happens(this.weather.probeFails);
    this.agenda.after(this.random.between(1, 1_000), () => {
      if (this.core === null || this.core.number !== core?.number) return;
      this.inCore((supervisor) => supervisor.probed(service.name, run, { passed, detail: passed ? "ok" : "HTTP 503" }));
    });
  }

  #memory(): Memory {
    const lives = new Map<string, Life>();
    const services = new Map<string, Service>();
    const good = new Map<string, GoodRun>();
    const lastRuns = new Map<string, RunNumber>();
    let aside: readonly string[] = [];
    let held = nothingHeld;
    for (const entry of this.#journal) {
      switch (entry.kind) {
        case "life":
          lives.set(entry.service, entry.life);
          break;
        case "service":
          services.set(entry.service.name, entry.service);
          break;
        case "good":
          good.set(entry.name, entry.good);
          break;
        case "gone":
          lastRuns.set(entry.name, entry.lastRun);
          lives.delete(entry.name);
          services.delete(entry.name);
          good.delete(entry.name);
          break;
        case "aside":
          aside = entry.names;
          break;
        case "held":
          held = entry.held;
          break;
        case "settings":
          break;
        case "left":
          lives.clear();
          services.clear();
      }
    }
    if (this.#journal.length > 2_000) {
      this.#journal = [
        ...[...lastRuns].map(([name, lastRun]): JournalEntry => ({ kind: "gone", name, lastRun })),
        ...[...good].map(([name, run]): JournalEntry => ({ kind: "good", name, good: run })),
        ...[...services.values()].map((service): JournalEntry => ({ kind: "service", service })),
        ...[...lives].map(([service, life]): JournalEntry => ({ kind: "life", service, life })),
      ];
    }
    const noJobs = { jobs: new Map(), jobDefinitions: new Map(), lookedAt: null };
    return { lives, services, good, ...noJobs, lastRuns, aside, held, settings: null };
  }
}
