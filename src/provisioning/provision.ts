/**
 * A run of provisioning: steps in order, each written down before it begins and when it has ended, so that whatever cuts a run
 * off, the next one goes on from there.
 */
import { lock } from "../keeper/lock.ts";
import { formatMistake } from "../plan/mistake.ts";
import type { Around } from "./around.ts";
import type { Markers } from "./markers.ts";
import {
  type Decision,
  decide,
  emptyRecord,
  type Memory,
  type StepRecord,
  type Wish,
  withDecisions,
  withWishes,
} from "./memory.ts";
import { perform } from "./perform.ts";
import { preflight } from "./preflight.ts";
import { label } from "./progress.ts";
import type { Steps } from "./read.ts";
import { type Failed, failure, Interrupted, type Result } from "./result.ts";
import { inBytes, inTime } from "./sizes.ts";
import type { Step, Work } from "./step.ts";
import type { Store } from "./store.ts";
import { Watch } from "./watch.ts";

export interface Stage {
  readonly store: Store;
  readonly markers: Markers;
  readonly stop: AbortSignal;
  /** A line of output. */
  readonly say: (line: string) => void;
  /** A line that the next one replaces, where that is possible. */
  readonly draw: (line: string) => void;
  /** Scripts whose content has changed run again. */
  readonly compare: boolean;
}

/** sysexits(3): what is written is wrong; somebody else is at it. As a shell reports TERM. */
export const STATUS = { complete: 0, failed: 1, mistakes: 78, busy: 75, interrupted: 143 } as const;

/** The exit status. The last line says in one sentence what it stands for: it is what svcd shows to whoever waits. */
export async function provision(steps: Steps, stage: Stage): Promise<number> {
  const run = new Run(steps, stage);
  try {
    return await run.all();
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    stage.say("interrupted: the next run goes on from here");
    return STATUS.interrupted;
  }
}

class Run {
  readonly #steps: readonly Step[];
  readonly #mistakes: Steps["mistakes"];
  readonly #redact: Steps["redact"];
  readonly #stage: Stage;
  readonly #startedAt = performance.now();
  readonly #run = { startedAt: now(), endedAt: null, outcome: "running", cause: null, pid: process.pid } as const;
  #memory: Memory = { version: 1, steps: {}, heard: [], run: null };
  #decisions: readonly Decision[] = [];
  #passedOver = 0;

  constructor({ steps, mistakes, redact }: Steps, stage: Stage) {
    this.#steps = steps;
    this.#mistakes = mistakes;
    this.#redact = redact;
    this.#stage = stage;
  }

