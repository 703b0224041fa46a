/**
 * All jobs at once: due times from the one queue and events of their runs through the pure step, effects out through ports.
 *
 *   queue ──▶ due ──▶ overdue ──┐
 *   events of runs, people ─────┴▶ step ──▶ journal ──▶ records, signals
 *                                    │
 *                                    └▶ waiting run ──▶ line ──▶ marks on the disk ──▶ spawn
 *
 * No due time is lost and none starts two runs, because a change is in the journal, as one line with everything that follows
 * from it, before any of that leaves; and because what is dealt with is on the disk before a process is started for it.
 *
 * Ten thousand jobs may be due in one minute. They are dealt with in turns, between which services have theirs, and the keeper
 * is never asked for more than a few starts ahead.
 */
import type { Held, Lease } from "../gpu/lease.ts";
import type { JobDefinition } from "../plan/job.ts";
import type { JobMark, JobPorts, Launch, Prepared, RunningProcess } from "../ports.ts";
import { Deadlines } from "../schedule/deadlines.ts";
import { type Job, type JobEffect, type JobEvent, jobDeadline, stepJob } from "../schedule/job.ts";
import { overdue } from "../schedule/overdue.ts";
import { type Due, Queue } from "../schedule/queue.ts";
import type { Cause, Run } from "../schedule/run.ts";
import { jobRunOf, processNameOf } from "../schedule/run-name.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import type { WallTime } from "../schedule/schedule.ts";
import { type Start, shareOf, type Timetable } from "../schedule/timetable.ts";
import type { Instant, RunNumber } from "../service/life.ts";
import { noGpu } from "./gpu-leases.ts";
import { JobLine } from "./job-line.ts";
import { endRecord, eventsOf, missedRecord, type Now, skippedRecord, startRecord } from "./job-records.ts";
import type { Loop, Ports } from "./loop.ts";

/** What is known of a job besides its definition. */
export interface JobState {
  job: Job;
  /** Its slots up to here are dealt with, as the queue counts them. */
  settled: WallTime;
  /** The same for ever: no clock that is set back takes it back. */
  high: WallTime;
  /** The boot in which its `@reboot` was dealt with. */
  boot: string | null;
}

/** One job under supervision. */
export interface JobMember extends JobState {
  /** The definition in force. */
  definition: JobDefinition;
  /** Gone from the plan: its runs go on to their end, and it is then forgotten. */
  isRemoved: boolean;
  /** Of runs that live, once the keeper has named them. */
  processes: readonly RunningProcess[];
  /** Written down with the job, and not in the history yet. */
  untold: readonly Untold[];
}

interface Untold {
  readonly record: RunRecord;
  /** How it went before. */
  readonly streak: Job["streak"];
}

/** A start blocks the keeper for some milliseconds; whoever else wants something of it waits no longer than for these. */
const MOST_STARTING = 16;
/** In one turn; each reads files and looks for a program. */
const STARTS_PER_TURN = 64;
/** In one turn: some 20 ms, and one flush of the disk for all of them. */
const DUE_PER_TURN = 256;

const MINUTE_MS = 60_000;

/** Shared by all jobs at rest, of which there may be ten thousand. */
const NONE: readonly never[] = [];

export class JobLoop {
  readonly members = new Map<string, JobMember>();
  /** Nothing starts any more; null: svcd goes on. */
  shuttingDownSince: Instant | null = null;
  readonly #ports: Ports;
  readonly #jobPorts: JobPorts;
  readonly #services: Loop;
  readonly #onQuiet: () => void;
  readonly #onBug: (error: unknown) => void;
  #queue: Queue | null = null;
  /** When somebody last looked, if that was an earlier svcd. */
  #lookedAt: WallTime | null = null;
  /** The look that is not in the journal yet, because not all that it found is dealt with. */
  #looked: WallTime = 0;
  readonly #deadlines = new Deadlines();
  readonly #events: { readonly name: string; readonly event: JobEvent }[] = [];
  #due: Due[] = [];
  readonly #line = new JobLine();
  /** Names of processes that the keeper was asked for. */
  readonly #starting = new Set<string>();
  /** Of those that the keeper has not answered yet, by the same name. */
  readonly #launches = new Map<string, Launch>();
  /** What runs hold, by the name of their process: locks, places in groups. */
  readonly #holding = new Map<string, readonly string[]>();
  readonly #held = new Map<string, number>();
  /** What runs have of the GPUs, by the name of their process; null: nobody knows any more. */
  readonly #leased = new Map<string, Lease | null>();
  /** Marks that are others than those on the disk. */
  readonly #unnoted = new Set<string>();
  /** One of them must be on the disk before anything starts. */
  #mustNote = false;
  /** Those with something for the history. */
  readonly #untold = new Set<JobMember>();
  readonly #removed = new Set<string>();
  #startsLeft = 0;
  #isDraining = false;

