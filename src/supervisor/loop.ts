/**
 * The one loop: events of all services through the pure step, effects out through ports, one alarm.
 *
 *   event ──▶ queue ──▶ step ──▶ journal ──▶ effects ──▶ ports
 *               ▲                               │
 *               └── who waited for this? ◀──────┘
 *
 * Everything is synchronous: `drain` returns when the queue is empty and everybody concerned has been asked. What the
 * journal must know is written before an effect leaves.
 */
import type { Lease } from "../gpu/lease.ts";
import type { PastStart } from "../phase/eta.ts";
import type { Progress } from "../phase/progress.ts";
import { stepInWords } from "../phase/rule.ts";
import { diffServices } from "../plan/diff.ts";
import type { Service } from "../plan/plan.ts";
import type {
  Announcer,
  Chance,
  Clock,
  GoodRun,
  Gpus,
  Hooks,
  JobPorts,
  Journal,
  LastWords,
  Launch,
  Launcher,
  Prepared,
  Prober,
  Processes,
  RunningProcess,
  Starts,
  Wishes,
} from "../ports.ts";
import { Deadlines } from "../schedule/deadlines.ts";
import {
  deadline,
  type Effect,
  type Event,
  isEnding,
  type Life,
  type RunNumber,
  runOf,
  type State,
  step,
} from "../service/life.ts";
import { blockers, dependentsOf, endsBefore } from "./dependencies.ts";
import { claimOf, GpuLeases, leaseOf, noGpu } from "./gpu-leases.ts";

export interface Ports {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly processes: Processes;
  readonly launcher: Launcher;
  readonly prober: Prober;
  readonly journal: Journal;
  readonly wishes: Wishes;
  readonly hooks: Hooks;
  readonly announcer: Announcer;
  /** Absent: nobody can tell what a run said. */
  readonly lastWords?: LastWords;
  /** Absent: nobody watches how far starts are. */
  readonly starts?: Starts;
  /** Absent: services only. */
  readonly jobs?: JobPorts;
  /** Absent: nobody looks for GPUs, and what asks for one is SKIPPED. */
  readonly gpus?: Gpus;
}

/** One service under supervision. */
export interface Supervised {
  /** The definition in force. */
  service: Service;
  life: Life;
  /** The life that was announced last. */
  shown: Life;
  /** The present process, once the keeper has named it. */
  process: RunningProcess | null;
  /** The one before it; its pid is what the kernel's log speaks of. */
  lastProcess: RunningProcess | null;
  /** What the present run was started with; differs from `service` when a change needs no restart. */
  startedWith: Service | null;
  good: GoodRun | null;
  /** Gone from the plan: it ends and is then forgotten. */
  isRemoved: boolean;
  /** The launch that the keeper has not answered yet. */
  launch: Launch | null;
}

export class Loop {
  readonly members = new Map<string, Supervised>();
  /** Last run numbers of services that are gone. */
  readonly lastRuns = new Map<string, RunNumber>();
  /** `NAME#RUN` of runs that the keeper has and nobody knows any more: they are being ended, and svcd stays until they have. */
  readonly strays = new Set<string>();
  /** Services that became another than before; whoever waits for one looks, and takes it out. */
  readonly changed = new Set<string>();
  /** Who has which GPUs, jobs included. */
  readonly gpus: GpuLeases;
  readonly #ports: Ports;
  readonly #describe: (name: string) => string;
  readonly #onQuiet: () => void;
  readonly #onBug: (error: unknown) => void;
  readonly #deadlines = new Deadlines();
  readonly #queue: { readonly name: string; readonly event: Event }[] = [];
  readonly #toResolve = new Set<string>();
  /** Runs that must end once everything that depends on them has. */
  readonly #leaving = new Map<string, "stop" | "restart">();
  /** Members whose definition is another than the journal says. */
  readonly #unrecorded = new Set<string>();
  /** Members on their way out. */
  readonly #removed = new Set<string>();
  #dependents: ReadonlyMap<string, readonly string[]> = new Map();
  #essential: readonly Supervised[] = [];
  #isDraining = false;

