/**
 * All services and jobs at once, as files and people see them: takes over from the last core, takes up plans, does what people ask,
 * says what is so. It turns all that into events for the loop.
 */
import type { Held as GpusHeld, Lease } from "../gpu/lease.ts";
import { leftInWords, leftMs } from "../phase/eta.ts";
import { present, type Word } from "../phase/progress.ts";
import { diffPlans, isKept } from "../plan/diff.ts";
import { stemOf } from "../plan/directory.ts";
import type { JobDefinition } from "../plan/job.ts";
import type { Plan, Service } from "../plan/plan.ts";
import { describeHeld, type Held, holdVanished, nothingHeld, withHeld } from "../plan/vanished.ts";
import {
  type EndedProcess,
  type Inherited,
  type Memory,
  OperatorError,
  type RunningProcess,
  type Wish,
} from "../ports.ts";
import type { ProbeResult } from "../probe/health.ts";
import { jobRunOf } from "../schedule/run-name.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import { exitStatus } from "../service/exit.ts";
import { isEnding, type Life, newLife, type RunNumber, runOf, type State } from "../service/life.ts";
import type { Signal } from "../service/policy.ts";
import { SharedAlarm } from "./alarm.ts";
import type { Action, ActionResult, JobChanges, PlanReport, Selection, ServiceStatus } from "./answers.ts";
import { withDependencies } from "./dependencies.ts";
import type { JobStatus } from "./job-answers.ts";
import { Jobs } from "./jobs.ts";
import { Loop, type Ports, type Supervised } from "./loop.ts";
import { select } from "./selection.ts";
import { takeOver } from "./takeover.ts";
import { type Circumstances, failureOf, next, phaseInWords, stateWord, why } from "./wording.ts";

export class Supervisor {
  readonly #ports: Ports;
  readonly #loop: Loop;
  /** null: this world has none. */
  readonly #jobs: Jobs | null;
  /** Taken out by `svctl remove`, until somebody applies them again. */
  readonly #setAside = new Set<string>();
  /** Files that vanished with most others, until they are back or a person says that they are meant to be gone. */
  #held: Held = nothingHeld;
  /** Changed in the files and waiting for somebody to say so (`auto_apply: false`). */
  readonly #notApplied = new Set<string>();
  #plan: Plan | null = null;
  /** What svcd will end with; null: it goes on. */
  #endStatus: number | null = null;
  #hasLeft = false;
  /** The last wish could not be made durable: every later one tries again for all. */
  #areWishesBehind = false;

  /** `onBug`: a port threw; this supervisor does nothing any more, and whoever made it must end the core. */
  constructor(ports: Ports, onBug: (error: unknown) => void = () => {}) {
    this.#ports = ports;
    const alarm = new SharedAlarm(ports.clock);
    this.#loop = new Loop(
      { ...ports, clock: alarm.share() },
      (name) => this.#describe(name),
      () => this.#whenQuiet(),
      onBug,
    );
    const whenQuiet = (): void => this.#whenJobsQuiet();
    this.#jobs =
      ports.jobs === undefined
        ? null
        : new Jobs({ ...ports, clock: alarm.share() }, ports.jobs, this.#loop, whenQuiet, onBug);
  }

