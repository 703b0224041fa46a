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
  withDecisions,
  withWishes,
} from "./memory.ts";
import { perform } from "./perform.ts";
import { preflight } from "./preflight.ts";
import { type Amount, label, Meter } from "./progress.ts";
import type { Steps } from "./read.ts";
import { type Failed, failure, Interrupted, type Result } from "./result.ts";
import { inBytes, inTime } from "./sizes.ts";
import type { Step } from "./step.ts";
import type { Store } from "./store.ts";

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

export async function provision({ steps, mistakes, redact }: Steps, stage: Stage): Promise<number> {
  const { store, markers } = stage;
  const say = (line: string): void => stage.say(redact(line));
  const locked = lock(store.lockPath);
  if (locked.kind === "held") {
    say(`failed: provisioning runs already, as pid ${locked.holder}`);
    return STATUS.busy;
  }
  let memory = store.read();
  const save = (changes: Partial<Memory>): boolean => {
    memory = { ...memory, ...changes };
    return store.write(memory);
  };
  const run = { startedAt: now(), endedAt: null, outcome: "running", cause: null, pid: process.pid } as const;
  const fail = (cause: string, status: number): number => {
    save({ run: { ...run, endedAt: now(), outcome: "failed", cause } });
    markers.end("failed");
    say(`failed: ${cause}`);
    return status;
  };
  if (mistakes.length > 0) {
    for (const mistake of mistakes) say(formatMistake(mistake));
    const [{ file, line, column, what }] = mistakes as [Steps["mistakes"][number]];
    const more = mistakes.length > 1 ? `, and ${mistakes.length - 1} more mistakes` : "";
    return fail(redact(`${file}:${line}:${column}: ${what}${more}`), STATUS.mistakes);
  }

  const wishes = store.wishes();
  const compare = stage.compare || wishes.some(({ id, from }) => from === null && !memory.heard.includes(id));
  memory = withWishes(memory, wishes, steps);
  const decisions = decide(steps, memory, compare);
  memory = withDecisions(memory, decisions);
  if (decisions.every(({ do: what }) => what === "skip")) {
    if (save({ run: { ...run, endedAt: now(), outcome: "complete" } })) store.forget(wishes);
    markers.end("complete");
    say(
      `nothing to do: ${steps.length === 0 ? "there are no steps" : `all ${steps.length} steps are done or not wanted here`}`,
    );
    return STATUS.complete;
  }
  markers.begin();
  if (save({ run })) store.forget(wishes);

  const count = decisions.length;
  const startedAt = performance.now();
  const record = (step: Step, changes: Partial<StepRecord>): void => {
    const before = memory.steps[step.name] ?? emptyRecord(step.hash);
    save({ steps: { ...memory.steps, [step.name]: { ...before, hash: step.hash, ...changes } } });
  };
  const failedStep = (step: Step, failed: Failed, startedAtMs: number): string => {
    const cause = redact(failed.cause);
    const fix = failed.fix === null ? null : redact(failed.fix);
    const tookMs = Math.round(performance.now() - startedAtMs);
    record(step, { state: "failed", tookMs, cause, fix });
    const at = label(
      decisions.findIndex((one) => one.step === step),
      count,
      step.name,
    );
    say(`${at}: failed after ${inTime(tookMs)}: ${cause}`);
    if (fix !== null) say(`  where: ${step.where}\n  fix:   ${fix}`);
    const number = decisions.findIndex((one) => one.step === step) + 1;
    return `step ${number} of ${count} (${step.name}): ${cause}`;
  };
  const aroundOf = (decision: Decision, at: string): Around => {
    const meter = new Meter();
    let keptAt = 0;
    const wasCutOff = memory.steps[decision.step.name]?.state === "running";
    return {
      say: (line) => stage.say(redact(line)),
      progress: (amount: Amount) => {
        const time = performance.now();
        const line = meter.at(amount, time);
        if (line !== null) stage.draw(`${at}  ${line}`);
        if (time - keptAt < 1_000) return;
        keptAt = time;
        store.progress({ step: decision.step.name, ...amount, bytesPerSecond: meter.bytesPerSecond });
      },
      redact,
      stop: stage.stop,
      stateDir: store.folder,
      wasCutOff,
      isAskedFor: decision.do === "run" && decision.why === "asked for",
    };
  };

  try {
    const toRun = decisions.filter((one) => one.do === "run");
    if (toRun[0] !== undefined) {
      const ahead = await preflight(
        toRun.map(({ step }) => step),
        aroundOf(toRun[0], ""),
      );
      if (ahead !== null) return fail(failedStep(ahead.step, ahead.failed, performance.now()), STATUS.failed);
    }
    let passedOver = 0;
    for (const [index, decision] of decisions.entries()) {
      const { step } = decision;
      const at = label(index, count, step.name);
      if (stage.stop.aborted) throw new Interrupted();
      if (decision.do === "skip" || step.work === null) {
        const why = decision.do === "skip" ? decision.why : "";
        if (step.work === null) record(step, { state: "skipped", note: redact(why), cause: null, fix: null });
        say(`${at}: skipped (${why})`);
        continue;
      }
      const before = memory.steps[step.name];
      const around = aroundOf(decision, at);
      const stepStartedAt = performance.now();
      say(`${at}: begins${decision.do === "run" && decision.why !== "new" ? ` (${decision.why})` : ""}`);
      const doneBefore = decision.do === "compare" ? (before?.content ?? null) : null;
      if (decision.do === "run")
        record(step, { state: "running", startedAt: now(), cause: null, fix: null, note: null });
      const result = await resultOf(() => perform(step, step.work!, doneBefore, around));
      store.progress(null);
      if (!result.ok) {
        const cause = failedStep(step, result, stepStartedAt);
        if (step.onFailure === "stop") return fail(cause, STATUS.failed);
        passedOver++;
        say(`${at}: goes on without it (on_failure: continue)`);
        continue;
      }
      const tookMs = Math.round(performance.now() - stepStartedAt);
      const note = result.note == null ? null : redact(result.note);
      const isDone = !result.skipped || decision.do === "compare";
      record(step, {
        state: isDone ? "done" : "skipped",
        tookMs,
        bytes: result.bytes ?? null,
        note,
        cause: null,
        fix: null,
        ...(result.content === undefined ? {} : { content: result.content }),
      });
      const facts = [
        ...(result.bytes ? [inBytes(result.bytes)] : []),
        inTime(tookMs),
        ...(note === null ? [] : [note]),
      ];
      say(`${at}: ${result.skipped ? "nothing to do" : "done"}, ${facts.join(", ")}`);
    }
    save({ run: { ...run, endedAt: now(), outcome: "complete" } });
    markers.end("complete");
    const without = passedOver === 0 ? "" : `, ${passedOver} failed and are gone on without`;
    say(`complete: ${count} steps in ${inTime(performance.now() - startedAt)}${without}`);
    return STATUS.complete;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    store.progress(null);
    say("interrupted: the next run goes on from here");
    return STATUS.interrupted;
  }
}

/** What was not thought of is a failure of that step, told as what it is, and not the end of all. */
async function resultOf(act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Interrupted) throw error;
    const { message, stack } = error as Error;
    return failure(`unexpected: ${message}`, stack?.split("\n")[1]?.trim() ?? null, false);
  }
}

function now(): string {
  return new Date().toISOString();
}