  /**
   * `onBug`: something threw that never should; the core must end. `describe`: a service for somebody who waits for it. `onQuiet`:
   * everything that was known has been taken in.
   */
  constructor(ports: Ports, describe: (name: string) => string, onQuiet: () => void, onBug: (error: unknown) => void) {
    this.#ports = ports;
    this.#describe = describe;
    this.#onQuiet = onQuiet;
    this.#onBug = onBug;
    this.gpus = new GpuLeases(ports);
    this.gpus.heldBy(() => this.#eachOf(leaseOf));
    this.gpus.claimedBy(() =>
      this.#eachOf((name, member) => {
        const { service } = member;
        const isReady = (): boolean => this.blockersOf(service).length === 0;
        return claimOf(name, member, isReady, () => this.#gpuLimit(service));
      }),
    );
  }

  *#eachOf<Found>(find: (name: string, member: Supervised) => Found | null): Iterable<Found> {
    for (const [name, member] of this.members) {
      const found = find(name, member);
      if (found !== null) yield found;
    }
  }

  add(service: Service, life: Life): Supervised {
    const fresh = { process: null, lastProcess: null, startedWith: null, good: null, isRemoved: false, launch: null };
    const member: Supervised = { service, life, shown: life, ...fresh };
    this.members.set(service.name, member);
    this.changed.add(service.name);
    return member;
  }

  /**
   * The definition in force from now on. What follows from it (a start, a restart) is in the journal before it: a core that dies
   * in between leaves the definition new to the next one, which decides the same again.
   */
  define(member: Supervised, service: Service): void {
    member.service = service;
    this.#unrecorded.add(service.name);
  }

  /** It ends, after what depends on it, and is then forgotten. */
  remove(name: string): void {
    const member = this.members.get(name);
    if (member === undefined) return;
    member.isRemoved = true;
    this.#removed.add(name);
    this.#unrecorded.delete(name);
    this.#ports.journal.record({ kind: "removed", name });
    this.leave(name, "stop");
  }

  /** Everything that was known has been taken in. */
  get isQuiet(): boolean {
    return !this.#isDraining && this.#queue.length === 0;
  }

  enqueue(name: string, event: Event): void {
    this.#queue.push({ name, event });
  }

  /** Down (or down and up again), but only after everything that depends on it and goes down too. */
  leave(name: string, how: "stop" | "restart"): void {
    this.gpus.stale();
    this.#leaving.set(name, how);
    this.changed.add(name);
    this.enqueue(name, { type: how === "stop" ? "stop later" : "restart later" });
  }

  /** Up, whatever `leave` was asked before. */
  start(name: string): void {
    this.gpus.stale();
    this.#leaving.delete(name);
    this.enqueue(name, { type: "start" });
  }

  /** Services or their dependencies are others than before: who waits may wait for something else now. */
  definitionsChanged(): void {
    this.gpus.stale();
    this.#dependents = dependentsOf(this.members);
    this.#essential = [...this.members.values()].filter(({ service }) => service.essential);
    for (const [name, { life }] of this.members) {
      if (life.state.at === "waiting") this.#toResolve.add(name);
      this.#setDeadline(name);
    }
  }

  dependentsOf(name: string): readonly string[] {
    return this.#dependents.get(name) ?? [];
  }

  /** Who must end before this one may be signalled. */
  endsAfter(name: string): readonly string[] {
    return endsBefore(this.dependentsOf(name), this.members, this.#leaving);
  }

  /** An essential service that is wanted and will not run again by itself; null: there is none. */
  essentialEnd(): Supervised | null {
    const isOver = ({ life: { wanted, state } }: Supervised): boolean =>
      wanted === "up" && (state.at === "fatal" || state.at === "exited");
    return this.#essential.find((member) => !member.isRemoved && isOver(member)) ?? null;
  }

  /** What a start of something with these dependencies waits for, each a phrase. */
  blockersOf(service: Service): string[] {
    return blockers(service, this.members, this.#leaving, this.#describe);
  }

  /** A process that was started with another definition, and goes on after all, is restarted if nothing less will do. */
  bringUpToDate(name: string): void {
    const { life, service, startedWith } = this.members.get(name)!;
    if (life.state.at !== "starting" && life.state.at !== "running") return;
    if (startedWith !== null && diffServices(startedWith, service)?.restart === true) this.leave(name, "restart");
  }

  runs(name: string): boolean {
    const member = this.members.get(name);
    return member !== undefined && runOf(member.life.state) !== null;
  }

  tick(): void {
    for (const name of this.#deadlines.due(this.#ports.clock.now())) this.enqueue(name, { type: "tick" });
    this.drain();
  }

  drain(): void {
    if (this.#isDraining) return; // A port called back from within: the loop below goes on with it.
    this.#isDraining = true;
    try {
      this.#untilQuiet();
    } catch (error) {
      // A port threw: what is half done must not be gone on with. The core ends and the next one takes over; `isDraining`
      // stays set, so nothing runs on until then.
      this.#onBug(error);
      throw error;
    }
    this.#isDraining = false;
    for (const name of this.#unrecorded) this.#recordDefinition(name);
    this.#forgetRemoved();
    this.#ports.clock.wakeAt(this.#deadlines.next());
    this.#onQuiet();
  }

  #untilQuiet(): void {
    do {
      for (let item = this.#queue.shift(); item !== undefined; item = this.#queue.shift()) {
        this.#handle(item.name, item.event);
      }
      this.#letLeave();
      if (this.gpus.takeNews("services")) this.#resolveThoseForGpus();
      if (this.#queue.length === 0) this.#resolveOne();
    } while (this.#queue.length > 0 || this.#toResolve.size > 0 || this.gpus.hasNews("services"));
  }

  #handle(name: string, event: Event): void {
    const member = this.members.get(name);
    if (member === undefined) return;
    const { clock, chance, journal } = this.#ports;
    const before = member.life;
    const [after, effects] = step(before, event, clock.now(), member.service.policy, chance.next());
    if (after !== before) {
      member.life = after;
      // What it is blocked by, in words, changes nothing for others.
      if (before.state.at !== "waiting" || after.state.at !== "waiting") this.gpus.stale();
      this.#setDeadline(name);
      if (isWorthRecording(before, after)) {
        journal.record({ kind: "life", service: name, life: after });
        this.#recordDefinition(name);
      }
      this.#whenChanged(name, member, before);
    }
    for (const effect of effects) this.#do(name, member, effect);
    this.#show(name, member);
  }

  #recordDefinition(name: string): void {
    if (!this.#unrecorded.delete(name)) return;
    const service = this.members.get(name)?.service;
    if (service !== undefined) this.#ports.journal.record({ kind: "service", service });
  }

  /** Nobody need hear of the moment in which the supervisor itself looks what stands in the way. */
  #show(name: string, member: Supervised): void {
    const { life, shown } = member;
    const isPassing = life.state.at === "waiting" && life.state.blockers.length === 0;
    if (isPassing || !isVisible(shown, life)) return;
    member.shown = life;
    this.#ports.announcer.announce({ kind: "state", service: name, before: shown, after: life });
  }

  #whenChanged(name: string, member: Supervised, before: Life): void {
    const { life } = member;
    this.changed.add(name);
    const run = runOf(before.state);
    if (
      run !== null &&
      (runOf(life.state) !== run || (life.state.at === "clearing" && before.state.at !== "clearing"))
    ) {
      this.#ports.prober.forget(name, run);
      member.lastProcess = member.process;
      member.process = null;
      member.launch = null;
    }
    if (before.state.at === "starting" && life.state.at !== "starting") {
      this.#ports.starts?.over(name, before.state.run, howItStarted(before.state, life));
    }
    if (life.state.at === "waiting" && before.state.at !== "waiting") this.#toResolve.add(name);
    // Also of one that was started with some, whose lease is lost and whose file no longer asks: others wait for its end.
    const mayHaveHad = member.service.gpus !== undefined || member.startedWith?.gpus !== undefined;
    if (before.gpus !== undefined || mayHaveHad) this.#noteGpus(life, before);
    for (const dependent of this.#dependents.get(name) ?? []) {
      if (this.members.get(dependent)?.life.state.at === "waiting") this.#toResolve.add(dependent);
    }
  }

  /** Devices come free with a run, and with the wish to run again at once. */
  #noteGpus(life: Life, before: Life): void {
    const run = runOf(before.state);
    if (before.gpus !== undefined && run !== null && runOf(life.state) !== run) return this.gpus.released();
    const isBlockedOnly = life.state.at === "waiting" && before.state.at === "waiting" && life.gpus === undefined;
    if (life.wanted !== before.wanted || (isVisible(before, life) && !isBlockedOnly)) this.gpus.changed();
  }

  #setDeadline(name: string): void {
    const { life, service } = this.members.get(name)!;
    this.#deadlines.set(name, deadline(life, service.policy));
  }

  #do(name: string, member: Supervised, effect: Effect): void {
    const { processes, prober, hooks } = this.#ports;
    switch (effect.do) {
      case "spawn":
        return this.#spawn(name, member, effect.run);
      case "signal":
        return processes.signal(name, effect.run, effect.signal, effect.to);
      case "end":
        return processes.end(name, effect.run);
      case "probe":
        return prober.probe(member.service, effect.run, isNotReadyYet(member.life));
      case "watch":
        return this.#ports.starts?.watch(member.service, effect.run, effect.step);
      case "tell": {
        if (effect.what === "healthy") this.#noteGoodRun(name, member);
        const hook = member.service.on[effect.what];
        if (hook !== undefined) {
          hooks.run(hook, { service: member.service, what: effect.what, why: effect.why, run: member.life.lastRun });
        }
      }
    }
  }

  #spawn(name: string, member: Supervised, run: RunNumber): void {
    member.startedWith = member.service;
    const prepared = this.#prepare(name, member, run);
    if (prepared.kind === "refusal") {
      this.enqueue(name, { type: "refused", run, cause: prepared.cause, permanent: prepared.permanent });
      return;
    }
    member.launch = prepared.launch;
    this.#ports.processes.spawn(member.service, run, prepared.launch);
  }

  /** The file system can surprise; what nobody foresaw about one service must not touch the others. */
  #prepare(name: string, { service, life }: Supervised, run: RunNumber): Prepared {
    try {
      if (service.gpus !== undefined && life.gpus === undefined) {
        const choice = this.gpus.choose(name, service.gpus, this.#gpuLimit(service), life);
        const cause = choice.kind === "impossible" ? choice.why : "the GPUs it asks for were there a moment ago";
        return { kind: "refusal", cause, permanent: choice.kind === "impossible" };
      }
      const prepared = this.#ports.launcher.prepare(service, run, life.gpus);
      if (prepared.kind === "launch") {
        this.#ports.prober.began(service, run);
        this.#ports.starts?.began(service, run);
      }
      return prepared;
    } catch (error) {
      return { kind: "refusal", cause: `it cannot be prepared: ${(error as Error).message}`, permanent: false };
    }
  }

  #noteGoodRun(name: string, member: Supervised): void {
    member.good = { run: member.life.lastRun, service: member.startedWith ?? member.service };
    this.#ports.journal.record({ kind: "good", name, good: member.good });
  }

  /** One at a time, and only when all that is known has been taken in: a start rests on what is so. */
  #resolveOne(): void {
    const [name] = this.#toResolve;
    if (name === undefined) return;
    this.#toResolve.delete(name);
    this.#resolve(name);
  }

  #resolve(name: string): void {
    const member = this.members.get(name);
    if (member === undefined) return;
    const { service, life } = member;
    if (life.state.at !== "waiting") return;
    const reason = this.unmet(service);
    if (reason !== null) {
      this.enqueue(name, { type: "skip", reason });
      return;
    }
    const needed = this.blockersOf(service);
    const { gpus: ask } = service;
    const choice =
      needed.length > 0 || ask === undefined ? null : this.gpus.choose(name, ask, this.#gpuLimit(service), life);
    if (choice?.kind === "absent") {
      this.enqueue(name, { type: "skip", reason: noGpu(choice.why) });
      return;
    }
    const inTheWay = choice?.kind === "blocked" ? choice.by : needed;
    if (inTheWay.length > 0) {
      if (inTheWay.join() !== life.state.blockers.join()) this.enqueue(name, { type: "blocked", blockers: inTheWay });
    } else if (choice?.kind === "granted") this.enqueue(name, { type: "cleared", gpus: choice.lease });
    else this.enqueue(name, { type: "cleared" }); // What is impossible is told by the start.
  }

  /** What it would be given on a machine that nobody else uses; null: nothing, or nobody has looked yet. */
  gpusFor(service: Service): Lease | null {
    return service.gpus === undefined ? null : this.gpus.alone(service.gpus, this.#gpuLimit(service));
  }

  #gpuLimit(service: Service): string | null {
    return this.#ports.launcher.gpuLimit?.(service) ?? null;
  }

  /** Why this machine does not want the service; null: it does, as far as is known. */
  unmet(service: Service): string | null {
    const reason = this.#ports.launcher.unmet(service);
    if (reason !== null || service.gpus === undefined) return reason;
    return this.gpus.absence();
  }

  /** Who has waited longest goes first. */
  #resolveThoseForGpus(): void {
    const waiting = [...this.members].filter(
      ([, { life, service }]) => service.gpus !== undefined && life.state.at === "waiting",
    );
    for (const [name] of waiting.sort(([, a], [, b]) => a.life.since - b.life.since)) this.#toResolve.add(name);
  }

  #letLeave(): void {
    for (const [name, how] of this.#leaving) {
      if (!this.runs(name) || this.endsAfter(name).length === 0) this.#letOneLeave(name, how);
    }
    const [first] = this.#leaving;
    if (first === undefined || this.#queue.length > 0 || this.#isSomethingEnding()) return;
    // A ring can only come from files of different times (one of them broken); somebody must go first.
    this.#letOneLeave(...first);
  }

  #isSomethingEnding(): boolean {
    for (const { life } of this.members.values()) if (isEnding(life.state)) return true;
    return false;
  }

  #letOneLeave(name: string, how: "stop" | "restart"): void {
    this.gpus.stale();
    this.#leaving.delete(name);
    this.changed.add(name);
    if (this.runs(name) || how === "restart") this.enqueue(name, { type: how });
    for (const dependent of this.#dependents.get(name) ?? []) this.#toResolve.add(dependent);
  }

  #forgetRemoved(): void {
    for (const name of this.#removed) {
      const member = this.members.get(name);
      if (member?.isRemoved && (runOf(member.life.state) !== null || member.life.wanted === "up")) continue;
      this.#removed.delete(name);
      if (!member?.isRemoved) continue; // It came back before it was gone.
      this.members.delete(name);
      this.gpus.stale();
      this.changed.add(name);
      this.#deadlines.set(name, null);
      this.#dependents = dependentsOf(this.members);
      this.#ports.processes.forget(name);
      this.lastRuns.set(name, member.life.lastRun);
      this.#ports.journal.record({ kind: "gone", name, lastRun: member.life.lastRun });
      this.#ports.announcer.announce({ kind: "removed", service: name });
    }
  }
}

