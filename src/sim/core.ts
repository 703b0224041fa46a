/**
 * One core in the simulated world: a supervisor and its ports. It can be killed before and after everything it does that
 * anybody outside could notice; what it does is held against what it may do.
 */
import type { Step } from "../phase/rule.ts";
import type { Service } from "../plan/plan.ts";
import type { JournalEntry, Launch, News, Prepared, Wishes } from "../ports.ts";
import { type RunNumber, runOf } from "../service/life.ts";
import type { Signal } from "../service/policy.ts";
import { isMet } from "../supervisor/dependencies.ts";
import type { Ports } from "../supervisor/loop.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { Broken } from "./invariants.ts";
import type { World } from "./world.ts";

/** Thrown out of a port: the core was killed at this very point. */
export class Killed extends Error {}

const launch: Launch = { argv: ["x"], file: "/x", cwd: "/", env: {}, umask: null, uid: null };
const PHASES = ["download", "load", "capture"];
/** The prober's own promise. */
const ANSWER_SLACK_MS = 5_000;

export type MakeSupervisor = (ports: Ports) => Supervisor;

export class SimCore {
  readonly supervisor: Supervisor;
  readonly number: number;
  /** When its alarm will ring; null: it is not set. */
  alarmAt: number | null = null;
  readonly #world: World;
  readonly #wishes: Wishes;
  #alarm = 0;
  /** What is written together, later. */
  #gathered: JournalEntry[] | null = null;
  readonly #watched = new Map<string, RunNumber>();

