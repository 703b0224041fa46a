/**
 * What an earlier core, or an earlier start of the machine, left of jobs becomes what this core goes on with. Three know
 * something: the journal all of it (until the machine stops), the marks on the disk what must not happen twice, and the keeper
 * which processes run or ended. The keeper is right about processes, the marks about due times.
 *
 * A run that was decided on and never ordered is started again, once, under another number. One whose end nobody saw is
 * recorded as unknown, and not started again: it may have done its work.
 */
import type { JobDefinition } from "../plan/job.ts";
import type { Plan } from "../plan/plan.ts";
import type { EndedProcess, Inherited, JobMark, JobMemory, JobPorts, Memory, Open, RunningProcess } from "../ports.ts";
import { type Job, type JobEvent, newJob } from "../schedule/job.ts";
import type { Cause, Run, RunState } from "../schedule/run.ts";
import { jobRunOf } from "../schedule/run-name.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import { isFixed } from "../schedule/timetable.ts";
import type { RunNumber } from "../service/life.ts";
import { type JobLoop, type JobMember, type JobState, processOf } from "./job-loop.ts";
import { iso, lostRecord, type Now, streakOf } from "./job-records.ts";
import type { Ports } from "./loop.ts";

/** What the keeper says about the runs of one job. */
interface Found {
  readonly live: readonly RunningProcess[];
  readonly ended: readonly EndedProcess[];
  readonly uncleared: ReadonlySet<RunNumber>;
  readonly sameKeeper: boolean;
}

/** What the journal says, what the disk says, and the highest number that anybody has heard of. */
interface Known {
  readonly memory: JobMemory | null;
  readonly mark: JobMark | null;
  readonly lastRun: RunNumber;
}

const nothingFound: Found = { live: [], ended: [], uncleared: new Set(), sameKeeper: true };
/** Enough to say how it went of late. */
const RECORDS_READ = 100;
/** Debian's cron: beyond this the clock was set to another time. */
const LONGEST_STEP_BACK_MS = 180 * 60_000;

/** Fills the empty loop; nothing has an effect yet but orders that an earlier core may not have lived to give. */
export function takeOverJobs(
  loop: JobLoop,
  ports: Ports,
  jobPorts: JobPorts,
  memory: Memory,
  inherited: Inherited,
  plan: Plan,
): void {
  const marks = jobPorts.history.marks();
  const looked = memory.lookedAt ?? lastSettled(marks);
  if (looked !== null) loop.lookedBefore(looked);
  const found = foundBy(inherited);
  for (const name of new Set([...memory.jobDefinitions.keys(), ...memory.jobs.keys(), ...found.keys()])) {
    // Lines of a journal can be lost; what is known of a job that stands in the files, or runs, is not forgotten for that.
    const definition = memory.jobDefinitions.get(name) ?? plan.jobs.get(name);
    const ofKeeper = found.get(name) ?? { ...nothingFound, sameKeeper: inherited.sameKeeper };
    if (definition === undefined) {
      // Nobody knows it any more.
      for (const { service, run } of ofKeeper.live) ports.processes.end(service, run);
      continue;
    }
    if (!memory.jobDefinitions.has(name)) ports.journal.record({ kind: "job definition", definition });
    const known: Known = {
      memory: memory.jobs.get(name) ?? null,
      mark: marks.get(name) ?? null,
      lastRun: lastRunOf(jobPorts, name, memory.lastRuns.get(name) ?? 0),
    };
    takeOverJob(loop, ports, jobPorts, definition, known, ofKeeper);
  }
  for (const { service, run } of inherited.uncleared) {
    if (jobRunOf(service) !== null) ports.processes.end(service, run); // The last core may have died before it asked.
  }
}

/** A job that this core has not known: what the marks on the disk say of it, if svcd ever ran it. */
export function newState(loop: JobLoop, jobPorts: JobPorts, definition: JobDefinition, lastRun: RunNumber): JobState {
  const { history } = jobPorts;
  const { name } = definition;
  const now = loop.now();
  const mark = history.marks().get(name) ?? null;
  if (mark !== null) tellAgain(loop, jobPorts, definition, mark.told, null);
  for (const open of mark?.open ?? []) recordLost(loop, jobPorts, definition, open, now);
  const records = history.of(name, RECORDS_READ);
  const known = Math.max(lastRunOf(jobPorts, name, lastRun), mark?.lastRun ?? 0);
  const job = { ...newJob(known), paused: mark?.paused ?? false, streak: streakOf(records) };
  return {
    job,
    settled: settledFrom(definition, mark, now),
    high: mark?.settled ?? now.wall,
    boot: mark?.boot ?? null,
  };
}

