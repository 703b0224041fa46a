/**
 * The world around one core, in memory and from a seed: a keeper with processes, a journal, files, people's wishes, probes.
 * It keeps the contracts of `ports.ts` as the real one does, with the real one's weather: words arrive late, a core dies
 * between any two of its actions, a keeper dies and the next one adopts, a disk takes no more lines, programs ignore
 * signals, cannot be executed, crash, hang.
 *
 * What must always be so is looked at where it happens (`Broken`), not afterwards.
 */
import type { Plan, Service } from "../plan/plan.ts";
import { nothingHeld } from "../plan/vanished.ts";
import type {
  EndedProcess,
  GoodRun,
  Inherited,
  JournalEntry,
  Launch,
  Memory,
  News,
  Prepared,
  RunningProcess,
  Wish,
} from "../ports.ts";
import { noWish, OperatorError } from "../ports.ts";
import type { Exit } from "../service/exit.ts";
import type { Life, RunNumber } from "../service/life.ts";
import type { Signal } from "../service/policy.ts";
import { isMet } from "../supervisor/dependencies.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { Agenda } from "./agenda.ts";
import type { Random } from "./random.ts";

/** An invariant does not hold. */
export class Broken extends Error {}
/** Thrown out of a port: the core was killed at this very point. */
class Killed extends Error {}

/** How bad the weather is; each a probability at each occasion. */
export interface Weather {
  readonly coreDies: number;
  readonly journalFails: number;
  readonly wishFails: number;
  readonly refuses: number;
  readonly ignoresTerm: number;
  readonly crashes: number;
  readonly probeFails: number;
  readonly probeHangs: number;
}

export const fairWeather: Weather = {
  coreDies: 0,
  journalFails: 0,
  wishFails: 0,
  refuses: 0,
  ignoresTerm: 0,
  crashes: 0,
  probeFails: 0,
  probeHangs: 0,
};

interface SimProcess extends RunningProcess {
  /** The grace in force when it was first signalled. */
  graceMs: number;
  firstSignalAt: number | null;
  signalled: Signal | null;
  isStopped: boolean;
  isAlive: boolean;
}

const launch: Launch = { argv: ["x"], file: "/x", cwd: "/", env: {}, umask: null, uid: null };
/** A message between keeper and core takes up to this long. */
const LONGEST_DELAY_MS = 5;

export class World {
  readonly agenda = new Agenda();
  readonly random: Random;
  weather: Weather;
  plan: Plan;
  core: { readonly supervisor: Supervisor; readonly number: number } | null = null;
  hasLeft = false;
  /** What happened, newest last; the tail is shown when something is broken. */
  readonly story: string[] = [];
  /** Services a person stopped or disabled (as acknowledged) and nobody asked for since. */
  readonly mustStayDown = new Set<string>();
  skipped = new Set<string>();
  coresStarted = 0;

  #alarm = 0;
  #keeperIsNew = true;
  #stopping: number | null = null;
  readonly #alive = new Map<string, SimProcess>();
  readonly #ended = new Map<string, EndedProcess>();
  #journal: JournalEntry[] = [];
  readonly #wishes = new Map<string, Wish>();
  #pid = 100;
  readonly #lastRuns = new Map<string, RunNumber>();
  readonly #seenExits = new Set<string>();
  /** Messages keep their order in each direction. */
  #toKeeperAt = 0;
  #toCoreAt = 0;

  constructor(random: Random, plan: Plan, weather: Weather) {
    this.random = random;
    this.plan = plan;
    this.weather = weather;
  }

  tell(line: string): void {
    this.story.push(`${Math.round(this.agenda.now)} ${line}`);
    if (this.story.length > 4_000) this.story.splice(0, 2_000);
  }

  get living(): readonly SimProcess[] {
    return [...this.#alive.values()];
  }

  process(service: string): SimProcess | undefined {
    return this.#alive.get(service);
  }

  // The core comes and goes.

  startCore(): void {
    const number = ++this.coresStarted;
    this.tell(`core ${number} starts`);
    const inherited: Inherited = {
      sameKeeper: !this.#keeperIsNew,
      live: this.living,
      ended: [...this.#ended.values()],
      uncleared: [],
      stopping: this.#stopping,
      lastRuns: Object.fromEntries(this.#lastRuns),
    };
    this.#keeperIsNew = false;
    this.core = { supervisor: this.#makeSupervisor(number), number };
    this.inCore((supervisor) => {
      supervisor.inherit(this.#memory(), inherited, this.plan);
      if (this.#stopping === null) supervisor.apply(this.plan, null, "start");
    });
  }

  killCore(why: string): void {
    if (this.core === null || this.hasLeft) return;
    this.tell(`core ${this.core.number} is killed: ${why}`);
    this.core = null;
    // What it had said to the keeper still arrives until the next one starts; what the keeper says to it is lost.
    this.agenda.after(this.random.between(1, 200), () => {
      if (this.core === null && !this.hasLeft) this.startCore();
    });
  }

  /** The keeper dies, and the core with it; services go on, those that end meanwhile end unseen. */
  killKeeper(): void {
    if (this.hasLeft) return;
    this.tell("keeper is killed");
    this.core = null;
    this.#keeperIsNew = true;
    this.#ended.clear();
    this.#stopping = null;
    this.#keeperGeneration++;
    this.agenda.after(this.random.between(10, 5_000), () => {
      if (this.core === null && !this.hasLeft) this.startCore();
    });
  }
  #keeperGeneration = 0;

  /** Does something with the living core; where it dies in the middle, the next one comes up. */
  inCore(act: (supervisor: Supervisor) => void): void {
    if (this.core === null) return;
    try {
      act(this.core.supervisor);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.killCore(error.message);
    }
  }

  shutdown(): void {
    this.tell("asked to shut down");
    this.#stopping ??= 0;
    this.inCore((supervisor) => supervisor.shutdown());
  }

  get isStopping(): boolean {
    return this.#stopping !== null;
  }

  // Processes do what processes do.

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
        case "removed":
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
    return { lives, services, good, lastRuns, removed: [], aside, held, settings: null };
  }
}
