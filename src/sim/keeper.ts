/**
 * The keeper of the simulated world, and the processes that it is parent of. It obeys as the real one does and looks at each
 * order for what must never be ordered.
 */
import type { Service } from "../plan/plan.ts";
import type { EndedProcess, Inherited, RunningProcess } from "../ports.ts";
import type { Exit } from "../service/exit.ts";
import type { RunNumber } from "../service/life.ts";
import type { Signal } from "../service/policy.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { Agenda } from "./agenda.ts";
import type { Fate } from "./fate.ts";
import type { Fault } from "./faults.ts";
import { Broken } from "./invariants.ts";

/** What the keeper needs of the world around it. */
export interface Surroundings {
  readonly agenda: Agenda;
  readonly fate: Fate;
  tell(line: string): void;
  /** Asks fate and notes which service it struck in which state; null: the whole machine. */
  strikes(fault: Fault, service: string | null): boolean;
  /** A fault that was asked for earlier takes effect only now. */
  strikesNow(fault: Fault, service: string): void;
  /** A word to the core; lost if that core dies before it arrives. */
  toCore(service: string, hear: (supervisor: Supervisor) => void): void;
  ended(end: EndedProcess): void;
  /** No line of the core's journal is missing. */
  readonly isMemoryWhole: boolean;
}

export interface SimRun extends RunningProcess {
  readonly definition: Service;
  signalled: Signal | null;
  leaderLives: boolean;
  /** Something else of the run lives. */
  hasChildren: boolean;
  /** In state D: nothing ends before it thaws. */
  isFrozen: boolean;
  /** How its leader ends when the thaw comes, and whether all of it does. */
  pending: Exit | null;
  /** The keeper sends KILL to it again and again. */
  isEnding: boolean;
  /** Its parent is gone: nobody can learn how it ends. */
  isAdopted: boolean;
}

const LONGEST_FREEZE_MS = 120_000;
/** So soon the keeper looks whether KILL worked, and so late it tells that it did not. */
const LOOKS_WITHIN_MS = 250;
const TELLS_SURVIVORS_AFTER_MS = 1_000;

export class SimKeeper {
  /** How many keepers there were before this one. */
  generation = 0;
  /** The status to end with; null: nobody asked for that. */
  stopping: number | null = null;
  readonly #around: Surroundings;
  /** One for each service: nothing new starts while something of the last run lives. */
  readonly #runs = new Map<string, SimRun>();
  readonly #ended = new Map<string, EndedProcess>();
  readonly #lastRuns = new Map<string, RunNumber>();
  readonly #everBegun = new Set<string>();
  readonly #noted = new Set<string>();
  #hadCore = false;
  #isGone = false;
  #noForkUntil = 0;
  #pid = 100;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  // What the world sees.

  run(service: string): SimRun | undefined {
    return this.#runs.get(service);
  }

  get runs(): ReadonlyMap<string, SimRun> {
    return this.#runs;
  }

