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
import { SimGpus } from "./gpus.ts";
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
  readonly gpus = new SimGpus(this);
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
    const run = this.keeper.run(service);
    if (run !== undefined) this.keeper.leaderEnds(run, exit);
  }
}