  constructor(world: World, number: number, make: MakeSupervisor) {
    this.#world = world;
    this.number = number;
    this.#wishes = world.wishes.open((service) => world.strikes("wish not kept", service));
    this.supervisor = make(this.#ports());
  }

  /** Every port action is a point at which the core can die. */
  #act(what: string, act: () => void): void {
    if (this.#world.strikes("core dies", null)) throw new Killed(`before ${what}`);
    act();
    if (this.#world.strikes("core dies", null)) throw new Killed(`after ${what}`);
  }

  #ports(): Ports {
    const world = this.#world;
    const { agenda, fate } = world;
    return {
      clock: {
        now: () => agenda.now,
        wallTime: () => new Date(world.wallNow),
        wakeAt: (at) => this.#wakeAt(at),
      },
      chance: fate.of("jitter"),
      processes: {
        spawn: (service, run) => this.#spawn(service, run),
        signal: (service, run, signal) => this.#signal(service, run, signal),
        end: (service, run) => this.#end(service, run),
        noted: (service, run) =>
          this.#act(`noting ${service}#${run}`, () => world.toKeeper((keeper) => keeper.noted(service, run))),
        logsChanged: () => {},
        forget: (service) => this.#act(`forgetting ${service}`, () => {}),
        stopping: (status) =>
          this.#act("saying that all shall stop", () => world.toKeeper((keeper) => (keeper.stopping ??= status))),
        leave: () => this.#act("leaving", () => world.toKeeper(() => world.leaves())),
      },
      launcher: {
        prepare: ({ name }, run, gpus) => {
          world.gpus.given(name, run, gpus);
          return this.#prepare(name);
        },
        explainRefusal: (_launch, code) => ({ cause: code, permanent: code === "ENOENT" }),
        unmet: ({ name }) => (world.unmet.has(name) ? "not for this machine" : null),
      },
      starts: {
        began: () => {},
        watch: (service, run, step) => this.#watch(service, run, step),
        over: (service, run) => {
          if (this.#watched.get(service) === run) this.#watched.delete(service);
        },
        past: () => [],
      },
      prober: { began: () => {}, probe: (service, run) => this.#probe(service, run), forget: () => {} },
      journal: {
        record: (entry) => {
          if (this.#gathered === null) this.#act(`recording ${entry.kind}`, () => this.#record(entry));
          else this.#gathered.push(entry);
        },
        together: (act) => {
          const gathered: JournalEntry[] = [];
          this.#gathered = gathered;
          act();
          this.#gathered = null;
          // A core can die with a part of it on the disk.
          for (const entry of gathered) this.#act(`recording ${entry.kind}`, () => this.#record(entry));
        },
      },
      wishes: {
        of: (service) => this.#wishes.of(service),
        save: (changes) => this.#act("keeping a wish", () => this.#wishes.save(changes)),
      },
      gpus: world.gpus.port(this),
      hooks: { run: () => {} },
      announcer: { announce: (news) => this.#announce(news) },
    };
  }

  #announce(news: News): void {
    if (news.kind === "state" && news.before.state.at !== news.after.state.at) {
      this.#world.tell(`  ${news.service}: ${news.before.state.at} → ${news.after.state.at}`);
    }
  }

  #wakeAt(at: number | null): void {
    const alarm = ++this.#alarm;
    const { agenda } = this.#world;
    this.alarmAt = at;
    if (at === null) return;
    agenda.after(Math.max(at - agenda.now, 0), () => {
      if (alarm !== this.#alarm) return;
      this.alarmAt = null;
      this.#world.inCore((supervisor) => supervisor.tick(), this);
    });
  }

  #record(entry: JournalEntry): void {
    const world = this.#world;
    const name = entry.kind === "life" ? entry.service : entry.kind === "service" ? entry.service.name : null;
    // What the disk did not take may be known all the same: a check of the core must not rest on the disk.
    if (world.strikes("journal line lost", name)) {
      world.journal.isHurt = true;
      world.lives.journalIsHurt();
    } else world.journal.append(entry);
    if (entry.kind === "life")
      world.lives.recorded(entry.service, entry.life, world.agenda.now, this.supervisor.members);
    if (entry.kind === "gone") world.lives.gone(entry.name);
  }

  #prepare(name: string): Prepared {
    if (!this.#world.strikes("start refused", name)) return { kind: "launch", launch };
    const permanent = this.#world.fate.of("refusals").happens(0.3);
    return { kind: "refusal", cause: permanent ? "no such program" : "out of memory", permanent };
  }

  #spawn(service: Service, run: RunNumber): void {
    const { name } = service;
    this.#act(`spawning ${name}#${run}`, () => {
      this.#mayStart(service);
      this.#world.ordered.set(name, Math.max(run, this.#world.ordered.get(name) ?? 0));
      this.#world.toKeeper((keeper) => {
        this.#world.gpus.mayBegin(name, run);
        keeper.spawn(service, run);
      });
    });
  }

  #mayStart({ name, dependsOn }: Service): void {
    for (const dependency of dependsOn) {
      const { name: needed, condition } = dependency;
      const other = this.supervisor.members.get(needed);
      if (other === undefined || !isMet(dependency, other))
        throw new Broken(9, `${name} is started, but ${needed} is not ${condition}`);
    }
    if (this.#world.staysDown(name)) throw new Broken(3, `${name} was stopped by a person and is started`);
  }

  #signal(service: string, run: RunNumber, signal: Signal): void {
    this.#act(`${signal} for ${service}#${run}`, () => {
      this.#isOurs(service, run, signal);
      const member = this.supervisor.members.get(service);
      if (signal === member?.service.policy.stopSignal) this.#world.stopSaid.add(`${service}#${run}`);
      this.#world.toKeeper((keeper) => keeper.signal(service, run, signal));
    });
  }

  #end(service: string, run: RunNumber): void {
    this.#act(`KILL for ${service}#${run}`, () => {
      this.#isOurs(service, run, "SIGKILL");
      this.#isTime(service, run);
      this.#world.toKeeper((keeper) => keeper.end(service, run));
    });
  }

  /** 2 */
  #isOurs(service: string, run: RunNumber, signal: Signal): void {
    const known = this.supervisor.members.get(service)?.life.lastRun ?? 0;
    const highest = Math.max(known, this.#world.ordered.get(service) ?? 0, this.#world.keeper.run(service)?.run ?? 0);
    if (run > highest) throw new Broken(2, `${signal} for ${service}#${run}, which was never begun`);
  }

  /** 8: a leader that lives, of a run that this core knows, was asked first and given time. */
  #isTime(service: string, run: RunNumber): void {
    const world = this.#world;
    const process = world.keeper.run(service);
    if (process?.run !== run || !process.leaderLives) return;
    const member = this.supervisor.members.get(service);
    if (member === undefined || runOf(member.life.state) !== run) return;
    if (!world.stopSaid.has(`${service}#${run}`)) throw new Broken(8, `KILL for ${service}#${run} and no stop signal`);
    const at = world.lives.killNotBefore(service, run);
    if (at !== null && world.agenda.now < at)
      throw new Broken(
        8,
        `KILL for ${service}#${run} ${Math.round(at - world.agenda.now)} ms before its grace is over`,
      );
  }

  #probe({ name, policy }: Service, run: RunNumber): void {
    const world = this.#world;
    const { fate, agenda } = world;
    const timeoutMs = policy.health?.timeoutMs ?? 1_000;
    if (world.strikes("probe hangs", name)) {
      agenda.after(timeoutMs, () => {
        if (world.core === this) world.lives.probeFailed(name, run, this.#retriesOf(name));
      });
      return;
    }
    const passed = !world.strikes("probe fails", name);
    const isLate = world.strikes("probe is late", name);
    const takesMs = fate.of("probes").between(1, timeoutMs) + (isLate ? ANSWER_SLACK_MS - 1 : 0);
    agenda.after(takesMs, () => {
      if (world.core !== this) return;
      const result = { passed, detail: passed ? "ok" : "HTTP 503" };
      if (!passed && !this.#isExcused(name, run)) world.lives.probeFailed(name, run, this.#retriesOf(name));
      const isHeard = world.inCore((supervisor) => supervisor.probed(name, run, result));
      // A core that died over a good answer may not have noted it.
      if (isHeard && passed) world.lives.probePassed(name, run);
    });
  }

  /** It goes through its phases, and then counts on, until it is ready, ends, or has nothing more to say. */
  #watch({ name, policy }: Service, run: RunNumber, step: Step | null): void {
    if (this.#watched.get(name) === run) return;
    this.#watched.set(name, run);
    this.#saysNext(name, run, policy.stallMs ?? 1_000, step === null ? 0 : step.done! + 1);
  }

  #saysNext(name: string, run: RunNumber, stallMs: number, done: number): void {
    const world = this.#world;
    world.agenda.after(world.fate.of("progress").between(stallMs / 20, stallMs / 2), () => {
      if (world.core !== this || this.#watched.get(name) !== run) return;
      if (world.strikes("start stalls", name)) return;
      const step = {
        phase: PHASES[Math.min(done, PHASES.length - 1)]!,
        done,
        total: 1_000,
        percent: null,
        bytes: null,
      };
      const isHeard = world.inCore((supervisor) =>
        supervisor.progressed(name, run, { step, moved: true, stallMs: null }),
      );
      if (isHeard) world.lives.movedOn(name, run, world.agenda.now);
      this.#saysNext(name, run, stallMs, done + 1);
    });
  }

  #retriesOf(name: string): number {
    return this.supervisor.members.get(name)?.service.policy.health?.retries ?? Number.POSITIVE_INFINITY;
  }

  /** In the start period, before the first success, a failure is no failure. */
  #isExcused(name: string, run: RunNumber): boolean {
    const member = this.supervisor.members.get(name);
    const state = member?.life.state;
    if (state?.at !== "starting" && state?.at !== "running") return true;
    if (state.run !== run || state.health === null) return true;
    const startPeriodMs = member?.service.policy.health?.startPeriodMs ?? 0;
    if (state.health.verdict !== "starting") return false;
    const { now } = this.#world.agenda;
    const stallMs = member?.service.policy.stallMs;
    const movesOn = state.at === "starting" && state.progress !== undefined && stallMs !== undefined;
    return now - state.health.since < startPeriodMs || (movesOn && now - state.progress.at < stallMs);
  }
}