  /** `onQuiet`, `onBug`: as for the loop of the services, which is asked whether a dependency is as it should be. */
  constructor(ports: Ports, jobs: JobPorts, services: Loop, onQuiet: () => void, onBug: (error: unknown) => void) {
    this.#ports = ports;
    this.#jobPorts = jobs;
    this.#services = services;
    this.#onQuiet = onQuiet;
    this.#onBug = onBug;
    services.gpus.heldBy(() => this.#gpusHeld());
  }

  *#gpusHeld(): Iterable<Held> {
    for (const [process, lease] of this.#leased) {
      const { job, run } = jobRunOf(process)!;
      yield { by: `${job}/${run}`, lease };
    }
  }

  now(): Now {
    const { clock } = this.#ports;
    return { wall: clock.wallTime().getTime(), monotonic: clock.now() };
  }

  /** Before anything is added: when an earlier svcd last looked which jobs are due. */
  lookedBefore(at: WallTime): void {
    this.#lookedAt = at;
  }

  /** `isKept`: journal and marks say the same already. */
  add(definition: JobDefinition, state: JobState, isKept = false): JobMember {
    const { name } = definition;
    const fresh = { isRemoved: false, processes: NONE, untold: NONE };
    const member: JobMember = { definition, ...state, ...fresh };
    this.members.set(name, member);
    if (!isKept) this.#recordDurably(name, member);
    this.#follow(name, [], member.job.runs);
    this.#schedule(name, member);
    this.definitionChanged(name);
    return member;
  }

  /** It starts at other times than before, and these count from now. */
  rescheduled(name: string): void {
    const member = this.members.get(name)!;
    const { wall } = this.now();
    member.settled = wall;
    member.high = Math.max(member.high, wall);
    this.#recordDurably(name, member);
    this.#schedule(name, member);
  }

