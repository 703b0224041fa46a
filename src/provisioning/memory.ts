/**
 * What is known of each step from one run to the next, and what follows from it: which steps have to be done.
 *
 *   new, changed, asked for  →  it runs, and so does every step after it: they may build on it
 *   failed, interrupted      →  it runs; what was done stays done
 *   done, the same as then   →  skipped
 */
import type { Step } from "./step.ts";

export type StepState = "running" | "done" | "failed" | "skipped" | "asked";

export interface StepRecord {
  readonly hash: string;
  readonly state: StepState;
  /** ISO date of its last start; null: it is asked for and has not begun again. */
  readonly startedAt: string | null;
  readonly tookMs: number | null;
  /** What it brought here. */
  readonly bytes: number | null;
  /** Of a failure: what happened. */
  readonly cause: string | null;
  readonly fix: string | null;
  /** Of a success or a skip: what is worth telling. */
  readonly note: string | null;
  /** SHA-256 of a script when it was last run to its end. */
  readonly content: string | null;
}

export interface Memory {
  readonly version: 1;
  readonly steps: Readonly<Record<string, StepRecord>>;
  /** Wishes that have been taken in. Their files may still be there. */
  readonly heard: readonly string[];
  readonly run: {
    readonly startedAt: string;
    readonly endedAt: string | null;
    readonly outcome: "running" | "complete" | "failed";
    /** "step 3 of 7 (download model.safetensors): HTTP 404 …" */
    readonly cause: string | null;
    readonly pid: number;
  } | null;
}

export const NOTHING_KNOWN: Memory = { version: 1, steps: {}, heard: [], run: null };

/** `from`: the first step that shall be done again; null: what has failed or changed, a script's content included. */
export interface Wish {
  readonly id: string;
  readonly from: string | null;
}

export type Why =
  | "new"
  | "changed"
  | "asked for"
  | "failed before"
  | "interrupted"
  | "skipped before"
  | "after another";

export type Decision =
  | { readonly step: Step; readonly do: "run"; readonly why: Why }
  | { readonly step: Step; readonly do: "skip"; readonly why: string }
  /** Done, unless the content of its source has changed. */
  | { readonly step: Step; readonly do: "compare" };

/** `compare`: somebody wants to know whether scripts have changed. */
export function decide(steps: readonly Step[], memory: Memory, compare: boolean): Decision[] {
  let after = false;
  return steps.map((step): Decision => {
    if (step.work === null) return { step, do: "skip", why: step.unwanted ?? "not wanted" };
    const record = memory.steps[step.name];
    const why = whyAgain(step, record);
    if (why === "new" || why === "changed" || why === "asked for") after = true;
    if (why !== null) return { step, do: "run", why };
    if (after) return { step, do: "run", why: "after another" };
    if (compare && step.work.kind === "script") return { step, do: "compare" };
    return { step, do: "skip", why: record?.note ? `done before: ${record.note}` : "done before" };
  });
}

function whyAgain(step: Step, record: StepRecord | undefined): Why | null {
  if (record === undefined) return "new";
  switch (record.state) {
    case "asked":
      return "asked for";
    // Not wanted, or there already: it is looked at anew, and means nothing to the others.
    case "skipped":
      return "skipped before";
    case "failed":
      return record.hash === step.hash ? "failed before" : "changed";
    case "running":
      return record.hash === step.hash ? "interrupted" : "changed";
    case "done":
      return record.hash === step.hash ? null : "changed";
  }
}

/**
 * Written down before anything begins: what must be done again because of another step is not forgotten when this run is cut off
 * after that one.
 */
export function withDecisions(memory: Memory, decisions: readonly Decision[]): Memory {
  const steps = { ...memory.steps };
  for (const decision of decisions) {
    if (decision.do !== "run" || decision.why === "failed before" || decision.why === "interrupted") continue;
    const { name, hash } = decision.step;
    const record = steps[name];
    if (record !== undefined && record.state !== "skipped")
      steps[name] = { ...record, hash, state: "asked", cause: null, fix: null };
  }
  return { ...memory, steps };
}

/** Takes wishes in, each once, whoever dies between reading and removing them. */
export function withWishes(memory: Memory, wishes: readonly Wish[], steps: readonly Step[]): Memory {
  let records = memory.steps;
  const fresh = wishes.filter(({ id }) => !memory.heard.includes(id));
  for (const { from } of fresh) {
    if (from === null) continue;
    const first = from === "all" ? 0 : steps.findIndex(({ name }) => name === from);
    if (first < 0) continue; // Whoever wrote it had looked; the files changed since.
    records = { ...records };
    for (const { name, hash } of steps.slice(first)) {
      (records as Record<string, StepRecord>)[name] = {
        ...(records[name] ?? emptyRecord(hash)),
        state: "asked",
        cause: null,
        fix: null,
      };
    }
  }
  // Only those whose files are there can come again.
  return { ...memory, steps: records, heard: wishes.map(({ id }) => id) };
}

export function emptyRecord(hash: string): StepRecord {
  return {
    hash,
    state: "running",
    startedAt: null,
    tookMs: null,
    bytes: null,
    cause: null,
    fix: null,
    note: null,
    content: null,
  };
}

/** The step that a person means by its name or its number (from 1). */
export function stepMeant(word: string, steps: readonly Step[]): Step | null {
  const exact = steps.find(({ name }) => name === word);
  if (exact !== undefined) return exact;
  if (/^\d+$/.test(word)) return steps[Number(word) - 1] ?? null;
  const some = steps.filter(({ name }) => name.toLowerCase().includes(word.toLowerCase()));
  return some.length === 1 ? some[0]! : null;
}

/** A file that may be torn, or another program's: what is understood of it, and whether that is all. */
export function parseMemory(text: string): { readonly memory: Memory; readonly isWhole: boolean } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { memory: NOTHING_KNOWN, isWhole: false };
  }
  if (!isObject(value) || value["version"] !== 1 || !isObject(value["steps"])) {
    return { memory: NOTHING_KNOWN, isWhole: false };
  }
  const all = Object.entries(value["steps"]);
  const good = all.filter((entry): entry is [string, StepRecord] => isRecord(entry[1]));
  const heard = Array.isArray(value["heard"]) ? value["heard"].filter((one) => typeof one === "string") : [];
  const run = isObject(value["run"]) ? (value["run"] as unknown as Memory["run"]) : null;
  return {
    memory: { version: 1, steps: Object.fromEntries(good), heard, run },
    isWhole: good.length === all.length,
  };
}

const STATES: readonly string[] = ["running", "done", "failed", "skipped", "asked"] satisfies StepState[];

function isRecord(value: unknown): value is StepRecord {
  return (
    isObject(value) &&
    typeof value["hash"] === "string" &&
    typeof value["state"] === "string" &&
    STATES.includes(value["state"])
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
