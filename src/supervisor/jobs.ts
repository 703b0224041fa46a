/**
 * Jobs as files and people see them: takes up what the plan says of them, does what people ask, says what is so. It turns all
 * that into events for `job-loop.ts`.
 */
import { diffJobs } from "../plan/diff.ts";
import type { JobDefinition } from "../plan/job.ts";
import type { Plan } from "../plan/plan.ts";
import type { EndedProcess, Inherited, JobPorts, Memory, RunningProcess } from "../ports.ts";
import { explain } from "../schedule/explain.ts";
import type { Job, JobEvent } from "../schedule/job.ts";
import { processNameOf } from "../schedule/run-name.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import type { RunNumber } from "../service/life.ts";
import type { ActionResult, JobChanges, Selection } from "./answers.ts";
import type { JobStatus, RunStatus } from "./job-answers.ts";
import { isIdle, JobLoop, type JobMember } from "./job-loop.ts";
import { iso } from "./job-records.ts";
import { forgetGone, newState, takeOverJobs } from "./job-takeover.ts";
import { type JobCircumstances, jobStateWord, whyJob, whyRun } from "./job-wording.ts";
import type { Loop, Ports } from "./loop.ts";
import { select } from "./selection.ts";

/** A process in state D ends when its disk or driver lets it; svcd does not wait for that for ever. */
const STUCK_AFTER_MS = 10_000;
/** So many records are looked through for the last run; what is skipped has one too. */
const RECORDS_READ = 20;

export class Jobs {
  readonly #ports: Ports;
  readonly #jobPorts: JobPorts;
  readonly #services: Loop;
  readonly #loop: JobLoop;

  /** `services` says whether what a job depends on is as it should be; `onQuiet`, `onBug`: as for that loop. */
  constructor(ports: Ports, jobs: JobPorts, services: Loop, onQuiet: () => void, onBug: (error: unknown) => void) {
    this.#ports = ports;
    this.#jobPorts = jobs;
    this.#services = services;
    this.#loop = new JobLoop(ports, jobs, services, onQuiet, onBug);
  }

  /** Lays out what an earlier core left; `drain` sets it going, once the services are laid out too. */
  inherit(memory: Memory, inherited: Inherited, plan: Plan): void {
    takeOverJobs(this.#loop, this.#ports, this.#jobPorts, memory, inherited, plan);
    for (const member of this.#loop.members.values()) this.#considerBoot(member);
  }

  drain(): void {
    this.#loop.drain();
  }

  // What happened.

  spawned(job: string, process: RunningProcess): void {
    this.#loop.spawned(job, process);
  }

  refused(job: string, run: RunNumber, code: string, message: string): void {
    this.#loop.refused(job, run, code, message);
  }

  exited(job: string, { service, run, exit, isClear }: EndedProcess): void {
    const isKnown = this.#loop.members.get(job)?.job.runs.some((one) => one.run === run) ?? false;
    if (isKnown) this.#send(job, { type: "of run", run, event: { type: "exited", exit, isClear } });
    else this.#ports.processes.end(service, run);
    if (!isKnown) this.#ports.processes.forget(service);
  }

  gone(job: string, run: RunNumber): void {
    this.#send(job, { type: "of run", run, event: { type: "gone" } });
  }

  survived(job: string, run: RunNumber, survivors: readonly string[]): void {
    this.#send(job, { type: "of run", run, event: { type: "survived", survivors } });
  }

  servicesChanged(): void {
    this.#loop.servicesChanged();
  }

  tick(): void {
    this.#loop.tick();
  }

  #send(job: string, event: JobEvent): void {
    this.#loop.enqueue(job, event);
    this.#loop.drain();
  }

  // What the files say.

  compare(plan: Plan): JobChanges {
    const inForce = new Map([...this.definitions()].map((definition) => [definition.name, definition]));
    const { added, removed, changed, kept } = diffJobs(inForce, plan);
    return { added, removed, changed, kept };
  }

  /** `isStart`: nothing was taken up before; a job that is in no file any more was removed while no svcd was there. */
  apply(plan: Plan, { added, changed, removed }: JobChanges, isStart: boolean): void {
    for (const name of removed) this.#loop.remove(name);
    for (const name of added) this.#take(plan.jobs.get(name)!, isStart);
    for (const { name } of changed) this.#change(this.#loop.members.get(name)!, plan.jobs.get(name)!);
    if (isStart) this.#forgetLost(plan);
  }

  #take(definition: JobDefinition, isStart: boolean): void {
    const { name } = definition;
    this.#ports.journal.record({ kind: "job definition", definition });
    const there = this.#loop.members.get(name);
    if (there !== undefined) {
      // It was on its way out and is wanted again, as a job that is new.
      Object.assign(there, { definition, isRemoved: false });
      this.#loop.rescheduled(name);
      this.#loop.definitionChanged(name);
      return;
    }
    const lastRun = this.#services.lastRuns.get(name) ?? 0;
    const state = newState(this.#loop, this.#jobPorts, definition, lastRun);
    // What comes when svcd runs already is not for this start of the machine.
    if (!isStart) state.boot = this.#jobPorts.boot;
    this.#considerBoot(this.#loop.add(definition, state));
  }

  #change(member: JobMember, definition: JobDefinition): void {
    const before = member.definition;
    member.definition = definition;
    member.boot = this.#jobPorts.boot;
    const { name } = definition;
    // The times first: a core that dies in between must not take the new schedule for one that was there all along.
    if (timesOf(before) !== timesOf(definition)) this.#loop.rescheduled(name);
    this.#ports.journal.record({ kind: "job definition", definition });
    for (const { run } of member.processes) {
      this.#ports.processes.logsChanged({ ...definition.service, name: processNameOf(name, run) });
    }
    this.#loop.definitionChanged(name);
    this.#ports.announcer.announce({ kind: "job", job: name, what: "changed" });
  }

