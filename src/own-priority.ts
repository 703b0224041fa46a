/**
 * svcd goes last when memory is short and first when processors are: everybody's output and ends hang on it. What it starts
 * gets back what svcd itself was started with, with no other program in between: a child inherits both from the thread that
 * forks, so they are laid down for that moment. That costs 3 µs; laid down once for many starts, since a keeper that is
 * raised between two of them takes the processor from the child that it has just made (a tenth of each start, measured).
 *
 * Both processes use it, each for itself; where the kernel refuses, all stays as it was.
 */
import { openSync, readFileSync, writeSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/**
 * The lowest that the kernel grants of these, see proc_pid_oom_score_adj(5). -1000 would be "never", and nothing would be
 * left to stop a svcd that itself fills the memory. Below 0 needs CAP_SYS_RESOURCE; 0 undoes what somebody above us has set.
 */
const OOM_SCORES_ADJ = [-900, 0];
const NICE = -5;

interface Raised {
  /** Open for as long as we live: /proc can be hidden, and a start must not have to look for it. */
  readonly oomFile: number | null;
  readonly oomScoreAdj: readonly [given: number, own: number];
  readonly nice: readonly [given: number, own: number];
}

let raised: Raised | null = null;
let startsUnderWay = 0;

/** To be called once what this process may give to others has been looked up: afterwards its own values are others. */
export function goFirst(): void {
  if (raised !== null) return;
  const given = getPriority();
  const oom = openOomFile();
  raised = {
    oomFile: oom?.file ?? null,
    oomScoreAdj: oom === null ? [0, 0] : [oom.given, lowestGranted(oom)],
    nice: [given, given > NICE && canSetNice(NICE) ? NICE : given],
  };
}

/** Whatever `start` starts has the values that svcd was started with. */
export function asGiven<Result>(start: () => Result): Result {
  if (raised === null || startsUnderWay > 0) return start();
  startsUnderWay++;
  set(raised, 0);
  try {
    return start();
  } finally {
    set(raised, 1);
    startsUnderWay--;
  }
}

function set({ oomFile, oomScoreAdj, nice }: Raised, which: 0 | 1): void {
  if (oomFile !== null && oomScoreAdj[0] !== oomScoreAdj[1]) setOomScoreAdj(oomFile, oomScoreAdj[which]);
  if (nice[0] !== nice[1]) canSetNice(nice[which]);
}

function openOomFile(): { file: number; given: number } | null {
  try {
    const path = "/proc/self/oom_score_adj";
    return { given: Number(readFileSync(path, "latin1")), file: openSync(path, "w") };
  } catch {
    return null; // No /proc, or one that is read-only.
  }
}

function lowestGranted({ file, given }: { file: number; given: number }): number {
  return OOM_SCORES_ADJ.find((value) => value < given && setOomScoreAdj(file, value)) ?? given;
}

function setOomScoreAdj(file: number, value: number): boolean {
  try {
    writeSync(file, String(value));
    return true;
  } catch {
    return false; // EACCES: lower than this process may go.
  }
}

/** Of the thread that forks, which is the one that does all the work. */
function canSetNice(value: number): boolean {
  try {
    setPriority(0, value);
    return true;
  } catch {
    return false; // EACCES: only CAP_SYS_NICE goes down.
  }
}