/** What the next core must know; when the next probe is due it need not, nor how far a start is to the percent. */
function isWorthRecording(before: Life, after: Life): boolean {
  if (isChanged(before, after) || before.streak !== after.streak || before.restartDue !== after.restartDue) return true;
  return progressOf(before)?.notedAt !== progressOf(after)?.notedAt;
}

/** What somebody who looks at `status` would see. */
function isVisible(before: Life, after: Life): boolean {
  const [was, is] = [progressOf(before), progressOf(after)];
  return isChanged(before, after) || (was !== is && (was && stepInWords(was.step)) !== (is && stepInWords(is.step)));
}

function isChanged(before: Life, after: Life): boolean {
  if (before.state.at !== after.state.at || before.lastRun !== after.lastRun || before.wanted !== after.wanted)
    return true;
  if (before.state.at === "waiting" && after.state.at === "waiting")
    return before.state.blockers !== after.state.blockers;
  if (before.state.at === "skipped" || isEnding(before.state)) return before.state !== after.state;
  return healthWords(before) !== healthWords(after);
}

function progressOf({ state }: Life): Progress | undefined {
  return state.at === "starting" ? state.progress : undefined;
}

function isNotReadyYet({ state }: Life): boolean {
  return (state.at === "starting" || state.at === "running") && state.health?.verdict === "starting";
}

/** Null: it did not become ready, or nothing is known of its way there. */
function howItStarted(start: Extract<State, { at: "starting" }>, { state, since }: Life): PastStart | null {
  if (state.at !== "running" || start.progress === undefined) return null;
  const phases = start.progress.phases.map(({ name, since: at }) => ({ name, afterMs: at - start.since }));
  return { phases, totalMs: since - start.since };
}

function healthWords({ state }: Life): string {
  if ((state.at !== "starting" && state.at !== "running") || state.health === null) return "";
  return `${state.health.verdict} ${state.health.detail}`;
}