  #forgetLost(plan: Plan): void {
    if (plan.brokenFiles.size > 0) return; // One of them may describe it.
    for (const [name, mark] of [...this.#jobPorts.history.marks()]) {
      if (plan.jobs.has(name) || this.#loop.members.has(name)) continue;
      forgetGone(this.#jobPorts, name, mark, this.#loop.now());
    }
  }

  /** `@reboot`: once for each start of the machine, however often svcd starts. */
  #considerBoot(member: JobMember): void {
    const { definition } = member;
    const { boot } = this.#jobPorts;
    const isForBoot = definition.schedules.some(({ schedule }) => schedule.kind === "boot");
    if (!isForBoot || !definition.service.enabled || member.boot === boot) return;
    member.boot = boot; // Written down together with the run.
    const scheduledFor = this.#loop.now().wall;
    const cause = { trigger: "boot", scheduledFor, coalesced: 1, attempt: 1 } as const;
    this.#loop.enqueue(definition.name, { type: "due", cause, lateMs: 0 });
  }

  /** Definitions in force. */
  *definitions(): Iterable<JobDefinition> {
    for (const { definition, isRemoved } of this.#loop.members.values()) if (!isRemoved) yield definition;
  }

  // What people ask.

  select(words: readonly string[]): Selection {
    const jobs = [...this.definitions()].map(({ name, service: { groups } }) => ({ name, groups }));
    return select(words, jobs);
  }

  /** null: there is no such job. */
  run(name: string, force: boolean): ActionResult | null {
    const member = this.#named(name);
    if (member === null) return null;
    const runBefore = member.job.lastRun;
    const answer = (outcome: ActionResult["outcome"], what: string): ActionResult => ({
      name,
      outcome,
      what,
      runBefore,
    });
    if (this.isShuttingDown) return answer("refused", "svcd is shutting down");
    const queuedBefore = member.job.queued;
    this.#send(name, { type: "run", at: this.#loop.now().wall, force });
    const { job, definition } = member;
    const newest = (): string => this.#jobPorts.history.of(name, 1)[0]?.why ?? "it could not be started";
    if (job.lastRun > runBefore) {
      const run = job.runs.find((one) => one.run > runBefore);
      if (run === undefined) return answer("refused", newest()); // Left out, or refused by the machine.
      if (run.state.at !== "waiting") return answer("done", `run ${run.run} started`);
      return answer("done", `run ${run.run} ${whyRun(run, definition.policy, this.#around(member))}`);
    }
    if (job.queued !== queuedBefore && job.queued !== null) {
      return answer("done", `waits until ${job.runs.length === 0 ? "the next attempt" : runsInWords(job)} is over`);
    }
    return answer("refused", `${newest()}: svctl run --force ${name}`);
  }

  /** It is on the disk before the answer. */
  pause(names: readonly string[]): ActionResult[] {
    return this.#each(names, (name, { job }) => {
      if (job.paused) return ["already", "already paused"];
      this.#loop.enqueue(name, { type: "pause" });
      this.#loop.drain();
      this.#loop.noteMarks();
      this.#ports.announcer.announce({ kind: "job", job: name, what: "paused" });
      return ["done", "paused"];
    });
  }

