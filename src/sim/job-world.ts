/**
 * A small world for jobs: two clocks, a keeper with processes, a journal that the machine forgets, a history that it keeps.
 * Time is lived through happening by happening, in a fixed order, so a story can be told again and its core, keeper or machine
 * killed at any one of its actions.
 *
 * What must always be so is looked at where it happens (`Broken`); `settle` looks at the accounts: every due time has one run
 * or one record that says why not, and every process has one record of its end.
 */
import type { JobDefinition, NotificationEvent } from "../plan/job.ts";
import type { Plan, Service } from "../plan/plan.ts";
import { nothingHeld } from "../plan/vanished.ts";
import {
  type EndedProcess,
  type Inherited,
  type JobMark,
  type JobMemory,
  type JournalEntry,
  type Launch,
  type Memory,
  type News,
  noWish,
  type Prepared,
  type RunningProcess,
} from "../ports.ts";
import type { Cause } from "../schedule/run.ts";
import { jobRunOf } from "../schedule/run-name.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import { slotsOf } from "../schedule/timetable.ts";
import type { Exit } from "../service/exit.ts";
import type { Life, RunNumber } from "../service/life.ts";
import type { Signal } from "../service/policy.ts";
import { Supervisor } from "../supervisor/supervisor.ts";

/** A promise does not hold. */
export class Broken extends Error {}

/** Thrown out of a port: killed at this very point. */
class Killed extends Error {}

export interface Kill {
  readonly what: "core" | "keeper" | "machine";
  /** Counted over all actions of all cores. */
  readonly atAction: number;
  readonly moment: "before" | "after";
  /** Whether what the core had said to the keeper by then is heard. */
  readonly ordersArrive: boolean;
}

/** What a process does. */
export interface Behaviour {
  readonly lastsMs: number;
  readonly code?: number;
  readonly ignoresTerm?: boolean;
}

interface JobProcess extends RunningProcess {
  readonly launch: Launch;
  signalled: Signal | null;
}

export interface Spawned {
  readonly job: string;
  readonly run: RunNumber;
  readonly cause: Cause;
  readonly at: number;
}

interface Happening {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

const DOWN_MS = { core: 5, keeper: 50, machine: 40_000 } as const;
/** 2026-01-05, a Monday, half a minute before noon. */
const BEGIN = Date.UTC(2026, 0, 5, 11, 59, 30);

export class JobWorld {
  now = 1_000_000;
  plan: Plan;
  behaves: (job: string, cause: Cause) => Behaviour = () => ({ lastsMs: 5_000 });
  /** Why a run of this job cannot be prepared; null: it can. */
  refuses: (job: string) => string | null = () => null;
  unmet: (service: string) => string | null = () => null;
  supervisor: Supervisor | null = null;
  kill: Kill | null = null;
  actions = 0;
  /** What was done, in order, for a story that breaks. */
  readonly story: string[] = [];
  readonly spawned: Spawned[] = [];
  readonly records: RunRecord[] = [];
  readonly told: string[] = [];
  readonly news: News[] = [];
  hasLeft = false;
  /** The times for which svcd was in charge of a job, as far as the disk knew. */
  readonly #charge = new Map<string, { readonly from: number; until: number }[]>();
  /** The most starts and records that one call of the core made. */
  mostInOneCall = 0;
  mostAlive = 0;
  flushes = 0;
  #offset = BEGIN - 1_000_000;
  #boot = 1;
  #marks = new Map<string, JobMark>();
  #journal: JournalEntry[] = [];
  /** What is written together, later. */
  #gathered: JournalEntry[] | null = null;
  #alarmAt: number | null = null;
  #alarmOrder = 0;
  #order = 0;
  #agenda: Happening[] = [];
  #alive = new Map<string, JobProcess>();
  #ended = new Map<string, EndedProcess>();
  #hasKeeper = false;
  #isNewKeeper = true;
  #stopping: number | null = null;
  #outbox: (() => void)[] = [];
  #inbox: ((supervisor: Supervisor) => void)[] = [];
  #pid = 100;
  #inOneCall = 0;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  get wall(): number {
    return this.now + this.#offset;
  }