  #schedule(name: string, { definition, settled }: JobMember): void {
    const now = this.now();
    if (this.#queue === null) {
      this.#queue = new Queue(now, this.#lookedAt ?? now.wall);
      this.#lookedAt = null;
    }
    if (definition.service.enabled) this.#queue.put(name, this.#timetable(definition), settled);
    else this.#queue.remove(name);
  }

  #recordDurably(name: string, member: JobMember): void {
    this.#record(name, member);
    this.#mustNote = true;
  }

  definitionChanged(name: string): void {
    const { definition, job } = this.members.get(name)!;
    this.#deadlines.set(name, jobDeadline(job, definition.policy));
    for (const { run, state } of job.runs) {
      if (state.at !== "waiting") continue;
      this.#line.remove(processNameOf(name, run));
      this.#line.add(processNameOf(name, run));
    }
  }

  /** It starts nothing any more; its runs go on to their end. */
  remove(name: string): void {
    const member = this.members.get(name);
    if (member === undefined) return;
    member.isRemoved = true;
    this.#removed.add(name);
    this.#queue?.remove(name);
    this.enqueue(name, { type: "give up", reason: "the job was removed" });
  }

  nextStart(name: string): Start | null {
    return this.#queue?.nextStart(name) ?? null;
  }

  enqueue(name: string, event: JobEvent): void {
    this.#events.push({ name, event });
  }

  /** A service became another: who waits for it looks again. */
  servicesChanged(): void {
    const { changed, gpus } = this.#services;
    const isAboutGpus = gpus.hasNews("jobs");
    if (changed.size === 0 && !isAboutGpus) return;
    for (const service of changed) this.#line.changed(`service ${service}`);
    changed.clear();
    if (this.#line.isEmpty)
      gpus.takeNews("jobs"); // Nobody waits here for anything.
    else this.drain();
  }

  tick(): void {
    for (const name of this.#deadlines.due(this.#ports.clock.now())) this.enqueue(name, { type: "tick" });
    if (this.#queue !== null && this.shuttingDownSince === null) {
      const now = this.now();
      for (const due of this.#queue.wake(now).due) this.#due.push(due);
      this.#look(now.wall);
    }
    this.drain();
  }

  shutdown(): void {
    this.shuttingDownSince ??= this.#ports.clock.now();
    this.#due = []; // Not settled: the next svcd decides by `on_missed`.
    this.#queue = null;
    for (const [name, { job }] of this.members) if (!isIdle(job)) this.enqueue(name, { type: "shutdown" });
  }

  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      this.#turn();
    } catch (error) {
      this.#onBug(error); // As in the loop of the services: `isDraining` stays set.
      throw error;
    }
    this.#isDraining = false;
    this.#setAlarm();
    this.#onQuiet();
  }

  /** All that is known now is on the disk. */
  noteMarks(): void {
    this.#mustNote = false;
    if (this.#unnoted.size === 0) return;
    const marks = [...this.#unnoted].flatMap((name) => {
      const member = this.members.get(name);
      return member === undefined ? [] : [[name, markOf(member)] as const];
    });
    this.#unnoted.clear();
    this.#jobPorts.history.note(new Map(marks));
  }

  #turn(): void {
    this.#startsLeft = STARTS_PER_TURN;
    let dueLeft = DUE_PER_TURN;
    for (;;) {
      this.#takeEvents();
      if (this.#services.gpus.takeNews("jobs")) this.#line.changed(GPUS);
      if (this.#due.length > 0 && dueLeft > 0) {
        const some = this.#due.splice(0, dueLeft);
        dueLeft -= some.length;
        for (const due of some) this.#dealWith(due);
        continue;
      }
      if (this.#mustNote) this.noteMarks();
      this.#tellAll();
      if (!this.#startOne() && this.#events.length === 0 && this.#untold.size === 0) break;
    }
    if (this.#due.length === 0) this.#recordLook();
    this.#forgetRemoved();
  }

  #takeEvents(): void {
    for (let index = 0; index < this.#events.length; index++) {
      const { name, event } = this.#events[index]!;
      const member = this.members.get(name);
      if (member !== undefined) this.#step(name, member, [event], []);
    }
    this.#events.length = 0;
  }

  // What is due.

  #timetable({ name, schedules, timezone, splayMs }: JobDefinition): Timetable {
    const share = splayMs === 0 ? 0 : shareOf(this.#jobPorts.host, name); // It takes longer than all else here.
    return { schedules: schedules.map(({ schedule }) => schedule), timezone, splayMs, share };
  }

  #dealWith(due: Due): void {
    const { name, until } = due;
    const member = this.members.get(name);
    if (member === undefined || member.isRemoved) return;
    const { definition } = member;
    const timetable = this.#timetable(definition);
    // A clock that was wrong for a while and is right again comes by the same due times: those are dealt with. Only while it
    // stands further back than it once was, a rhythm repeats them.
    const isCalendar = timetable.schedules.every(({ kind }) => kind === "calendar");
    const after = isCalendar && until > member.high ? Math.max(due.after, member.high) : due.after;
    const found = overdue(timetable, { ...due, after }, definition.onMissed, definition.missedWindowMs);
    member.settled = until;
    member.high = Math.max(member.high, until);
    this.#mustNote = true;
    const missed = found.missed === null ? [] : [missedRecord(name, found.missed, this.now())];
    const events = found.starts.map((start): JobEvent => ({ type: "due", ...start }));
    this.#step(name, member, events, missed);
  }

  #look(wall: WallTime): void {
    this.#looked = wall;
    this.#mustNote ||= this.#unnoted.size > 0; // Those that could wait have waited.
  }

  /** By the minute is enough: nobody asks whether nobody looked for less. */
  #recordLook(): void {
    if (Math.floor(this.#looked / MINUTE_MS) === Math.floor((this.#lookedAt ?? 0) / MINUTE_MS)) return;
    if (this.#looked === 0) return;
    this.#lookedAt = this.#looked;
    this.#ports.journal.record({ kind: "looked", at: this.#looked });
  }

  // One step.

  #step(name: string, member: JobMember, events: readonly JobEvent[], missed: readonly RunRecord[]): void {
    const { clock, chance } = this.#ports;
    const { policy } = member.definition;
    const before = member.job;
    const untold: Untold[] = missed.map((record) => ({ record, streak: null }));
    const effects: JobEffect[] = [];
    const now = this.now();
    for (const event of events) {
      const { streak } = member.job;
      const [job, more] = stepJob(member.job, event, clock.now(), policy, chance.next());
      member.job = job;
      effects.push(...more);
      for (const effect of more) {
        const record = this.#recordOf(name, effect, now);
        if (record !== null) untold.push({ record, streak });
      }
    }
    const isDealtWith = events.length === 0 || events[0]!.type === "due" || missed.length > 0;
    if (member.job === before && untold.length === 0 && !isDealtWith) return;
    if (untold.length > 0) {
      member.untold = [...member.untold, ...untold];
      this.#untold.add(member);
    }
    this.#record(name, member);
    if (member.job.lastRun !== before.lastRun || member.job.paused !== before.paused) this.#mustNote = true;
    this.#follow(name, before.runs, member.job.runs);
    this.#deadlines.set(name, jobDeadline(member.job, policy));
    for (const effect of effects) this.#do(name, member, effect);
    this.#forgetProcesses(name, member, before.runs);
  }

  #recordOf(name: string, effect: JobEffect, now: Now): RunRecord | null {
    if (effect.do === "record skipped") return skippedRecord(name, effect.cause, effect.reason, now);
    if (effect.do !== "record") return null;
    const record = endRecord(name, effect.end, effect.retryAt, now);
    return { ...record, ...this.#jobPorts.usages?.of(name, effect.end.run) };
  }

  #record(name: string, member: JobMember): void {
    this.#unnoted.add(name);
    const memory = { job: member.job, settled: member.settled, mark: markOf(member) };
    this.#ports.journal.record({ kind: "job", name, memory });
  }

  #tellAll(): void {
    for (const member of this.#untold) {
      const { definition, untold } = member;
      for (const { record, streak } of untold) {
        this.#jobPorts.history.record(record, definition.keep);
        this.announce(definition, record, streak);
      }
      member.untold = NONE;
    }
    this.#untold.clear();
  }

  /** To people, and to whoever listens. */
  announce(definition: JobDefinition, record: RunRecord, streak: Job["streak"]): void {
    for (const event of eventsOf(definition, record, streak)) this.#jobPorts.notifier.notify(definition, event, record);
    const what = record.run === null ? "skipped" : "over";
    this.#ports.announcer.announce({ kind: "run", what, job: definition.name, record });
  }

  #do(name: string, member: JobMember, effect: JobEffect): void {
    const { processes } = this.#ports;
    switch (effect.do) {
      case "spawn":
        return this.#spawn(name, member, effect.run, effect.cause);
      case "signal":
        return processes.signal(processNameOf(name, effect.run), effect.run, effect.signal, effect.to);
      case "end":
        return processes.end(processNameOf(name, effect.run), effect.run);
      case "record":
      case "record skipped":
        return; // In the history by now.
    }
  }

  #spawn(name: string, member: JobMember, run: RunNumber, cause: Cause): void {
    const { definition } = member;
    const gpus = member.job.runs.find((one) => one.run === run)?.gpus;
    const prepared = this.#prepare(definition, run, cause, gpus);
    if (prepared.kind === "refusal") {
      const { cause: why, permanent } = prepared;
      this.enqueue(name, { type: "of run", run, event: { type: "refused", cause: why, permanent } });
      return;
    }
    this.#launches.set(processNameOf(name, run), prepared.launch);
    this.#ports.processes.spawn(processOf(definition, run), run, prepared.launch);
  }

  /** The file system can surprise; what nobody foresaw about one job must not touch the others. */
  #prepare(definition: JobDefinition, run: RunNumber, cause: Cause, given: Lease | undefined): Prepared {
    const { gpus: ask } = definition.service;
    try {
      if (ask !== undefined && given === undefined) {
        const choice = this.#services.gpus.choose(`${definition.name}/${run}`, ask, this.#gpuLimit(definition), null);
        const why = choice.kind === "impossible" ? choice.why : "the GPUs it asks for were there a moment ago";
        return { kind: "refusal", cause: why, permanent: choice.kind === "impossible" };
      }
      return this.#jobPorts.launcher.prepareRun(definition, run, cause, given);
    } catch (error) {
      const why = `it cannot be prepared: ${(error as Error).message}`;
      return { kind: "refusal", cause: why, permanent: false } as const;
    }
  }

  // What the keeper says. A late word about a run that is over changes nothing.

  spawned(name: string, process: RunningProcess): void {
    const { run, startedAt: at } = process;
    const member = this.members.get(name);
    const known = member?.job.runs.find((one) => one.run === run);
    if (member === undefined || known === undefined) return;
    member.processes = [...member.processes.filter((other) => other.run !== run), process];
    this.#launches.delete(processNameOf(name, run));
    this.enqueue(name, { type: "of run", run, event: { type: "spawned", at } });
    this.drain();
    const record = startRecord(name, run, known.cause, at, this.now());
    this.#jobPorts.notifier.notify(member.definition, "start", record);
    this.#ports.announcer.announce({ kind: "run", what: "started", job: name, run, pid: process.pid });
  }

  refused(name: string, run: RunNumber, code: string, message: string): void {
    const launch = this.#launches.get(processNameOf(name, run));
    const said = launch === undefined ? null : this.#ports.launcher.explainRefusal(launch, code, message);
    const event = { type: "refused", cause: said?.cause ?? message, permanent: said?.permanent ?? false } as const;
    this.enqueue(name, { type: "of run", run, event });
    this.drain();
  }

  /** Which runs wait for what, who starts, who holds which lock. */
  #follow(name: string, before: readonly Run[], after: readonly Run[]): void {
    const numbers = new Set(after.map(({ run }) => run));
    for (const { run } of before) {
      if (!numbers.has(run)) this.#leaves(processNameOf(name, run));
    }
    const { definition } = this.members.get(name)!;
    for (const { run, state, gpus } of after) {
      const process = processNameOf(name, run);
      if (state.at === "starting") this.#starting.add(process);
      else this.#starting.delete(process);
      if (state.at !== "waiting") this.#holds(process, definition, gpus);
      else if (!before.some((one) => one.run === run)) this.#line.add(process);
    }
  }

  #leaves(process: string): void {
    this.#line.remove(process);
    this.#starting.delete(process);
    if (this.#leased.delete(process)) this.#services.gpus.released();
    const held = this.#holding.get(process);
    if (held === undefined) return;
    this.#holding.delete(process);
    for (const thing of held) {
      this.#held.set(thing, this.#held.get(thing)! - 1);
      if (this.#held.get(thing) === 0) this.#held.delete(thing);
      this.#line.open(thing);
    }
  }

  #holds(process: string, definition: JobDefinition, gpus: Lease | undefined): void {
    if (this.#holding.has(process)) return;
    if (gpus !== undefined || definition.service.gpus !== undefined) {
      this.#leased.set(process, gpus ?? null);
      this.#services.gpus.stale();
    }
    const things = thingsOf(definition);
    this.#holding.set(process, things);
    for (const thing of things) this.#held.set(thing, (this.#held.get(thing) ?? 0) + 1);
  }

  /** Nothing is left of these; the keeper may close their logs. */
  #forgetProcesses(name: string, member: JobMember, before: readonly Run[]): void {
    for (const { run, state } of before) {
      if (state.at === "waiting" || member.job.runs.some((one) => one.run === run)) continue;
      member.processes = member.processes.filter((other) => other.run !== run);
      this.#launches.delete(processNameOf(name, run));
      this.#ports.processes.forget(processNameOf(name, run));
    }
  }

  // Who may start.

  #hasRoom = (thing: string, process: string): boolean => {
    const held = this.#held.get(thing) ?? 0;
    if (held === 0) return true;
    const { concurrency } = this.members.get(jobRunOf(process)!.job)?.definition ?? { concurrency: null };
    return concurrency !== null && thing === groupThing(concurrency.group) && held < concurrency.most;
  };

  #mayStart(): boolean {
    return this.#starting.size < MOST_STARTING && this.shuttingDownSince === null;
  }

  #startOne(): boolean {
    if (!this.#mayStart() || this.#startsLeft === 0) return false;
    const process = this.#line.next(this.#hasRoom);
    if (process === null) return false;
    this.#startsLeft--;
    const { job: name, run: number } = jobRunOf(process)!;
    const member = this.members.get(name);
    const run = member?.job.runs.find((one) => one.run === number);
    if (member !== undefined && run?.state.at === "waiting") this.#resolve(name, member, run, run.state.blockers);
    return true;
  }

  #resolve(name: string, member: JobMember, { run }: Run, told: readonly string[]): void {
    const { definition } = member;
    const tell = (event: Extract<JobEvent, { type: "of run" }>["event"]): void =>
      this.#step(name, member, [{ type: "of run", run, event }], []);
    const unmet = this.#ports.launcher.unmet(definition.service);
    if (unmet !== null) return tell({ type: "skip", reason: unmet });
    const process = processNameOf(name, run);
    const needed = this.#services.blockersOf(definition.service);
    if (needed.length > 0 && definition.whenBlocked === "skip") {
      return tell({ type: "skip", reason: `it needs ${needed.join(" and ")}` });
    }
    const full = thingsOf(definition).filter((thing) => !this.#hasRoom(thing, process));
    const blockers = [...needed, ...full.map((thing) => thingInWords(thing, definition))];
    const { gpus: ask } = definition.service;
    const choice =
      ask === undefined || blockers.length > 0
        ? null
        : this.#services.gpus.choose(`${name}/${run}`, ask, this.#gpuLimit(definition), null);
    if (choice?.kind === "absent") return tell({ type: "skip", reason: noGpu(choice.why) });
    if (choice?.kind === "blocked") blockers.push(...choice.by);
    if (blockers.length === 0) {
      // What is impossible is told by the start.
      return tell(choice?.kind === "granted" ? { type: "cleared", gpus: choice.lease } : { type: "cleared" });
    }
    this.#line.park(process, needed.length > 0 ? `service ${needed[0]!.split(" ")[0]}` : (full[0] ?? GPUS));
    if (blockers.join() !== told.join()) tell({ type: "blocked", blockers });
  }

  #gpuLimit({ service }: JobDefinition): string | null {
    return this.#ports.launcher.gpuLimit?.(service) ?? null;
  }

  /** The runs that hold what this job waits for, as `JOB/RUN`. */
  holders(definition: JobDefinition): string[] {
    const things = new Set(thingsOf(definition));
    return [...this.#holding].flatMap(([process, held]) => {
      const { job, run } = jobRunOf(process)!;
      return held.some((thing) => things.has(thing)) ? [`${job}/${run}`] : [];
    });
  }

  #setAlarm(): void {
    const now = this.now();
    const isMore = this.#due.length > 0 || (this.#mayStart() && this.#line.hasNext(this.#hasRoom));
    const times = [this.#deadlines.next(), this.#queue?.wakeAt(now) ?? null, isMore ? now.monotonic : null];
    const known = times.filter((time) => time !== null);
    this.#ports.clock.wakeAt(known.length === 0 ? null : Math.min(...known));
  }

  #forgetRemoved(): void {
    for (const name of this.#removed) {
      const member = this.members.get(name);
      if (member?.isRemoved && member.job.runs.length > 0) continue;
      this.#removed.delete(name);
      if (!member?.isRemoved) continue; // It came back before it was gone.
      const { lastRun } = member.job;
      this.members.delete(name);
      this.#unnoted.delete(name);
      this.#deadlines.set(name, null);
      this.#services.lastRuns.set(name, lastRun);
      // The mark first: a mark without a job would make the job, if it comes back, catch up for all that time.
      this.#jobPorts.history.forget(name);
      this.#ports.journal.record({ kind: "gone", name, lastRun });
      this.#ports.announcer.announce({ kind: "job", job: name, what: "removed" });
      if (this.members.size === 0) this.#queue = null; // Nobody looks any more.
    }
  }
}

