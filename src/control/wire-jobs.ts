/** Jobs and their runs on the wire: the other half of `wire.ts`, which holds them against the daemon's types. */
import * as v from "valibot";
import { JOB_STATES, RUN_RESULTS } from "./daemon.ts";
import { count, moment, names, text, wholeNumber } from "./wire-words.ts";

export const ActionResult = v.object({
  name: v.string(),
  outcome: v.pipe(
    v.picklist(["done", "already", "refused"]),
    v.description("already: it was so before. refused: it cannot be done, `what` says why"),
  ),
  what: text("a phrase to follow the name: “started”, “not running”"),
  runBefore: count("the run before the action: what is waited for has a greater number"),
});

export const JobStateWord = v.picklist(JOB_STATES);

const Trigger = v.pipe(
  v.picklist(["schedule", "catch-up", "boot", "manual", "retry"]),
  v.description("why it was started; catch-up: its due time had passed while nobody could start it"),
);

const nullable = <Schema extends v.GenericSchema>(schema: Schema, description: string) =>
  v.pipe(v.nullable(schema), v.description(description));

export const RunStatus = v.object({
  run: count("its number; a number is never used twice"),
  trigger: Trigger,
  scheduledFor: moment("the due time it is for"),
  startedAt: nullable(v.string(), "when its process started (ISO 8601); null: it waits"),
  attempt: count("1 for the first, more for a retry"),
  pid: v.nullable(v.number()),
  why: text("what it does or waits for, a sentence"),
});

export const RunRecord = v.object({
  job: v.string(),
  run: nullable(v.number(), "null: it never became a run (skipped, missed)"),
  trigger: Trigger,
  scheduledFor: moment("the due time it was for"),
  coalesced: count("how many due times this stands for"),
  attempt: count("1 for the first, more for a retry"),
  startedAt: nullable(v.string(), "when its process started (ISO 8601); null: it never did"),
  endedAt: moment("when it was over"),
  result: v.picklist(RUN_RESULTS),
  exit: nullable(
    v.union([v.object({ code: v.number() }), v.object({ signal: v.string() })]),
    "null: it had no process, or its end is not known",
  ),
  why: text("“exit 3”, “run 12 is not over”, “svcd was not there”"),
  cpuMs: nullable(v.number(), "null: not known"),
  peakMemoryBytes: nullable(v.number(), "null: not known"),
  retryAt: nullable(v.string(), "when the next attempt is (ISO 8601); null: there is none"),
});

export const RunRecords = v.array(RunRecord);

export const JobStatus = v.object({
  name: v.string(),
  state: JobStateWord,
  paused: v.pipe(v.boolean(), v.description("due times start nothing until it is resumed")),
  schedules: v.array(
    v.object({ expression: text("as it is written"), words: text("what it means: “every weekday at 07:30”") }),
  ),
  timezone: text("IANA name; the schedules are read in it"),
  next: nullable(v.string(), "when it is due next (ISO 8601); null: never, or it is paused"),
  runs: v.pipe(v.array(RunStatus), v.description("runs that are not over, oldest first")),
  last: nullable(RunRecord, "the last run that is over"),
  streak: nullable(
    v.object({ result: v.picklist(["success", "failure"]), count: v.number() }),
    "how many runs in a row ended like the last one",
  ),
  why: text("what it is doing or why it is not, a sentence"),
  description: v.string(),
  file: v.object({
    path: v.string(),
    line: v.number(),
    note: nullable(v.string(), "the file has mistakes, or is newer than what is in use; null: it is as the file says"),
  }),
});

export const JobList = v.array(JobStatus);

export const JobDetail = v.object({
  status: JobStatus,
  definition: v.pipe(v.unknown(), v.description("the effective definition, secrets masked")),
});

export const JobWhyReport = v.object({
  status: JobStatus,
  history: v.pipe(RunRecords, v.description("what became of the last due times, newest first")),
  lastLines: names("last lines of output, escape sequences removed"),
  linesOf: nullable(v.number(), "the run that wrote these lines"),
  next: text("what happens next, a sentence"),
  advice: names("what the person can do, each a command or a sentence"),
});

export const RunAnswer = v.object({
  ...ActionResult.entries,
  run: nullable(v.number(), "the run that was begun; null: it was refused, or waits for a run before it to end"),
  record: nullable(RunRecord, "what became of the run, if `wait` was given and it is over"),
});

export const RunEvent = v.object({
  type: v.literal("run"),
  at: v.string(),
  what: v.pipe(
    v.picklist(["started", "over", "skipped"]),
    v.description("skipped: a due time that was not started, also one that was missed"),
  ),
  job: v.string(),
  run: v.nullable(v.number()),
  pid: nullable(v.number(), "of a run that started"),
  record: nullable(RunRecord, "what became of it; null: it has just started"),
});

export const JobEvent = v.object({
  type: v.literal("job"),
  at: v.string(),
  name: v.string(),
  what: v.picklist(["paused", "resumed", "changed", "removed"]),
});

// Requests

/** Below the server's own patience with an answer. */
const LONGEST_WAIT_S = 50;

export const RunBody = v.strictObject({
  force: v.optional(v.pipe(v.boolean(), v.description("start it whatever `overlap` says"))),
  wait: v.optional(
    v.pipe(
      v.number(),
      v.integer("a whole number of seconds"),
      v.minValue(0, "0 or more seconds"),
      v.maxValue(LONGEST_WAIT_S, `at most ${LONGEST_WAIT_S} seconds; for longer runs listen to /v1/events`),
      v.description("answer when the run is over, after so many seconds at the latest"),
    ),
  ),
});

export const KillBody = v.strictObject({
  run: v.optional(
    v.pipe(v.number(), v.integer("a number of a run"), v.description("only this run; without it all, and what waits")),
  ),
});

export const JobsQuery = v.strictObject({
  names: v.optional(text("only these: names, globs, `GROUP:*`, separated by commas")),
});

export const HistoryQuery = v.strictObject({
  n: v.optional(wholeNumber("at most so many, newest first (default 20)")),
});

export const RunLogQuery = v.strictObject({
  lines: v.optional(wholeNumber("only so many lines before the end; without it all that is kept of the run")),
  from: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^-?\d{1,15}$/, "a position as the X-Log-Position header gives it"),
      v.description("begin at this position: X-Log-Position of an earlier answer plus the bytes it brought"),
    ),
  ),
  follow: v.optional(
    v.pipe(v.picklist(["0", "1"]), v.description("1: go on with whatever is written, until the run is over")),
  ),
  stream: v.optional(v.pipe(v.picklist(["stdout", "stderr"]), v.description("default stdout"))),
});