  get living(): readonly JobProcess[] {
    return [...this.#alive.values()];
  }

  /** "2026-01-05T12:01:00.000Z" without its date. */
  get clock(): string {
    return new Date(this.wall).toISOString().slice(11, 19);
  }

  // Who lives.

  start(): void {
    const inherited: Inherited = {
      sameKeeper: !this.#isNewKeeper,
      live: this.living,
      ended: [...this.#ended.values()],
      uncleared: [],
      stopping: this.#stopping,
      lastRuns: {},
    };
    this.#hasKeeper = true;
    this.#isNewKeeper = false;
    this.#tell("a core starts");
    this.supervisor = this.#makeSupervisor();
    this.#inCore((supervisor) => {
      supervisor.inherit(this.#memory(), inherited, this.plan);
      if (this.#stopping === null) supervisor.apply(this.plan, null, inherited.sameKeeper ? "files" : "start");
    });
  }

  /** Asks the core; null: there is none, or it died of it. */
  ask<Answer>(act: (supervisor: Supervisor) => Answer): Answer | null {
    let answer: Answer | null = null;
    this.#inCore((supervisor) => {
      answer = act(supervisor);
    });
    this.#converse();
    return answer;
  }

  apply(plan: Plan): void {
    this.plan = plan;
    this.ask((supervisor) => supervisor.apply(plan, null, "files"));
  }

  shutdown(): void {
    this.#stopping ??= 0;
    this.ask((supervisor) => supervisor.shutdown());
  }