function takeOverJob(
  loop: JobLoop,
  ports: Ports,
  jobPorts: JobPorts,
  definition: JobDefinition,
  { memory, mark, lastRun: lastRunBefore }: Known,
  found: Found,
): void {
  const { name } = definition;
  tellAgain(loop, jobPorts, definition, (memory?.mark ?? mark)?.told ?? [], memory?.job.streak ?? null);
  if (memory === null) found = withoutRecorded(found, jobPorts, name);
  const now = loop.now();
  // What was opened after the last line that the journal took.
  const newer = (mark?.open ?? []).filter(({ run }) =>
    run === null ? memory === null : run > (memory?.job.lastRun ?? 0),
  );
  const known = memory?.job.runs ?? [];
  const adopted = adoptedRuns(known, newer, found, memory?.job.lastRun ?? 0, now).map((run) => {
    const pid = found.live.find((process) => process.run === run.run)?.pid;
    const gpus = pid === undefined ? null : (ports.gpus?.leaseOf(pid) ?? null);
    return gpus === null ? run : { ...run, gpus };
  });
  for (const open of newer) {
    if (!adopted.some(({ run }) => run === open.run)) recordLost(loop, jobPorts, definition, open, now);
  }
  const numbers = [...found.live, ...found.ended].map(({ run }) => run);
  const job: Job = memory?.job ?? {
    ...newJob(),
    paused: mark?.paused ?? false,
    streak: streakOf(jobPorts.history.of(name, RECORDS_READ)),
  };
  const lastRun = Math.max(job.lastRun, mark?.lastRun ?? 0, lastRunBefore, ...numbers);
  const runs = [...known, ...adopted];
  const state: JobState = {
    job: { ...job, lastRun, runs },
    settled: memory?.settled ?? settledFrom(definition, mark, now),
    high: Math.max(memory?.mark.settled ?? 0, mark?.settled ?? 0) || now.wall,
    boot: memory?.mark.boot ?? mark?.boot ?? null,
  };
  const isKept =
    adopted.length === 0 && lastRun === job.lastRun && JSON.stringify(memory?.mark) === JSON.stringify(mark);
  const member = loop.add(definition, state, isKept);
  for (const process of found.live) takeOverProcess(loop, ports, member, process);
  for (const { run, exit, isClear } of found.ended) of(loop, name, run, { type: "exited", exit, isClear });
  for (const run of runs) noteLoss(loop, name, run, found);
}

/** A number is never used twice, though the job was gone and came back. */
function lastRunOf({ history }: JobPorts, name: string, lastRun: RunNumber): RunNumber {
  return Math.max(lastRun, ...history.of(name, RECORDS_READ).map(({ run }) => run ?? 0));
}

/** Their end was only not noted yet. */
function withoutRecorded(found: Found, { history }: JobPorts, name: string): Found {
  const recorded = new Set(history.of(name, RECORDS_READ).map(({ run }) => run));
  return { ...found, ended: found.ended.filter(({ run }) => !recorded.has(run)) };
}

/** Processes of which the journal knows nothing: they count, so that none is started beside them. */
function adoptedRuns(
  known: readonly Run[],
  newer: readonly Open[],
  { live, ended }: Found,
  lastRun: RunNumber,
  now: Now,
): Run[] {
  const causeOf = (run: RunNumber, since: number): Cause =>
    newer.find((open) => open.run === run)?.cause ?? {
      trigger: "schedule",
      scheduledFor: Math.round(now.wall - (now.monotonic - since)),
      ...{ coalesced: 1, attempt: 1 },
    };
  const adopt = (run: RunNumber, since: number): Run => ({
    ...{ run, cause: causeOf(run, since) },
    state: { at: "running", since },
  });
  const isKnown = (run: RunNumber): boolean => known.some((one) => one.run === run);
  return [
    ...live.filter(({ run }) => !isKnown(run)).map(({ run, startedAt }) => adopt(run, startedAt)),
    // One with an older number is over and recorded; its end was only not noted yet.
    ...ended.filter(({ run }) => !isKnown(run) && run > lastRun).map(({ run }) => adopt(run, now.monotonic)),
  ];
}

function takeOverProcess(loop: JobLoop, { processes }: Ports, member: JobMember, process: RunningProcess): void {
  const { service: name, run, startedAt: at } = process;
  const { definition, job } = member;
  member.processes = [...member.processes.filter((other) => other.run !== run), process];
  processes.logsChanged(processOf(definition, run)); // A keeper that lost its journal does not know where they go.
  const { state } = job.runs.find((one) => one.run === run)!;
  if (state.at === "starting") of(loop, definition.name, run, { type: "spawned", at });
  const { stopSignal, stopTo } = definition.policy;
  if (state.at !== "stopping" || state.killed || process.signalled === stopSignal) return;
  processes.signal(name, run, stopSignal, stopTo); // The last core may have died between deciding that and saying so.
  processes.signal(name, run, "SIGCONT", stopTo);
}