  resume(names: readonly string[]): ActionResult[] {
    return this.#each(names, (name, { job }) => {
      if (!job.paused) return ["already", "not paused"];
      this.#loop.enqueue(name, { type: "resume" });
      this.#loop.drain();
      this.#loop.noteMarks();
      this.#ports.announcer.announce({ kind: "job", job: name, what: "resumed" });
      return ["done", "resumed"];
    });
  }

  /** `run` null: all that run, and what waits. Answers null where there is no such job. */
  kill(name: string, run: RunNumber | null): ActionResult | null {
    const member = this.#named(name);
    if (member === null) return null;
    const { job } = member;
    const runBefore = job.lastRun;
    const concerned = job.runs.filter((one) => run === null || one.run === run);
    const waits = run === null && !isIdle(job);
    if (concerned.length === 0 && !waits) {
      return { name, outcome: "refused", what: run === null ? "not running" : `run ${run} is not running`, runBefore };
    }
    this.#send(name, { type: "kill", run });
    const what = concerned.length === 0 ? "what waited is given up" : `${runsInWords({ runs: concerned })} told to end`;
    return { name, outcome: "done", what, runBefore };
  }

  #each(
    names: readonly string[],
    act: (name: string, member: JobMember) => readonly [ActionResult["outcome"], string],
  ): ActionResult[] {
    return names.flatMap((name) => {
      const member = this.#named(name);
      if (member === null) return [];
      const runBefore = member.job.lastRun;
      const [outcome, what] = act(name, member);
      return [{ name, outcome, what, runBefore }];
    });
  }

  #named(name: string): JobMember | null {
    const member = this.#loop.members.get(name);
    return member === undefined || member.isRemoved ? null : member;
  }

  shutdown(): void {
    this.#loop.shutdown();
  }

  // What is so.

  get isShuttingDown(): boolean {
    return this.#loop.shuttingDownSince !== null;
  }

  get members(): ReadonlyMap<string, Readonly<JobMember>> {
    return this.#loop.members;
  }

  /** What svcd has to wait for before it ends; `stuck`: KILL does not end it, and it is not waited for any longer. */
  endsAfter(): { readonly running: boolean; readonly stuck: readonly string[] } {
    const stuck: string[] = [];
    const now = this.#ports.clock.now();
    for (const [name, { definition, job }] of this.#loop.members) {
      for (const { run, state } of job.runs) {
        const killedAfter = definition.policy.stopGraceMs + STUCK_AFTER_MS;
        const isLong = now - (this.#loop.shuttingDownSince ?? now) >= killedAfter;
        const isKilled = state.at === "clearing" || (state.at === "stopping" && state.killed);
        if (!isLong || !isKilled) return { running: true, stuck: [] };
        stuck.push(`${name}/${run}`);
      }
    }
    return { running: false, stuck };
  }

  /** Everything that must outlive svcd does. */
  close(): void {
    this.#loop.noteMarks();
  }

  history(name: string, most: number): readonly RunRecord[] {
    return this.#jobPorts.history.of(name, most);
  }

  /** Sorted by name, as people look for them. */
  statuses(noteOf: (definition: JobDefinition, isRemoved: boolean) => string | null): JobStatus[] {
    const members = [...this.#loop.members.values()].sort((a, b) => (a.definition.name < b.definition.name ? -1 : 1));
    return members.map((member) => this.#status(member, noteOf));
  }

  status(name: string, noteOf: (definition: JobDefinition, isRemoved: boolean) => string | null): JobStatus | null {
    const member = this.#loop.members.get(name);
    return member === undefined ? null : this.#status(member, noteOf);
  }

  #status(member: JobMember, noteOf: (definition: JobDefinition, isRemoved: boolean) => string | null): JobStatus {
    const { definition, job, isRemoved } = member;
    const { name, schedules, timezone, description, source } = definition;
    const next = this.#loop.nextStart(name);
    const around = this.#around(member);
    return {
      name,
      state: jobStateWord(job),
      paused: job.paused,
      schedules: schedules.map(({ expression, schedule }) => ({ expression, words: explain(schedule) })),
      timezone,
      next: next === null || job.paused ? null : iso(next.at),
      runs: job.runs.map((run) => this.#runStatus(member, run, around)),
      last: around.last,
      streak: job.streak,
      why: whyJob(definition, job, around),
      description,
      file: { path: source.file, line: source.line, note: noteOf(definition, isRemoved) },
    };
  }

  #runStatus({ definition, processes }: JobMember, run: Job["runs"][number], around: JobCircumstances): RunStatus {
    const process = processes.find((one) => one.run === run.run);
    const { wall, monotonic } = this.#loop.now();
    return {
      run: run.run,
      trigger: run.cause.trigger,
      scheduledFor: iso(run.cause.scheduledFor),
      startedAt: process === undefined ? null : iso(wall - (monotonic - process.startedAt)),
      attempt: run.cause.attempt,
      pid: process?.pid ?? null,
      why: whyRun(run, definition.policy, around),
    };
  }

  #around({ definition, job, isRemoved }: JobMember): JobCircumstances {
    const isWaiting = job.runs.some(({ state }) => state.at === "waiting" && state.blockers.length > 0);
    return {
      now: this.#ports.clock.now(),
      last: this.#lastRecord(definition.name),
      holders: isWaiting ? this.#loop.holders(definition) : [],
      isShuttingDown: this.isShuttingDown,
      isRemoved,
      hasNext: this.#loop.nextStart(definition.name) !== null,
    };
  }

  #lastRecord(name: string): RunRecord | null {
    return this.#jobPorts.history.of(name, RECORDS_READ).find(({ run }) => run !== null) ?? null;
  }
}

function runsInWords({ runs }: Pick<Job, "runs">): string {
  const [first, ...others] = runs;
  return first === undefined || others.length > 0 ? `${runs.length} runs` : `run ${first.run}`;
}

function timesOf({ schedules, timezone, splayMs, service: { enabled } }: JobDefinition): string {
  return JSON.stringify([schedules.map(({ schedule }) => schedule), timezone, splayMs, enabled]);
}