  /** Takes up what an earlier core left (`takeover.ts`). Call once, before the first plan. */
  inherit(memory: Memory, inherited: Inherited, plan: Plan): void {
    for (const name of memory.aside) this.#setAside.add(name);
    this.#held = memory.held;
    takeOver(this.#loop, this.#ports, memory, withoutJobs(inherited), plan);
    // The last core may have died while it took them out.
    for (const name of [...memory.removed, ...memory.aside]) this.#loop.remove(name);
    this.#jobs?.inherit(memory, inherited, plan);
    if (inherited.stopping !== null) this.shutdown(inherited.stopping);
    this.#loop.drain();
    this.#jobs?.drain();
    for (const { service, run } of inherited.ended) {
      this.#ports.processes.end(service, run); // The last core may have noted the end, and died before it said this.
      if (jobRunOf(service) !== null) this.#ports.processes.forget(service);
      this.#ports.processes.noted(service, run);
    }
  }

  // What happened.

  spawned(process: RunningProcess): void {
    const jobRun = jobRunOf(process.service);
    if (jobRun !== null) return this.#jobs?.spawned(jobRun.job, process);
    const member = this.#loop.members.get(process.service);
    if (member === undefined || runOf(member.life.state) !== process.run) return;
    member.process = process;
    member.launch = null;
    this.#ports.announcer.announce({
      kind: "state",
      service: process.service,
      before: member.life,
      after: member.life,
    });
    this.#loop.enqueue(process.service, { type: "spawned", run: process.run, at: process.startedAt });
    this.#loop.drain();
  }

  refused(name: string, run: RunNumber, code: string, message: string): void {
    const jobRun = jobRunOf(name);
    if (jobRun !== null) return this.#jobs?.refused(jobRun.job, run, code, message);
    const member = this.#loop.members.get(name);
    if (member === undefined) return;
    const { launch } = member;
    const said = launch === null ? null : this.#ports.launcher.explainRefusal(launch, code, message);
    this.#loop.enqueue(name, {
      type: "refused",
      run,
      cause: said?.cause ?? message,
      permanent: said?.permanent ?? false,
    });
    this.#loop.drain();
  }

  exited(ended: EndedProcess): void {
    const { service, run, exit, isClear } = ended;
    const jobRun = jobRunOf(service);
    if (jobRun !== null) {
      this.#jobs?.exited(jobRun.job, ended);
      return this.#ports.processes.noted(service, run);
    }
    if (!this.#loop.members.has(service)) this.#ports.processes.end(service, run);
    if (isClear) this.#loop.strays.delete(`${service}#${run}`);
    this.#loop.enqueue(service, { type: "exited", run, exit, isClear });
    this.#loop.drain();
    this.#ports.processes.noted(service, run);
  }

  /** Nothing is left of a run whose end was told before. */
  gone(service: string, run: RunNumber): void {
    const jobRun = jobRunOf(service);
    if (jobRun !== null) return this.#jobs?.gone(jobRun.job, run);
    this.#loop.strays.delete(`${service}#${run}`);
    this.#loop.enqueue(service, { type: "gone", run });
    this.#loop.drain();
  }

  /** What KILL does not end, in words. */
  survived(service: string, run: RunNumber, survivors: readonly string[]): void {
    const jobRun = jobRunOf(service);
    if (jobRun !== null) return this.#jobs?.survived(jobRun.job, run, survivors);
    this.#loop.strays.delete(`${service}#${run}`); // What KILL does not end keeps nobody waiting.
    this.#loop.enqueue(service, { type: "survived", run, survivors });
    this.#loop.drain();
  }

  /** How far a start is. */
  progressed(name: string, run: RunNumber, word: Word): void {
    this.#loop.enqueue(name, { type: "progressed", run, word });
    this.#loop.drain();
  }

  probed(name: string, run: RunNumber, result: ProbeResult): void {
    this.#loop.enqueue(name, { type: "probed", run, result });
    this.#loop.drain();
  }

  /** `gpus.look()` was answered, or came to nothing. */
  gpusSeen(): void {
    this.#loop.gpus.changed();
    this.#loop.drain();
  }

  tick(): void {
    this.#loop.tick();
    this.#jobs?.tick();
  }

  // What the files say.

  /**
   * Takes up a plan: all of it, or only what concerns `names`. `by`: who wants it. What `svctl remove` took out comes back
   * when svcd starts or a person asks; that most files are gone at once is believed only when a person says it.
   */
  apply(newest: Plan, names: readonly string[] | null, by: "files" | "start" | "person"): PlanReport {
    const concerned = (name: string): boolean => {
      if (names !== null) return names.includes(name);
      return by !== "files" || !this.#setAside.has(name);
    };
    if (by === "person") this.#believe(names);
    else this.#hold(holdVanished(this.written(), newest, this.#held));
    const plan = withHeld(newest, this.#held);
    const isFirst = this.#plan === null;
    this.#plan = plan;
    const report = this.#compare(plan);
    const applied: PlanReport = {
      ...report,
      added: report.added.filter(concerned),
      changed: report.changed.filter(({ name }) => concerned(name)),
      removed: report.removed.filter(concerned),
      jobs: {
        ...report.jobs,
        added: report.jobs.added.filter(concerned),
        changed: report.jobs.changed.filter(({ name }) => concerned(name)),
        removed: report.jobs.removed.filter(concerned),
      },
    };
    this.#notApplied.clear();
    this.#ports.journal.together(() => {
      for (const name of applied.removed) this.#loop.remove(name);
      for (const name of applied.added) this.#take(plan.services.get(name)!);
      for (const { name, restart } of applied.changed) this.#change(plan.services.get(name)!, restart);
      this.#jobs?.apply(plan, applied.jobs, isFirst);
    });
    this.#loop.definitionsChanged();
    this.#loop.drain();
    this.#jobs?.drain();
    if (names !== null) this.consider(newest);
    return applied;
  }

  /** What would change if the files were taken up now. */
  preview(newest: Plan): PlanReport {
    return this.#compare(withHeld(newest, this.#stillHeld(newest)));
  }

  /** Files that nobody has asked to take up yet: only what is said about them changes. */
  consider(newest: Plan): void {
    this.#hold(this.#stillHeld(newest));
    const plan = withHeld(newest, this.#held);
    this.#plan = plan;
    this.#notApplied.clear();
    const report = this.#compare(plan);
    for (const { added, removed, changed } of [report, report.jobs]) {
      for (const name of [...added, ...removed, ...changed.map((change) => change.name)]) this.#notApplied.add(name);
    }
  }

  /**
   * Conditions (`when:`) depend on the machine, not on our files: look at them again. Answers whether anybody is still
   * SKIPPED for one, and this must be called again.
   */
  recheckConditions(): boolean {
    for (const [name, { service, life }] of this.#loop.members) {
      if (life.state.at !== "skipped" || life.wanted === "down") continue;
      const reason = this.#loop.unmet(service);
      if (reason === null) this.#loop.start(name);
      else if (reason !== life.state.reason) this.#loop.enqueue(name, { type: "skip", reason });
    }
    this.#loop.drain();
    return [...this.#loop.members.values()].some(({ life }) => life.state.at === "skipped" && life.wanted === "up");
  }

  #compare(plan: Plan): PlanReport {
    const { added, removed, changed, kept } = diffPlans(this.#definitions(), plan);
    return { added, removed, changed, kept, jobs: this.#jobs?.compare(plan) ?? noChanges, mistakes: plan.mistakes };
  }

  #definitions(): Map<string, Service> {
    const all = new Map<string, Service>();
    for (const [name, { service, isRemoved }] of this.#loop.members) if (!isRemoved) all.set(name, service);
    return all;
  }

  /** What is back is no longer in doubt; nothing else comes into doubt by looking. */
  #stillHeld(newest: Plan): Held {
    return this.#held.files.length === 0 ? nothingHeld : holdVanished(this.written(), newest, this.#held);
  }

  /** A person says that these are meant to be gone. */
  #believe(names: readonly string[] | null): void {
    if (names === null) return this.#hold(nothingHeld);
    const files = new Set(
      names.map(
        (name) => (this.#loop.members.get(name)?.service ?? this.#jobs?.members.get(name)?.definition)?.source.file,
      ),
    );
    this.#hold({ ...this.#held, files: this.#held.files.filter((file) => !files.has(file)) });
  }

  #hold(held: Held): void {
    if (held.files.join("\0") === this.#held.files.join("\0")) return;
    this.#held = held;
    this.#ports.journal.record({ kind: "held", held });
    if (held.files.length === 0) return;
    const text = `${describeHeld(held)}: what they describe goes on; to stop it: svctl apply`;
    this.#ports.announcer.announce({ kind: "daemon", text });
  }

  #take(service: Service): void {
    const { name } = service;
    this.#keepAside(name, false);
    const member = this.#loop.members.get(name);
    const { lastRuns } = this.#loop;
    const taken = member ?? this.#loop.add(service, newLife(this.#ports.clock.now(), lastRuns.get(name)));
    taken.isRemoved = false; // Perhaps it was on its way out, and is wanted again.
    this.#loop.define(taken, service);
    if (member !== undefined) this.#whileItRuns(service);
    if (!this.#isWantedByItself(service)) return;
    this.#loop.start(name);
    this.#loop.bringUpToDate(name);
  }

  #change(service: Service, restart: boolean): void {
    const { name } = service;
    const member = this.#loop.members.get(name)!;
    const before = member.service;
    this.#loop.define(member, service);
    this.#whileItRuns(service);
    const isEnabled = this.#isEnabled(service);
    if (!isEnabled) this.#loop.leave(name, "stop");
    else if (member.life.wanted === "down" && !before.enabled && this.#isWantedByItself(service)) {
      this.#loop.start(name);
      this.#loop.bringUpToDate(name);
    } else if (member.life.wanted === "up" && restart) this.#loop.leave(name, "restart");
  }

  /** What a new definition changes at once for a process that runs. */
  #whileItRuns(service: Service): void {
    this.#ports.processes.logsChanged(service);
    this.#loop.enqueue(service.name, { type: "tick" }); // A check may have come or gone.
    const state = this.#loop.members.get(service.name)?.life.state;
    if (state?.at === "starting" && state.spawned)
      this.#ports.starts?.watch(service, state.run, state.progress?.step ?? null);
  }

  #keepAside(name: string, isAside: boolean): void {
    if (this.#setAside.has(name) === isAside) return;
    if (isAside) this.#setAside.add(name);
    else this.#setAside.delete(name);
    this.#ports.journal.record({ kind: "aside", names: [...this.#setAside] });
  }

  #isEnabled(service: Service): boolean {
    return this.#ports.wishes.of(service.name).enabled ?? service.enabled;
  }

  #isWantedByItself(service: Service): boolean {
    const { stopped } = this.#ports.wishes.of(service.name);
    return this.#isEnabled(service) && service.autostart && !stopped && !this.isShuttingDown;
  }

  // What people ask.

  select(words: readonly string[]): Selection {
    const services = [...this.#loop.members.values()]
      .filter(({ isRemoved }) => !isRemoved)
      .map(({ service }) => service);
    const { names, unknown } = select(words, services);
    return { names, unknown: unknown.map((one) => ({ ...one, ...this.#mistakeOf(one.word) })) };
  }

  /** A name that nobody runs because its file has a mistake is better answered with the mistake. */
  #mistakeOf(word: string): { readonly mistake?: string } {
    if (!this.#plan?.brokenNames.has(word)) return {};
    const { mistakes } = this.#plan;
    const mistake = mistakes.find(({ file }) => stemOf(file) === word) ?? mistakes[0];
    return mistake === undefined
      ? {}
      : { mistake: `${mistake.file}:${mistake.line}:${mistake.column}: ${mistake.what}` };
  }

  act(action: Action, names: readonly string[]): ActionResult[] {
    switch (action) {
      case "start":
        return this.#start(names);
      case "stop":
        return this.#stop(names);
      case "restart":
        return this.#restart(names);
      case "reload":
        return this.#reload(names);
    }
  }

  signal(names: readonly string[], signal: Signal): ActionResult[] {
    return this.#each(names, (name, { life }) => {
      const run = runOf(life.state);
      if (run === null || life.state.at === "clearing") return ["refused", "not running"];
      this.#ports.processes.signal(name, run, signal, "main");
      return ["done", "signalled"];
    });
  }

  /** Disabled is down now and stays so across reboots; enabled is as the file says. Throws, after it is so, when it cannot be kept. */
  setEnabled(names: readonly string[], enabled: boolean): ActionResult[] {
    const flaw = this.#save(new Map(names.map((name) => [name, { enabled, stopped: false }])));
    const results = this.#each(names, (name, { service, life }) => {
      if (!enabled) this.#loop.leave(name, "stop");
      else if (life.wanted === "down" && service.autostart && !this.isShuttingDown) {
        this.#loop.start(name);
        this.#loop.bringUpToDate(name);
      }
      return ["done", enabled ? "enabled" : "disabled"];
    });
    this.#loop.drain();
    if (flaw === null) return results;
    const what = `${enabled ? "enabled" : "disabled"} now, but forgotten when svcd ends: ${flaw.what}`;
    throw new OperatorError(what, flaw.where, flaw.fix);
  }

  /** Takes it out of supervision until somebody applies it again. */
  setAside(names: readonly string[]): ActionResult[] {
    const results = this.#each(names, (name, { life }) => {
      if (runOf(life.state) !== null) return ["refused", "still running: stop it first"];
      // Whoever adds it again wants it up. Said first: once it is aside nobody could say it any more.
      this.#remember([name], false);
      this.#keepAside(name, true);
      this.#loop.remove(name);
      return ["done", "removed"];
    });
    this.#loop.drain();
    return results;
  }

  /** Stops everything in reverse order, then svcd leaves, with this exit status. */
  shutdown(status = 0): void {
    if (this.#endStatus === null) this.#ports.announcer.announce({ kind: "daemon", text: "shutting down" });
    this.#endStatus ??= status;
    this.#ports.processes.stopping(this.#endStatus);
    this.#jobs?.shutdown();
    for (const name of this.#loop.members.keys()) this.#loop.leave(name, "stop");
    this.#jobs?.drain();
    this.#loop.drain();
  }

  selectJobs(words: readonly string[]): Selection {
    const { names, unknown } = this.#jobs?.select(words) ?? select(words, []);
    return { names, unknown: unknown.map((one) => ({ ...one, ...this.#mistakeOf(one.word) })) };
  }

  /** Names of jobs of which something runs now. */
  runningJobs(): string[] {
    return [...(this.#jobs?.members ?? [])].flatMap(([name, { job }]) => (job.runs.length > 0 ? [name] : []));
  }

  get jobCount(): number {
    return this.#jobs?.members.size ?? 0;
  }

  /** It is not over. */
  hasRun(job: string, run: RunNumber): boolean {
    return this.#jobs?.members.get(job)?.job.runs.some((one) => one.run === run) ?? false;
  }

  /** A start by hand; it obeys the job's `overlap`, unless it is forced. null: there is no such job. */
  runJob(name: string, force: boolean): ActionResult | null {
    return this.#jobs?.run(name, force) ?? null;
  }

  pauseJobs(names: readonly string[]): ActionResult[] {
    return this.#jobs?.pause(names) ?? [];
  }

  resumeJobs(names: readonly string[]): ActionResult[] {
    return this.#jobs?.resume(names) ?? [];
  }

  /** `run` null: all runs of it, and what waits. null: there is no such job. */
  killRuns(name: string, run: RunNumber | null): ActionResult | null {
    return this.#jobs?.kill(name, run) ?? null;
  }

  #start(names: readonly string[]): ActionResult[] {
    const asked = new Set(names);
    const all = withDependencies(names, this.#loop.members);
    const remembered = this.#remember(
      all.filter((name) => asked.has(name) || this.#isDown(name)),
      false,
    );
    const results = this.#each(all, (name, { service, life }) => {
      if (this.isShuttingDown) return ["refused", "svcd is shutting down"];
      const isNamed = asked.has(name);
      if (!this.#isEnabled(service)) return isNamed ? ["refused", `disabled: svctl enable ${name}`] : null;
      if (life.wanted === "up" && (runOf(life.state) !== null || life.state.at === "waiting")) {
        return isNamed ? ["already", `already started${remembered}`] : null;
      }
      // A dependency that has done its work, or that this machine does not want, is as it should be.
      if (!isNamed && life.wanted === "up" && life.state.at !== "fatal" && life.state.at !== "backoff") return null;
      this.#loop.start(name);
      this.#loop.bringUpToDate(name);
      return ["done", `started${isNamed ? "" : ", something named depends on it"}${remembered}`];
    });
    this.#loop.drain();
    return results;
  }

  /** svcd itself stops a service that nobody uses; it stays down like one that a person stopped, and says why. */
  stopIdle(name: string, because: string): void {
    this.#stop([name], because);
  }

  #stop(names: readonly string[], because?: string): ActionResult[] {
    const remembered = this.#remember(names, true, because);
    const results = this.#each(names, (name, { life }) => {
      if (life.wanted === "down" && runOf(life.state) === null) return ["already", `not running${remembered}`];
      this.#loop.leave(name, "stop");
      return ["done", `stopped${remembered}`];
    });
    this.#loop.drain();
    return results;
  }

  #restart(names: readonly string[]): ActionResult[] {
    const remembered = this.#remember(names, false);
    const results = this.#each(names, (name, { service, life }) => {
      if (this.isShuttingDown) return ["refused", "svcd is shutting down"];
      if (!this.#isEnabled(service)) return ["refused", `disabled: svctl enable ${name}`];
      // What ends already need not wait for its turn to end.
      if (runOf(life.state) === null || isEnding(life.state)) this.#loop.start(name);
      else this.#loop.leave(name, "restart");
      return ["done", `restarted${remembered}`];
    });
    this.#loop.drain();
    return results;
  }

  #reload(names: readonly string[]): ActionResult[] {
    const toRestart: string[] = [];
    const results = this.#each(names, (name, { service, life }) => {
      const run = runOf(life.state);
      if (run === null || life.state.at === "clearing") return ["refused", "not running"];
      if (service.reloadSignal === null) {
        toRestart.push(name);
        return null;
      }
      this.#ports.processes.signal(name, run, service.reloadSignal, "main");
      return ["done", `reloaded (${service.reloadSignal} sent)`];
    });
    return [...results, ...this.#restart(toRestart)];
  }

  /** "" or why the wish will not outlive svcd: a full disk must not keep anybody from stopping a service. */
  #remember(names: readonly string[], stopped: boolean, because?: string): string {
    const changes = new Map<string, Wish>();
    for (const name of names) {
      const wish = this.#ports.wishes.of(name);
      if (wish.stopped === stopped && wish.because === because) continue;
      changes.set(name, { enabled: wish.enabled, stopped, ...(because === undefined ? {} : { because }) });
    }
    if (changes.size === 0 && !this.#areWishesBehind) return "";
    const flaw = this.#save(changes);
    return flaw === null ? "" : ` (not remembered if svcd ends: ${flaw.what})`;
  }

  /** They hold in any case; what is returned is why not beyond this svcd. */
  #save(changes: ReadonlyMap<string, Wish>): OperatorError | null {
    try {
      this.#ports.wishes.save(changes);
      this.#areWishesBehind = false;
      return null;
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      this.#areWishesBehind = true;
      return error;
    }
  }

  #each(
    names: readonly string[],
    act: (name: string, member: Supervised) => readonly [ActionResult["outcome"], string] | null,
  ): ActionResult[] {
    return names.flatMap((name) => {
      const member = this.#loop.members.get(name);
      if (member === undefined) return [];
      const runBefore = member.life.lastRun;
      const result = act(name, member);
      return result === null ? [] : [{ name, outcome: result[0], what: result[1], runBefore }];
    });
  }

  #isDown(name: string): boolean {
    return this.#loop.members.get(name)?.life.wanted === "down";
  }

  // What is so.

  get isShuttingDown(): boolean {
    return this.#endStatus !== null;
  }

  /** The plan last taken up or tried. */
  get plan(): Plan | null {
    return this.#plan;
  }

  get members(): ReadonlyMap<string, Readonly<Supervised>> {
    return this.#loop.members;
  }

  /** All that stands in files, as far as it is in use: services and jobs. */
  written(): (Service | JobDefinition)[] {
    return [...this.#definitions().values(), ...(this.#jobs?.definitions() ?? [])];
  }

  /** Who has which GPUs now, services and jobs. */
  gpusHeld(): readonly GpusHeld[] {
    return this.#loop.gpus.held();
  }

  /** Why this machine does not want it (`when:`, no GPU); null: it does, as far as is known. */
  unmet(service: Service): string | null {
    return this.#loop.unmet(service);
  }

  /** The GPUs of its present or last run; before the first, those that it would get if it had the machine for itself. */
  gpusOf(name: string): Lease | null {
    const member = this.#loop.members.get(name);
    return member === undefined ? null : (member.life.gpus ?? this.#loop.gpusFor(member.service));
  }

  /** Main processes of all runs that live. */
  *processes(): Iterable<RunningProcess> {
    for (const { process } of this.#loop.members.values()) if (process !== null) yield process;
    for (const { processes } of this.#jobs?.members.values() ?? []) yield* processes.values();
  }

  neededBy(name: string): readonly string[] {
    return this.#loop.dependentsOf(name);
  }

  /** Sorted by name, as people look for it. */
  statuses(): ServiceStatus[] {
    return [...this.#loop.members.keys()].sort(byName).map((name) => this.#status(name, this.#loop.members.get(name)!));
  }

  status(name: string): ServiceStatus | null {
    const member = this.#loop.members.get(name);
    return member === undefined ? null : this.#status(name, member);
  }

  /** Sorted by name. */
  jobs(): JobStatus[] {
    return this.#jobs?.statuses((...job) => this.#jobNote(...job)) ?? [];
  }

  job(name: string): JobStatus | null {
    return this.#jobs?.status(name, (...job) => this.#jobNote(...job)) ?? null;
  }

  /** The definition in force; null: there is no such job. */
  jobDefinition(name: string): JobDefinition | null {
    return this.#jobs?.members.get(name)?.definition ?? null;
  }

  /** Newest first. */
  history(name: string, most: number): readonly RunRecord[] {
    return this.#jobs?.history(name, most) ?? [];
  }

  #status(name: string, member: Supervised): ServiceStatus {
    const { service, life, process } = member;
    const { clock } = this.#ports;
    const now = clock.now();
    const around = this.#circumstances(name, service, life);
    const { state } = life;
    const run = runOf(state);
    const health = state.at === "starting" || state.at === "running" ? state.health : null;
    return {
      name,
      state: stateWord(state),
      pid: run !== null && process?.run === run ? process.pid : null,
      run: life.lastRun,
      since: new Date(clock.wallTime().getTime() - (now - life.since)).toISOString(),
      // The next start is counted when it is due, but has not been made yet.
      restarts: state.at === "backoff" ? life.restarts - 1 : life.restarts,
      health: health?.verdict ?? null,
      phase: phaseInWords(state),
      ...this.#progressOf(name, state, now),
      why: why(life, service.policy, around, now),
      next: next(life, service.policy, around, now),
      wanted: life.wanted,
      enabled: around.enabled,
      groups: service.groups,
      description: service.description,
      file: { path: service.source.file, line: service.source.line, note: this.#fileNote(name, member) },
    };
  }

  #progressOf(name: string, state: State, now: number): Pick<ServiceStatus, "progress"> {
    if (state.at !== "starting" || state.progress === undefined) return {};
    const ms = leftMs(this.#ports.starts?.past(name) ?? [], present(state.progress, now));
    const left = ms === null ? null : leftInWords(ms) || null;
    return { progress: { ...state.progress.step, leftMs: ms === null ? null : Math.round(ms), left } };
  }

  #circumstances(name: string, service: Service, life: Life): Circumstances {
    const failure = failureOf(life, service.policy);
    return {
      enabled: this.#isEnabled(service),
      autostart: service.autostart,
      stopped: stoppedWhy(this.#ports.wishes.of(name)),
      shuttingDown: this.isShuttingDown,
      endsAfter: this.#loop.endsAfter(name),
      lastWords: failure === null ? null : (this.#ports.lastWords?.of(service, failure) ?? null),
    };
  }

  /** How the file and what runs differ; null: they do not. */
  #fileNote(name: string, { service, isRemoved }: Supervised): string | null {
    if (isRemoved) return "removed from services.d";
    return this.#noteOf(name, service, this.#plan?.services.has(name) === true);
  }

  #jobNote({ name, service }: JobDefinition, isRemoved: boolean): string | null {
    if (isRemoved) return "removed from the files";
    return this.#noteOf(name, service, this.#plan?.jobs.has(name) === true);
  }

  #noteOf(name: string, service: Service, isInPlan: boolean): string | null {
    if (this.#held.files.includes(service.source.file)) {
      return `held: ${describeHeld(this.#held)}; if it shall be gone: svctl apply`;
    }
    if (this.#notApplied.has(name)) return "changed, not applied: svctl update";
    const plan = this.#plan;
    const { file } = service.source;
    if (plan === null || isInPlan || !isKept(service, plan)) return null;
    const mistake = plan.mistakes.find((candidate) => candidate.file === file);
    return `runs as before: ${mistake === undefined ? file : `${file}:${mistake.line}: ${mistake.what}`}`;
  }

  /** "FATAL: gave up after …" for somebody who waits for it. */
  #describe(name: string): string {
    const { service, life } = this.#loop.members.get(name)!;
    // Its own reasons name others that wait: one step is enough, `why` of each leads on.
    if (life.state.at === "waiting") {
      const names = life.state.blockers.map((phrase) => /^GPU [^:]+/.exec(phrase)?.[0] ?? phrase.split(" ")[0]);
      return names.length === 0 ? "about to start" : `WAITING for ${names.join(", ")}`;
    }
    const around = this.#circumstances(name, service, life);
    const settled = life.state.at !== "starting" && !isEnding(life.state);
    const reason = settled ? `: ${why(life, service.policy, around, this.#ports.clock.now())}` : "";
    return `${stateWord(life.state)}${reason}`;
  }

  #whenQuiet(): void {
    this.#jobs?.servicesChanged();
    if (this.#endStatus === null) this.#endWithTheEssential();
    else this.#leaveIfDone(this.#endStatus);
  }

  #whenJobsQuiet(): void {
    if (this.#loop.gpus.hasNews("services")) this.#loop.drain(); // A run gave something back.
    if (this.#endStatus !== null) this.#leaveIfDone(this.#endStatus);
  }

  #endWithTheEssential(): void {
    const over = this.#loop.essentialEnd();
    if (over === null) return;
    const { service, life } = over;
    const status = lastStatus(life);
    const text = `${service.name} is essential and ${stateWord(life.state)}: svcd ends, with status ${status}`;
    this.#ports.announcer.announce({ kind: "daemon", text });
    this.shutdown(status);
  }

  #leaveIfDone(status: number): void {
    // Jobs can be at rest before the services have heard of the end: what they would write down then would outlive svcd.
    if (this.#hasLeft || !this.#loop.isQuiet || this.#loop.strays.size > 0) return;
    const now = this.#ports.clock.now();
    const stuck: string[] = [];
    for (const [name, { life, service }] of this.#loop.members) {
      if (runOf(life.state) === null) continue;
      if (!isStuck(life, service.policy.stopGraceMs, now)) return;
      stuck.push(name);
    }
    const ofJobs = this.#jobs?.endsAfter();
    if (ofJobs?.running) return;
    stuck.push(...(ofJobs?.stuck ?? []));
    if (stuck.length > 0) {
      const text = `svcd ends although KILL does not end what is left of ${stuck.join(", ")}`;
      this.#ports.announcer.announce({ kind: "daemon", text });
    }
    this.#hasLeft = true;
    this.#jobs?.close();
    this.#ports.journal.record({ kind: "left" });
    this.#ports.processes.leave(status);
  }
}

const noChanges: JobChanges = { added: [], changed: [], removed: [], kept: [] };

/** What the keeper says of services. */
function withoutJobs(inherited: Inherited): Inherited {
  const isService = ({ service }: { readonly service: string }): boolean => jobRunOf(service) === null;
  const lastRuns = Object.entries(inherited.lastRuns).filter(([service]) => isService({ service }));
  return {
    ...inherited,
    live: inherited.live.filter(isService),
    ended: inherited.ended.filter(isService),
    uncleared: inherited.uncleared.filter(isService),
    lastRuns: Object.fromEntries(lastRuns),
  };
}

/** Of its last run; a service that was given up has not ended well, whatever its last exit code. */
function lastStatus({ state, lastEnd }: Life): number {
  const status = lastEnd === null ? 1 : exitStatus(lastEnd.exit);
  return state.at === "fatal" && status === 0 ? 1 : status;
}

/** A process in state D ends when its disk or driver lets it; svcd does not wait for that for ever. */
const STUCK_AFTER_MS = 10_000;

/** KILL was sent to all of it long ago. */
function isStuck({ state, since }: Life, graceMs: number, now: number): boolean {
  if (state.at === "clearing") return now - since >= STUCK_AFTER_MS;
  // A grace may be given twice, so the time of the stop says nothing about the time since KILL.
  return state.at === "stopping" && state.killed && now - (state.killedAt ?? since + graceMs) >= STUCK_AFTER_MS;
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function stoppedWhy({ stopped, because }: Wish): string | null {
  return stopped ? (because ?? "on request") : null;
}