  /** Ends that no core has noted. */
  get unnoted(): readonly EndedProcess[] {
    return [...this.#ended.values()];
  }

  // Keepers and cores come and go.

  /** Its first word to a core that comes up. */
  greets(): Inherited {
    const inherited: Inherited = {
      sameKeeper: this.#hadCore,
      live: [...this.#runs.values()].filter(({ leaderLives }) => leaderLives).map((run) => ({ ...run })),
      ended: [...this.#ended.values()],
      uncleared: [...this.#runs.values()].filter(({ leaderLives }) => !leaderLives),
      stopping: this.stopping,
      lastRuns: Object.fromEntries(this.#lastRuns),
    };
    this.#hadCore = true;
    return inherited;
  }

  /** Services go on; those that end now end unseen. */
  dies(): void {
    this.generation++;
    this.#isGone = true;
    this.#hadCore = false;
    this.stopping = null;
    this.#noForkUntil = 0;
    this.#ended.clear();
    this.#noted.clear();
    this.#lastRuns.clear();
    for (const run of this.#runs.values()) Object.assign(run, { isAdopted: true, signalled: null, isEnding: false });
  }

  /** The next one adopts what lives, and tells the end of what does not. */
  comesUp(): void {
    if (!this.#isGone) return;
    this.#isGone = false;
    for (const run of [...this.#runs.values()]) {
      this.#lastRuns.set(run.service, run.run);
      if (!run.leaderLives) this.#tellsEnd(run, { kind: "unknown" });
    }
  }

  // What the core orders.

  spawn(service: Service, run: RunNumber): void {
    const { name } = service;
    const key = `${name}#${run}`;
    const other = this.#runs.get(name);
    if (other !== undefined) {
      // The keeper's own guard, for a core that lost what it knew; any other core must not even ask.
      if (!this.#around.isMemoryWhole) {
        this.end(name, other.run);
        return this.#refuse(service, run, "EALREADY");
      }
      const what = other.leaderLives ? "lives" : "has left something that lives";
      throw new Broken(1, `#${other.run} of ${name} ${what}, and #${run} is spawned`);
    }
    // Where both a keeper and lines of the journal were lost, nobody may know a number any more.
    const isKnown = this.#around.isMemoryWhole || this.generation === 0;
    if (isKnown && this.#everBegun.has(key)) throw new Broken(7, `the number of ${key} is used twice`);
    this.#lastRuns.set(name, run);
    if (this.#around.agenda.now < this.#noForkUntil) return this.#refuse(service, run, "EAGAIN");
    if (this.#around.strikes("no process to spare", name)) {
      this.#noForkUntil = this.#around.agenda.now + this.#around.fate.of("forks").between(0, 5_000);
      return this.#refuse(service, run, "EAGAIN");
    }
    if (this.#around.strikes("program missing", name)) return this.#refuse(service, run, "ENOENT");
    this.#everBegun.add(key);
    this.#begin(service, run);
  }

  #refuse({ name }: Service, run: RunNumber, code: string): void {
    this.#around.tell(`${name}#${run} is refused (${code})`);
    this.#around.toCore(name, (supervisor) => supervisor.refused(name, run, code, code));
  }

  signal(service: string, run: RunNumber, signal: Signal): void {
    const process = this.#runs.get(service);
    if (process?.run !== run || !process.leaderLives) return; // Gone: nothing is sent.
    if (signal === "SIGCONT") return;
    process.signalled = signal;
    if (signal === "SIGHUP" || signal === "SIGUSR1") return; // Nobody is asked to end.
    this.#around.tell(`${service}#${run} gets ${signal}`);
    if (this.#around.strikes("freezes", service)) this.#freeze(process);
    if (this.#around.strikes("ignores the stop signal", service)) return;
    this.#endsLater(process, this.#around.fate.of("stopping").between(0, 2_000), { kind: "signal", signal });
  }

  /** KILL for all of it, again and again until nothing is left. */
  end(service: string, run: RunNumber): void {
    const process = this.#runs.get(service);
    if (process?.run !== run) return;
    this.#kill(process);
    if (process.isEnding) return;
    process.isEnding = true;
    const { agenda, fate } = this.#around;
    agenda.after(fate.of("looking").between(1, LOOKS_WITHIN_MS), () => this.#looksAgain(process));
    agenda.after(TELLS_SURVIVORS_AFTER_MS, () => {
      if (!this.#isStill(process)) return;
      this.#around.tell(`${service}#${run} does not die of KILL`);
      const survivors = [`pid ${process.pid} (x), state D`];
      this.#around.toCore(service, (supervisor) => supervisor.survived(service, run, survivors));
    });
  }

  #kill(process: SimRun): void {
    const exit: Exit = { kind: "signal", signal: "SIGKILL" };
    if (process.isFrozen) {
      process.pending = exit;
      return;
    }
    // Whatever of it hangs in the kernel stays behind its leader.
    process.hasChildren = process.leaderLives && this.#around.strikes("freezes", process.service);
    if (process.leaderLives) this.#leaderEnds(process, exit);
    if (process.hasChildren) this.#freeze(process);
  }

  /** Until nothing is left; then the core is told, and the run is forgotten. */
  #looksAgain(process: SimRun): void {
    if (!this.#isStill(process)) return;
    this.#kill(process);
    if (process.leaderLives || process.hasChildren) {
      const ms = this.#around.fate.of("looking").between(1, LOOKS_WITHIN_MS);
      this.#around.agenda.after(ms, () => this.#looksAgain(process));
      return;
    }
    const { service, run } = process;
    this.#runs.delete(service);
    const ended = this.#ended.get(`${service}#${run}`);
    if (ended !== undefined) this.#ended.set(`${service}#${run}`, { ...ended, isClear: true });
    this.#around.tell(`nothing is left of ${service}#${run}`);
    this.#around.toCore(service, (supervisor) => supervisor.gone(service, run));
  }

  #isStill(process: SimRun): boolean {
    return this.#runs.get(process.service) === process && process.isEnding;
  }

  noted(service: string, run: RunNumber): void {
    const key = `${service}#${run}`;
    if (!this.#ended.delete(key)) return;
    if (this.#noted.has(key)) throw new Broken(7, `the end of ${key} was told twice`);
    this.#noted.add(key);
  }

  // What processes do.

  #begin(definition: Service, run: RunNumber): void {
    const { name, policy } = definition;
    const { agenda, fate } = this.#around;
    const process: SimRun = {
      service: name,
      run,
      definition,
      pid: this.#pid++,
      startedAt: agenda.now,
      signalled: null,
      leaderLives: true,
      hasChildren: false,
      isFrozen: false,
      isEnding: false,
      pending: null,
      isAdopted: false,
    };
    this.#runs.set(name, process);
    this.#around.tell(`${name}#${run} is spawned`);
    const { pid, startedAt } = process;
    this.#around.toCore(name, (supervisor) => supervisor.spawned({ service: name, run, pid, startedAt }));
    const lives = fate.of("lives");
    const crashes = fate.happens("crashes");
    if (policy.restart !== "always") {
      this.#endsByItself(process, lives.between(10, 3_000), { kind: "code", code: crashes ? 1 : 0 });
    } else if (crashes) {
      this.#endsByItself(process, lives.next() ** 2 * 20_000, { kind: "code", code: lives.below(3) });
    }
    if (fate.happens("freezes")) {
      agenda.after(lives.between(0, 5_000), () => {
        if (!process.leaderLives || fate.isCalm) return;
        this.#around.strikesNow("freezes", name);
        this.#freeze(process);
      });
    }
  }

  #endsByItself(process: SimRun, ms: number, exit: Exit): void {
    this.#around.agenda.after(ms, () => {
      if (process.leaderLives && exit.kind === "code" && exit.code > 0)
        this.#around.strikesNow("crashes", process.service);
      this.leaderEnds(process, exit);
    });
  }

  #endsLater(process: SimRun, ms: number, exit: Exit): void {
    this.#around.agenda.after(ms, () => this.leaderEnds(process, exit));
  }

  /** By itself, of a signal, or at the hands of somebody who is not svcd. */
  leaderEnds(process: SimRun, exit: Exit): void {
    if (!process.leaderLives) return;
    if (process.isFrozen) {
      process.pending ??= exit;
      return;
    }
    process.hasChildren = this.#around.strikes("leaves children", process.service);
    this.#leaderEnds(process, exit);
    if (!process.hasChildren) return;
    const children = this.#around.fate.of("children");
    if (children.happens(0.3) && this.#around.strikes("freezes", process.service)) this.#freeze(process);
    // Half of them end by themselves in the end; nobody need have told them.
    else if (children.happens(0.5)) {
      this.#around.agenda.after(children.between(0, 30_000), () => {
        if (!process.isFrozen) process.hasChildren = false;
      });
    }
  }

  #leaderEnds(process: SimRun, exit: Exit): void {
    const { service, run, hasChildren } = process;
    process.leaderLives = false;
    this.#around.tell(`${service}#${run} ends (${shown(exit)})${hasChildren ? ", something of it lives on" : ""}`);
    if (!this.#isGone) this.#tellsEnd(process, process.isAdopted ? { kind: "unknown" } : exit);
  }

  #tellsEnd(process: SimRun, exit: Exit): void {
    const { service, run } = process;
    const ended: EndedProcess = { service, run, exit, isClear: !process.hasChildren };
    this.#ended.set(`${service}#${run}`, ended);
    this.#around.ended(ended);
    if (ended.isClear) this.#runs.delete(service);
    this.#around.toCore(service, (supervisor) => supervisor.exited(ended));
  }

  #freeze(process: SimRun): void {
    const { agenda, fate } = this.#around;
    if (process.isFrozen || fate.isCalm) return;
    process.isFrozen = true;
    this.#around.tell(`${process.service}#${process.run} is in state D`);
    agenda.after(fate.of("freezing").between(0, LONGEST_FREEZE_MS), () => this.#thaw(process));
  }

  #thaw(process: SimRun): void {
    if (!process.isFrozen) return;
    process.isFrozen = false;
    const { pending } = process;
    if (pending === null) return;
    const isKilled = pending.kind === "signal" && pending.signal === "SIGKILL";
    if (isKilled) process.hasChildren = false;
    if (!process.leaderLives) return;
    if (isKilled) this.#leaderEnds(process, pending);
    else this.leaderEnds(process, pending);
  }

  /** Disks and drivers answer again. */
  thawAll(): void {
    for (const process of [...this.#runs.values()]) this.#thaw(process);
  }
}

function shown(exit: Exit): string {
  return exit.kind === "code" ? `exit ${exit.code}` : exit.kind === "signal" ? exit.signal : "unseen";
}