function noteLoss(
  loop: JobLoop,
  name: string,
  { run, state }: Run,
  { live, ended, uncleared, sameKeeper }: Found,
): void {
  if (state.at === "waiting" || [...live, ...ended].some((process) => process.run === run)) return;
  if (state.at === "clearing") {
    if (!uncleared.has(run)) of(loop, name, run, { type: "gone" });
    return;
  }
  // The same keeper would know it if it had ever been ordered; another may have lost it.
  if (sameKeeper && wasNeverThere(state)) loop.enqueue(name, { type: "lost", run });
  else of(loop, name, run, { type: "exited", exit: { kind: "unknown" }, isClear: true });
}

/** Its start was decided on; nobody has heard of a process. */
function wasNeverThere(state: RunState): boolean {
  return state.at === "starting" || state.at === "stopping";
}

function of(loop: JobLoop, name: string, run: RunNumber, event: Extract<JobEvent, { type: "of run" }>["event"]): void {
  loop.enqueue(name, { type: "of run", run, event });
}

/** The last core may have died between writing down what it decided and leaving it in the history. */
function tellAgain(
  loop: JobLoop,
  { history }: JobPorts,
  definition: JobDefinition,
  told: readonly RunRecord[],
  streak: Job["streak"],
): void {
  if (told.length === 0) return;
  const there = new Set(
    history.of(definition.name, RECORDS_READ + told.length).map((record) => JSON.stringify(record)),
  );
  for (const record of told) {
    const { keep } = definition;
    const isKept = record.result === "success" ? keep.successes > 0 : keep.failures > 0;
    if (!isKept || there.has(JSON.stringify(record))) continue;
    history.record(record, keep);
    loop.announce(definition, record, streak);
  }
}

function recordLost(loop: JobLoop, jobPorts: JobPorts, definition: JobDefinition, open: Open, now: Now): void {
  const { name, keep } = definition;
  if (isRecorded(jobPorts, name, open)) return;
  const record = lostRecord(name, open, now);
  jobPorts.history.record(record, keep);
  loop.announce(definition, record, null);
}

function isRecorded({ history }: JobPorts, name: string, open: Open): boolean {
  const scheduledFor = iso(open.cause.scheduledFor);
  // What never became a run is known by its due time; of what waits for one, any record will do.
  const isFree = (run: RunNumber | null): boolean => run === null || open.run === null;
  return history
    .of(name, RECORDS_READ)
    .some(
      ({ run, scheduledFor: of }) => (open.run !== null && run === open.run) || (isFree(run) && of === scheduledFor),
    );
}

/** Removed from the files while no svcd was there: nobody knows any more how much of it was to be kept. */
const KEPT_OF_GONE: JobDefinition["keep"] = { successes: 50, failures: 50, forMs: null };

/** The job is in no file any more; what it had begun when the machine stopped is recorded all the same. */
export function forgetGone(jobPorts: JobPorts, name: string, mark: JobMark, now: Now): void {
  const { history } = jobPorts;
  const there = new Set(history.of(name, RECORDS_READ + mark.told.length).map((record) => JSON.stringify(record)));
  for (const record of mark.told) if (!there.has(JSON.stringify(record))) history.record(record, KEPT_OF_GONE);
  for (const open of mark.open) {
    if (!isRecorded(jobPorts, name, open)) history.record(lostRecord(name, open, now), KEPT_OF_GONE);
  }
  history.forget(name);
}

/** A mark in the future was made by a clock that was wrong, or is wrong now. */
function settledFrom({ schedules, ...rest }: JobDefinition, mark: JobMark | null, now: Now): number {
  if (mark === null || mark.settled <= now.wall) return mark?.settled ?? now.wall;
  const timetable = {
    schedules: schedules.map(({ schedule }) => schedule),
    timezone: rest.timezone,
    splayMs: 0,
    share: 0,
  };
  return isFixed(timetable) && mark.settled - now.wall <= LONGEST_STEP_BACK_MS ? mark.settled : now.wall;
}

function lastSettled(marks: ReadonlyMap<string, JobMark>): number | null {
  return [...marks.values()].reduce<number | null>((last, { settled }) => Math.max(last ?? 0, settled), null);
}

function foundBy({ live, ended, uncleared, sameKeeper }: Inherited): Map<string, Found> {
  const jobs = new Map<string, { live: RunningProcess[]; ended: EndedProcess[]; uncleared: Set<RunNumber> }>();
  const of = (process: string) => {
    const name = jobRunOf(process)?.job;
    if (name === undefined) return null;
    const found = jobs.get(name) ?? { live: [], ended: [], uncleared: new Set() };
    jobs.set(name, found);
    return found;
  };
  for (const process of live) of(process.service)?.live.push(process);
  for (const process of ended) of(process.service)?.ended.push(process);
  for (const { service, run } of uncleared) of(service)?.uncleared.add(run);
  return new Map([...jobs].map(([name, found]) => [name, { ...found, sameKeeper }]));
}