  dies(what: Kill["what"]): void {
    this.#tell(`the ${what} dies`);
    this.supervisor = null;
    this.#alarmAt = null;
    this.#inbox = [];
    if (what !== "core") {
      this.#hasKeeper = false;
      this.#isNewKeeper = true;
      this.#ended.clear(); // Their ends were told, or are not known to anybody any more.
      this.#outbox = [];
    }
    if (what === "machine") {
      this.#alive.clear();
      this.#journal = [];
      this.#boot++;
      this.#stopping = null;
    }
    this.#after(DOWN_MS[what], () => {
      if (this.supervisor === null && !this.hasLeft) this.start();
    });
  }

  /** svcd is stopped and started again after so long; the machine goes on. */
  isDownFor(ms: number): void {
    this.shutdown();
    this.passes(60_000, () => this.hasLeft);
    if (!this.hasLeft) return; // It was killed before, and came up again.
    this.supervisor = null;
    this.#alarmAt = null;
    this.hasLeft = false;
    this.#stopping = null;
    this.#isNewKeeper = true;
    this.passes(ms);
    this.start();
    this.#converse();
  }

  /** Somebody sets the clock on the wall. */
  setsClock(byMs: number): void {
    this.#offset += byMs;
  }

  // Time.

  passes(ms: number, until: () => boolean = () => false): void {
    const end = this.now + ms;
    this.#converse();
    while (!until()) {
      const next = this.#next(end);
      if (next === null) break;
      this.now = Math.max(this.now, next.at);
      next.act();
      this.#converse();
    }
    if (!until()) this.now = Math.max(this.now, end);
  }

  #next(until: number): Happening | null {
    const alarm: Happening | null =
      this.#alarmAt === null ? null : { at: this.#alarmAt, order: this.#alarmOrder, act: () => this.#ring() };
    const [first = null] = this.#agenda;
    const next = alarm === null || (first !== null && isBefore(first, alarm)) ? first : alarm;
    if (next === null || next.at > until) return null;
    if (next === first) this.#agenda.shift();
    return next;
  }

  #ring(): void {
    this.#alarmAt = null;
    this.#inCore((supervisor) => supervisor.tick());
  }

  #after(ms: number, act: () => void): void {
    const happening = { at: this.now + ms, order: this.#order++, act };
    let index = this.#agenda.length;
    while (index > 0 && isBefore(happening, this.#agenda[index - 1]!)) index--;
    this.#agenda.splice(index, 0, happening);
  }

  /** Keeper and core say to each other what they have to say. */
  #converse(): void {
    for (;;) {
      const order = this.#hasKeeper ? this.#outbox.shift() : undefined;
      const report = order === undefined ? this.#inbox.shift() : undefined;
      if (order !== undefined) order();
      else if (report !== undefined) this.#inCore(report);
      else return;
    }
  }

  #inCore(act: (supervisor: Supervisor) => void): void {
    if (this.supervisor === null) return;
    this.#inOneCall = 0;
    const before = this.#outbox.length;
    try {
      act(this.supervisor);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      const { what, ordersArrive } = this.kill!;
      this.kill = null;
      if (!ordersArrive) this.#outbox.length = before;
      else while (this.#hasKeeper && this.#outbox.length > 0) this.#outbox.shift()!();
      this.dies(what);
    }
    this.mostInOneCall = Math.max(this.mostInOneCall, this.#inOneCall);
  }

  #tell(line: string): void {
    this.story.push(`${this.clock} ${line}`);
  }

  #acts<Result>(what: string, act: () => Result): Result {
    const number = ++this.actions;
    const kill = this.kill?.atAction === number ? this.kill : null;
    this.#tell(`${number} ${what}`);
    if (kill?.moment === "before") throw new Killed(what);
    const result = act();
    if (kill?.moment === "after") throw new Killed(what);
    return result;
  }

  #orders(what: string, order: () => void): void {
    this.#acts(what, () => this.#outbox.push(order));
  }

  // The keeper.

  #spawn(name: string, run: RunNumber, launch: Launch): void {
    const other = this.#alive.get(name);
    if (other !== undefined) throw new Broken(`second process of ${name}`);
    const process: JobProcess = { service: name, run, pid: this.#pid++, startedAt: this.now, launch, signalled: null };
    this.#alive.set(name, process);
    this.mostAlive = Math.max(this.mostAlive, this.#alive.size);
    const jobRun = jobRunOf(name);
    if (jobRun !== null) {
      const cause = JSON.parse(launch.env["cause"]!) as Cause;
      const twin = this.spawned.find(
        (one) => one.job === jobRun.job && one.cause.trigger !== "manual" && isSame(one.cause, cause),
      );
      if (twin !== undefined) throw new Broken(`${name} is started for what ${twin.job}!${twin.run} was started for`);
      this.spawned.push({ ...jobRun, cause, at: this.wall });
      const { lastsMs, code = 0 } = this.behaves(jobRun.job, cause);
      this.#after(lastsMs, () => this.ends(process, { kind: "code", code }));
    }
    this.#inbox.push((supervisor) => supervisor.spawned(process));
  }

  ends(process: RunningProcess, exit: Exit): void {
    const { service, run } = process;
    if (this.#alive.get(service) !== process) return;
    this.#alive.delete(service);
    const seen: Exit = this.#hasKeeper ? exit : { kind: "unknown" };
    const ended: EndedProcess = { service, run, exit: seen, isClear: true };
    this.#ended.set(service, ended);
    this.#inbox.push((supervisor) => supervisor.exited(ended));
    if (this.supervisor === null) this.#inbox = [];
  }

  #signal(name: string, signal: Signal): void {
    const process = this.#alive.get(name);
    if (process === undefined || signal === "SIGCONT") return;
    process.signalled = signal;
    const jobRun = jobRunOf(name);
    const isDeaf =
      jobRun !== null && this.behaves(jobRun.job, JSON.parse(process.launch.env["cause"]!)).ignoresTerm === true;
    if (!isDeaf) this.#after(20, () => this.ends(process, { kind: "signal", signal }));
  }

  // The ports.

  #makeSupervisor(): Supervisor {
    const core = {};
    this.#core = core;
    return new Supervisor({
      clock: {
        now: () => this.now,
        wallTime: () => new Date(this.wall),
        wakeAt: (at) => {
          if (this.#core !== core) return;
          this.#alarmAt = at === null ? null : Math.max(at, this.now);
          this.#alarmOrder = this.#order++;
        },
      },
      chance: { next: () => 0.5 },
      processes: {
        spawn: (service, run, launch) => {
          this.#inOneCall++;
          this.#orders(`spawn ${service.name}`, () => this.#spawn(service.name, run, launch));
        },
        signal: (name, _run, signal) => this.#orders(`${signal} ${name}`, () => this.#signal(name, signal)),
        end: (name) =>
          this.#orders(`end ${name}`, () => {
            const process = this.#alive.get(name);
            if (process !== undefined) this.ends(process, { kind: "signal", signal: "SIGKILL" });
          }),
        noted: (name) => this.#orders(`noted ${name}`, () => this.#ended.delete(name)),
        logsChanged: () => {},
        forget: (name) =>
          this.#orders(`forget ${name}`, () => {
            if (this.#alive.has(name)) throw new Broken(`${name} is forgotten while it runs`);
          }),
        stopping: (status) => this.#orders("stopping", () => (this.#stopping ??= status)),
        leave: () => {
          if (this.#alive.size > 0) throw new Broken(`svcd leaves while ${[...this.#alive.keys()]} run`);
          this.hasLeft = true;
        },
      },
      launcher: {
        prepare: () => ({ kind: "launch", launch: launchOf(null) }),
        explainRefusal: (_launch, code) => ({ cause: code, permanent: false }),
        unmet: ({ name }) => this.unmet(name),
      },
      prober: { began: () => {}, probe: () => {}, forget: () => {} },
      journal: {
        record: (entry) => {
          const copy = JSON.parse(JSON.stringify(entry));
          if (this.#gathered === null) this.#acts(`journal ${entry.kind}`, () => this.#journal.push(copy));
          else this.#gathered.push(copy);
        },
        together: (act) => {
          const gathered: JournalEntry[] = [];
          this.#gathered = gathered;
          act();
          this.#gathered = null;
          // A core can die with a part of it on the disk.
          for (const entry of gathered) this.#acts(`journal ${entry.kind}`, () => this.#journal.push(entry));
        },
      },
      wishes: { of: () => noWish, save: () => {} },
      hooks: { run: () => {} },
      announcer: { announce: (news) => this.news.push(news) },
      jobs: {
        history: {
          record: (record) => {
            this.#inOneCall++;
            this.#acts(`record ${record.job}/${record.run} ${record.result}`, () => this.records.push(record));
          },
          of: (name, most) =>
            this.records
              .filter(({ job }) => job === name)
              .slice(-most)
              .reverse(),
          note: (marks) =>
            this.#acts(`note ${marks.size}`, () => {
              this.flushes++;
              for (const [name, mark] of marks) this.#mark(name, JSON.parse(JSON.stringify(mark)));
            }),
          marks: () => this.#marks,
          forget: (name) => this.#acts(`forget ${name}`, () => this.#marks.delete(name)),
        },
        notifier: { notify: (job, event, record) => this.#notify(job, event, record) },
        launcher: { prepareRun: (job, _run, cause) => this.#prepare(job, cause) },
        boot: `boot ${this.#boot}`,
        host: "here",
      },
    });
  }
  #core: object = {};

  #mark(name: string, mark: JobMark): void {
    const times = this.#charge.get(name) ?? [];
    this.#charge.set(name, times);
    if (this.#marks.has(name)) times.at(-1)!.until = mark.settled;
    else times.push({ from: mark.settled, until: mark.settled });
    this.#marks.set(name, mark);
  }

  #notify({ name }: JobDefinition, event: NotificationEvent, { run }: RunRecord): void {
    this.#acts(`notify ${name} ${event}`, () => this.told.push(`${name}/${run} ${event}`));
  }

  #prepare({ name }: JobDefinition, cause: Cause): Prepared {
    const why = this.refuses(name);
    return this.#acts(`prepare ${name}`, () =>
      why === null ? { kind: "launch", launch: launchOf(cause) } : { kind: "refusal", cause: why, permanent: true },
    );
  }

  #memory(): Memory {
    const jobs = new Map<string, JobMemory>();
    const jobDefinitions = new Map<string, JobDefinition>();
    const lives = new Map<string, Life>();
    const services = new Map<string, Service>();
    const lastRuns = new Map<string, RunNumber>();
    let lookedAt: number | null = null;
    for (const entry of this.#journal) {
      if (entry.kind === "job") jobs.set(entry.name, entry.memory);
      if (entry.kind === "job definition") jobDefinitions.set(entry.definition.name, entry.definition);
      if (entry.kind === "life") lives.set(entry.service, entry.life);
      if (entry.kind === "service") services.set(entry.service.name, entry.service);
      if (entry.kind === "looked") lookedAt = entry.at;
      if (entry.kind === "gone") {
        for (const known of [jobs, jobDefinitions, lives, services]) known.delete(entry.name);
        lastRuns.set(entry.name, entry.lastRun);
      }
      if (entry.kind === "left") {
        for (const [name, { job }] of jobs) lastRuns.set(name, job.lastRun);
        for (const known of [jobs, jobDefinitions, lives, services]) known.clear();
      }
    }
    const nothing = { good: new Map(), removed: [], aside: [], held: nothingHeld, settings: null };
    return { lives, services, jobs, jobDefinitions, lookedAt, lastRuns, ...nothing };
  }

  // The accounts.

  /** What became of each due time of a job, as people would tell it: "12:01 run 3 success", "12:02 skipped". */
  account(job: string): string[] {
    return this.records
      .filter((record) => record.job === job)
      .map(
        ({ scheduledFor, run, result }) =>
          `${scheduledFor.slice(11, 16)} ${run === null ? "" : `run ${run} `}${result}`,
      );
  }

  /**
   * Nothing runs and nothing waits any more: each due time for which svcd was in charge must have exactly one start or one
   * record that says why there is none, and each process one record.
   */
  mustBeSettled({ name: job, schedules, timezone }: JobDefinition): void {
    const timetable = { schedules: schedules.map(({ schedule }) => schedule), timezone, splayMs: 0, share: 0 };
    const dueTimes = (this.#charge.get(job) ?? []).flatMap(({ from, until }) =>
      slotsOf(timetable, from, until, 1_000).map(({ at }) => at),
    );
    const mine = this.records.filter((record) => record.job === job);
    const runs = new Map<RunNumber, RunRecord>();
    for (const record of mine) {
      if (record.run === null) continue;
      if (runs.has(record.run)) throw new Broken(`run ${record.run} of ${job} has two records`);
      runs.set(record.run, record);
    }
    const covers = new Map<string, number>();
    const cover = (scheduledFor: string, count: number, what: string): void => {
      if (covers.has(scheduledFor)) throw new Broken(`${job}: ${scheduledFor} has two: the second is ${what}`);
      covers.set(scheduledFor, count);
    };
    for (const { job: name, run, cause } of this.spawned) {
      if (name !== job) continue;
      if (!runs.has(run)) throw new Broken(`run ${run} of ${job} had a process and has no record`);
      if (cause.attempt > 1 || cause.trigger === "manual") continue;
      cover(new Date(cause.scheduledFor).toISOString(), cause.coalesced, `run ${run}`);
    }
    const started = new Set(this.spawned.filter((one) => one.job === job).map(({ run }) => run));
    for (const record of mine) {
      if (record.attempt > 1 || record.trigger === "manual") continue;
      if (record.run !== null && started.has(record.run)) continue;
      cover(record.scheduledFor, record.coalesced, `${record.result}: ${record.why}`);
    }
    const total = [...covers.values()].reduce((sum, count) => sum + count, 0);
    if (total !== dueTimes.length) {
      const last = new Set(dueTimes.map((at) => new Date(at).toISOString()));
      const none = [...last].filter((at) => !covers.has(at));
      throw new Broken(`${job}: ${dueTimes.length} due times, ${total} accounted for; perhaps ${none.join(", ")}`);
    }
  }
}

function isSame(a: Cause, b: Cause): boolean {
  return a.scheduledFor === b.scheduledFor && a.attempt === b.attempt && a.trigger === b.trigger;
}

function launchOf(cause: Cause | null): Launch {
  const env = cause === null ? {} : { cause: JSON.stringify(cause) };
  return { argv: ["x"], file: "/x", cwd: "/", env, umask: null, uid: null };
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