/** As the keeper knows it. */
export function processOf({ name, service }: JobDefinition, run: RunNumber) {
  return { ...service, name: processNameOf(name, run) };
}

function markOf({ high, boot, job, untold }: JobMember): JobMark {
  const { lastRun, paused, runs, queued, catchUps, retries } = job;
  const open = [
    ...runs.map(({ run, cause }) => ({ run, cause })),
    ...(queued === null ? [] : [{ run: null, cause: queued.cause }]),
    ...[...catchUps, ...retries].map(({ cause }) => ({ run: null, cause })),
  ];
  return { settled: high, lastRun, paused, boot, open, told: untold.map(({ record }) => record) };
}

/** Nothing of it runs or waits. */
export function isIdle({ runs, queued, catchUps, retries }: Job): boolean {
  return runs.length === 0 && queued === null && catchUps.length === 0 && retries.length === 0;
}

function thingsOf({ lock, concurrency }: JobDefinition): string[] {
  return [...(lock === null ? [] : [`lock ${lock}`]), ...(concurrency === null ? [] : [groupThing(concurrency.group)])];
}

/** What those wait for who wait for devices: who is next is decided by what each of them asks for. */
const GPUS = "gpus";

function groupThing(group: string): string {
  return `group ${group}`;
}

function thingInWords(thing: string, { concurrency }: JobDefinition): string {
  return thing.startsWith("lock ") ? `the ${thing}` : `a place in the ${thing} (${concurrency?.most} at a time)`;
}