  async all(): Promise<number> {
    const { store, markers } = this.#stage;
    const locked = lock(store.lockPath);
    if (locked.kind === "held") {
      this.#say(`failed: provisioning runs already, as pid ${locked.holder}`);
      return STATUS.busy;
    }
    this.#memory = store.read();
    if (this.#mistakes.length > 0) return this.#refuse();

    const wishes = store.wishes();
    this.#decide(wishes);
    if (this.#decisions.every(({ do: what }) => what === "skip")) return this.#nothingToDo(wishes);
    markers.begin();
    if (this.#save({ run: this.#run })) store.forget(wishes);

    const ahead = await this.#preflight();
    if (ahead !== null) return this.#fail(ahead, STATUS.failed);
    for (const decision of this.#decisions) {
      const cause = await this.#step(decision);
      if (cause !== null) return this.#fail(cause, STATUS.failed);
    }
    this.#save({ run: { ...this.#run, endedAt: now(), outcome: "complete" } });
    markers.end("complete");
    const without = this.#passedOver === 0 ? "" : `, ${this.#passedOver} failed and are gone on without`;
    const took = inTime(performance.now() - this.#startedAt);
    this.#say(`complete: ${counted(this.#steps.length, "step")} in ${took}${without}`);
    return STATUS.complete;
  }

  #decide(wishes: readonly Wish[]): void {
    const { heard } = this.#memory;
    const compare = this.#stage.compare || wishes.some(({ id, from }) => from === null && !heard.includes(id));
    const memory = withWishes(this.#memory, wishes, this.#steps);
    this.#decisions = decide(this.#steps, memory, compare);
    this.#memory = withDecisions(memory, this.#decisions);
  }

  #refuse(): number {
    for (const mistake of this.#mistakes) this.#say(formatMistake(mistake));
    const { file, line, column, what } = this.#mistakes[0]!;
    const more = this.#mistakes.length > 1 ? `, and ${counted(this.#mistakes.length - 1, "more mistake")}` : "";
    return this.#fail(`${file}:${line}:${column}: ${what}${more}`, STATUS.mistakes);
  }

  #nothingToDo(wishes: readonly Wish[]): number {
    const { store, markers } = this.#stage;
    if (this.#save({ run: { ...this.#run, endedAt: now(), outcome: "complete" } })) store.forget(wishes);
    markers.end("complete");
    const count = this.#steps.length;
    const why = count === 0 ? "there are no steps" : `${counted(count, "step")}, done or not wanted here`;
    this.#say(`nothing to do: ${why}`);
    return STATUS.complete;
  }

  /** What makes the whole fail before anything was done; null: nothing is known that would. */
  async #preflight(): Promise<string | null> {
    const [first, ...others] = this.#decisions.filter((one) => one.do === "run");
    if (first === undefined) return null;
    const steps = [first, ...others].map(({ step }) => step);
    const ahead = await preflight(
      steps,
      this.#around(first, () => {}),
    );
    return ahead === null ? null : this.#failed(ahead.step, ahead.failed, performance.now());
  }

  /** null: the run goes on. */
  async #step(decision: Decision): Promise<string | null> {
    const { step } = decision;
    if (this.#stage.stop.aborted) throw new Interrupted();
    if (decision.do === "skip" || step.work === null) {
      const why = decision.do === "skip" ? decision.why : "";
      if (step.work === null) this.#record(step, { state: "skipped", note: this.#redact(why), cause: null, fix: null });
      this.#say(`${this.#at(step)}: skipped (${why})`);
      return null;
    }
    const startedAt = performance.now();
    const result = await this.#result(decision, step.work);
    if (result.ok) {
      this.#done(decision, result, startedAt);
      return null;
    }
    const cause = this.#failed(step, result, startedAt);
    if (step.onFailure === "stop") return cause;
    this.#passedOver++;
    this.#say(`${this.#at(step)}: goes on without it (on_failure: continue)`);
    return null;
  }

  async #result(decision: Decision, work: Work): Promise<Result> {
    const { step } = decision;
    const at = this.#at(step);
    const before = this.#memory.steps[step.name];
    const watch = new Watch(step.name, this.#stage.store, (line) => this.#stage.draw(`${at}  ${line}`));
    const around: Around = {
      ...this.#around(decision, (amount) => watch.progress(amount)),
      say: (line) => {
        watch.heard();
        this.#say(line);
      },
    };
    this.#say(`${at}: begins${decision.do === "run" && decision.why !== "new" ? ` (${decision.why})` : ""}`);
    if (decision.do === "run") {
      this.#record(step, { state: "running", startedAt: now(), cause: null, fix: null, note: null });
    }
    try {
      return await perform(step, work, decision.do === "compare" ? (before?.content ?? null) : null, around);
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      // What was not thought of is a failure of that step, told as what it is, and not the end of all.
      const { message, stack } = error as Error;
      return failure(`unexpected: ${message}`, stack?.split("\n")[1]?.trim() ?? null);
    } finally {
      watch.end();
    }
  }

  #done(decision: Decision, result: Extract<Result, { ok: true }>, startedAt: number): void {
    const { step } = decision;
    const tookMs = Math.round(performance.now() - startedAt);
    const note = result.note == null ? null : this.#redact(result.note);
    this.#record(step, {
      state: result.skipped && decision.do === "run" ? "skipped" : "done",
      tookMs,
      bytes: result.bytes ?? null,
      note,
      cause: null,
      fix: null,
      ...(result.content === undefined ? {} : { content: result.content }),
    });
    const facts = [...(result.bytes ? [inBytes(result.bytes)] : []), inTime(tookMs), ...(note === null ? [] : [note])];
    this.#say(`${this.#at(step)}: ${result.skipped ? "nothing to do" : "done"}, ${facts.join(", ")}`);
  }

  /** Written down and told; the sentence about it. */
  #failed(step: Step, failed: Failed, startedAt: number): string {
    const tookMs = Math.round(performance.now() - startedAt);
    const cause = this.#redact(failed.cause);
    const fix = failed.fix === null ? null : this.#redact(failed.fix);
    this.#record(step, { state: "failed", tookMs, cause, fix });
    this.#say(`${this.#at(step)}: failed after ${inTime(tookMs)}: ${cause}`);
    if (fix !== null) this.#say(`  where: ${step.where}\n  fix:   ${fix}`);
    return `step ${this.#steps.indexOf(step) + 1} of ${this.#steps.length} (${step.name}): ${cause}`;
  }

  #fail(cause: string, status: number): number {
    const shown = this.#redact(cause);
    this.#save({ run: { ...this.#run, endedAt: now(), outcome: "failed", cause: shown } });
    this.#stage.markers.end("failed");
    this.#say(`failed: ${shown}`);
    return status;
  }

  #around(decision: Decision, progress: Around["progress"]): Around {
    return {
      say: (line) => this.#say(line),
      progress,
      redact: this.#redact,
      stop: this.#stage.stop,
      stateDir: this.#stage.store.folder,
      wasCutOff: this.#memory.steps[decision.step.name]?.state === "running",
      isAskedFor: decision.do === "run" && decision.why === "asked for",
    };
  }

  #record(step: Step, changes: Partial<StepRecord>): void {
    const before = this.#memory.steps[step.name] ?? emptyRecord(step.hash);
    this.#save({ steps: { ...this.#memory.steps, [step.name]: { ...before, hash: step.hash, ...changes } } });
  }

  #save(changes: Partial<Memory>): boolean {
    this.#memory = { ...this.#memory, ...changes };
    return this.#stage.store.write(this.#memory);
  }

  #at(step: Step): string {
    return label(this.#steps.indexOf(step), this.#steps.length, step.name);
  }

  #say(line: string): void {
    this.#stage.say(this.#redact(line));
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function now(): string {
  return new Date().toISOString();
}
