/**
 * What is known of provisioning, and what a run would do now, for people and programs. Pure: the files have been read.
 */

import type { Redact } from "../plan/secrets.ts";
import { decide, type Memory } from "./memory.ts";
import { percentOf } from "./progress.ts";
import { inBytes, inTime } from "./sizes.ts";
import type { Step, Work } from "./step.ts";

export interface StepReport {
  /** From 1. */
  readonly number: number;
  readonly name: string;
  readonly kind: string;
  /** Where it is written. */
  readonly where: string;
  /** interrupted: it was running when its run was cut off. */
  readonly state: "pending" | "running" | "interrupted" | "done" | "failed" | "skipped";
  readonly startedAt: string | null;
  readonly tookMs: number | null;
  readonly bytes: number | null;
  readonly total: number | null;
  readonly percent: number | null;
  readonly bytesPerSecond: number | null;
  readonly cause: string | null;
  readonly fix: string | null;
  readonly note: string | null;
  /** What the next run does with it: `run`, `skip`, or `compare` (a script: run if its content has changed). */
  readonly next: "run" | "skip" | "compare";
  readonly why: string;
  /** What it does, in one line. */
  readonly does: string;
}

export interface Report {
  readonly state: "never run" | "running" | "interrupted" | "complete" | "failed" | "mistakes";
  readonly cause: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly steps: readonly StepReport[];
  readonly mistakes: readonly { file: string; line: number; column: number; what: string; fix: string }[];
}

export interface Known {
  readonly steps: readonly Step[];
  readonly mistakes: Report["mistakes"];
  readonly memory: Memory;
  readonly progress: { step: string; bytes: number; total: number | null; bytesPerSecond: number | null } | null;
  /** The run that `memory` speaks of still goes on. */
  readonly isRunning: boolean;
  readonly redact: Redact;
  readonly compare: boolean;
}

export function report({ steps, mistakes, memory, progress, isRunning, redact, compare }: Known): Report {
  const decisions = decide(steps, memory, compare);
  const all = decisions.map((decision, index): StepReport => {
    const { step } = decision;
    const record = memory.steps[step.name];
    const live = isRunning && progress?.step === step.name ? progress : null;
    const bytes = live?.bytes ?? record?.bytes ?? null;
    return {
      number: index + 1,
      name: step.name,
      kind: step.work?.kind ?? "none",
      where: step.where,
      state: stateOf(step, record?.state, isRunning),
      startedAt: record?.startedAt ?? null,
      tookMs: record?.state === "running" ? null : (record?.tookMs ?? null),
      bytes,
      total: live?.total ?? null,
      percent: live === null ? null : percentOf({ bytes: live.bytes, total: live.total }),
      bytesPerSecond: live?.bytesPerSecond ?? null,
      cause: record?.cause ?? null,
      fix: record?.fix ?? null,
      note: record?.note ?? null,
      next: decision.do,
      why: decision.do === "compare" ? "done before; runs if its content has changed" : decision.why,
      does: step.work === null ? "" : redact(inWords(step.work)),
    };
  });
  const { run } = memory;
  return {
    state:
      mistakes.length > 0
        ? "mistakes"
        : run === null
          ? "never run"
          : run.outcome === "running"
            ? isRunning
              ? "running"
              : "interrupted"
            : run.outcome,
    cause: run?.cause ?? null,
    startedAt: run?.startedAt ?? null,
    endedAt: run?.endedAt ?? null,
    steps: all,
    mistakes,
  };
}

function stateOf(step: Step, state: string | undefined, isRunning: boolean): StepReport["state"] {
  if (step.work === null) return "skipped";
  switch (state) {
    case "running":
      return isRunning ? "running" : "interrupted";
    case "done":
    case "failed":
    case "skipped":
      return state;
    default:
      return "pending";
  }
}

/** What a step does, with everything filled in. */
export function inWords(work: Work): string {
  switch (work.kind) {
    case "apt":
      return `apt-get install ${work.packages.join(" ")}`;
    case "pip":
      return `pip install ${work.words.join(" ")}${work.venv === null ? "" : ` into ${work.venv}`}`;
    case "git":
      return `clone or update ${work.url} at ${work.ref ?? "HEAD"} → ${work.to}`;
    case "download":
      return `${work.url} → ${work.to}${work.sha256 === null ? "" : ` (SHA-256 ${work.sha256.slice(0, 12)}…)`}`;
    case "huggingface":
      return `${work.type} ${work.repo} at ${work.revision} → ${work.to ?? "the cache of Hugging Face"}`;
    case "run": {
      const [first, , script] = work.argv;
      const text = first === "/bin/sh" && script !== undefined ? script : work.argv.join(" ");
      return text.trim().split("\n", 1)[0]! + (text.trim().includes("\n") ? " …" : "");
    }
    case "script":
      return `run the script ${work.source}`;
  }
}

/** The counts of a dry run: "3 downloads, 1 git; 4 steps would run, 2 are skipped". */
export function summary(steps: readonly StepReport[]): string {
  const running = steps.filter(({ next }) => next !== "skip");
  const kinds = new Map<string, number>();
  for (const { kind } of running) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const counted = [...kinds].map(([kind, count]) => `${count} ${kind}${kind === "download" && count > 1 ? "s" : ""}`);
  const would = `${running.length} of ${steps.length} steps would run`;
  return counted.length === 0 ? would : `${would}: ${counted.join(", ")}`;
}

/** Lines for a person. */
export function table({ steps }: Report): string[] {
  const rows = steps.map((step) => [
    String(step.number),
    step.name,
    step.state,
    amount(step),
    time(step),
    detail(step),
  ]);
  const all = [["#", "STEP", "STATE", "SIZE", "TIME", ""], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) =>
    row
      .map((cell, column) => (column < 5 ? cell.padEnd(widths[column]!) : cell))
      .join("  ")
      .trimEnd(),
  );
}

/** What a run would do, step by step. */
export function dryRun({ steps }: Report): string[] {
  const lines = steps.map(({ number, name, next, why, does }) => {
    const what = next === "skip" ? "skip" : next === "compare" ? "compare" : "run ";
    return `${number}. ${what}  ${name}: ${next === "skip" ? why : `${does} (${why})`}`;
  });
  return [...lines, summary(steps)];
}

function amount({ bytes, total, percent }: StepReport): string {
  if (bytes === null) return "";
  return total === null ? inBytes(bytes) : `${inBytes(bytes)} of ${inBytes(total)} (${percent} %)`;
}

function time({ tookMs }: StepReport): string {
  return tookMs === null ? "" : inTime(tookMs);
}

function detail({ cause, note, state, bytesPerSecond, next, why }: StepReport): string {
  if (state === "failed") return cause ?? "";
  if (bytesPerSecond !== null) return `${inBytes(bytesPerSecond)}/s`;
  if (state === "done" && next === "run") return `runs again: ${why}`;
  if (state === "skipped") return note ?? why;
  return "";
}
