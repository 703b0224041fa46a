/**
 * What the machine knows about the end of a run, for `svctl why`: how the kernel had a hand in it, whether a core dump is
 * there, what the program said last and what that usually means. All of it is looked up when somebody asks.
 */
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import type { Exit } from "../service/exit.ts";
import type { Signal } from "../service/policy.ts";
import { recognise } from "./causes.ts";
import { coreDumpFact } from "./core-dump.ts";
import { type KernelRecord, kernelFacts, readKernelLog } from "./kernel-log.ts";
import { holds, lastLines } from "./last-lines.ts";

export interface About {
  readonly service: string;
  /** The last end of a run; null: none has ended. */
  readonly end: {
    readonly exit: Exit;
    /** Milliseconds of CLOCK_MONOTONIC. */
    readonly at: number;
    readonly upMs: number;
  } | null;
  /** Of the run that ended; leave it out if it is not known any more. */
  readonly pid?: number | null;
  /** Its log files, the one that says most about failures last. */
  readonly logPaths: readonly string[];
  /** How many last lines of each are wanted. */
  readonly lines: number;
  /** Where it ran. Only an absolute path without `${…}` is of use. */
  readonly workingDir: string | null;
  /** Processes that the kernel killed for want of memory during the run; see `oomKillCount`. */
  readonly oomKills: number;
  /** It is to be up always: an exit 0 that nobody asked for is a failure, too. */
  readonly isServer?: boolean;
  /** By path, where the output of the next run begins; without it nobody knows whose the last lines are, once it has begun. */
  readonly nextBegan?: Readonly<Record<string, { readonly inode: number; readonly offset: number }>>;
  /** Another in tests. */
  readonly kernelLog?: readonly KernelRecord[];
}

export interface Evidence {
  /** About the end, each a sentence; the likely cause first. */
  readonly facts: string[];
  /** Oldest first, fit for a terminal. */
  readonly lastLines: string[];
  /** What the person can do, each a sentence or a command. */
  readonly advice: string[];
}

export async function evidenceOf(about: About): Promise<Evidence> {
  const lines = about.logPaths.flatMap((path) => lastLines(path, about.lines));
  const { end } = about;
  if (end === null) return { facts: [], lastLines: lines, advice: [] };
  const isFailure = hasFailed(end.exit) || (about.isServer === true && end.exit.kind === "code");
  const finding =
    isFailure && linesAreOfThisEnd(about) ? recognise({ service: about.service, lines: linesOfEnd(about) }) : null;
  const system = explainEnd(about);
  return {
    facts: [...(finding === null ? [] : [finding.cause]), ...system.facts],
    lastLines: lines,
    advice: [...(finding === null ? [] : [finding.advice]), ...system.advice],
  };
}

/** A server of several processes prints a traceback for each of them, and the cause is in the first. */
const LOOKED_THROUGH = { lines: 600, maxBytes: 256 * 1024 };

function linesOfEnd({ logPaths, nextBegan = {} }: About): string[] {
  return logPaths.flatMap((path) => {
    const until = nextBegan[path];
    const { lines, maxBytes } = LOOKED_THROUGH;
    return lastLines(path, lines, { maxBytes, ...(until !== undefined && { until }) });
  });
}

/** What the kernel and the file system say about an end. */
export function explainEnd(about: About): { facts: string[]; advice: string[] } {
  const { end, service } = about;
  if (end === null || !hasFailed(end.exit)) return { facts: [], advice: [] };
  const signal = signalOf(end.exit);
  const pid = about.pid ?? null;
  const ended = {
    pid,
    startedAt: end.at - end.upMs,
    endedAt: end.at,
    crashed: signal !== null && signal !== "SIGKILL",
  };
  const facts = kernelFacts(ended, about.kernelLog ?? readKernelLog());
  const wasOutOfMemory = facts.some((fact) => fact.includes("OOM killer"));
  if (!wasOutOfMemory && about.oomKills > 0) {
    const processes = about.oomKills === 1 ? "a process" : `${about.oomKills} processes`;
    facts.push(
      `the kernel's OOM killer ended ${processes} while it ran${signal === "SIGKILL" ? ", which fits its end" : ""}`,
    );
  }
  if (signal !== null) {
    const cwd =
      about.workingDir !== null && isAbsolute(about.workingDir) && !about.workingDir.includes("$")
        ? about.workingDir
        : null;
    const dump = coreDumpFact({ signal, pid, cwd, endedAt: wallTimeOf(end.at) });
    if (dump !== null) facts.push(dump);
  }
  const isAboutMemory = wasOutOfMemory || (about.oomKills > 0 && signal === "SIGKILL");
  const advice = isAboutMemory
    ? [`give ${service} less to do, or the machine or container more memory; see free -h`]
    : [];
  return { facts, advice };
}

function hasFailed(exit: Exit): boolean {
  return exit.kind === "signal" || (exit.kind === "code" && exit.code !== 0);
}

/** What a shell or `timeout` reports as 128 + N was signal N to its child. */
const BY_SHELL: Readonly<Record<number, Signal>> = {
  131: "SIGQUIT",
  132: "SIGILL",
  134: "SIGABRT",
  135: "SIGBUS",
  136: "SIGFPE",
  137: "SIGKILL",
  139: "SIGSEGV",
};

function signalOf(exit: Exit): Signal | null {
  if (exit.kind === "signal") return exit.signal;
  return exit.kind === "code" ? (BY_SHELL[exit.code] ?? null) : null;
}

/** If the log has grown since, what stands there last is about something else. */
function linesAreOfThisEnd({ end, logPaths, nextBegan = {} }: About): boolean {
  if (end === null) return false;
  const endedAt = wallTimeOf(end.at);
  const isMarked = (path: string): boolean => {
    const mark = nextBegan[path];
    return mark !== undefined && (holds(path, mark) || holds(`${path}.1`, mark));
  };
  return logPaths.every(
    (path) => isMarked(path) || (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < endedAt + DRAINED_WITHIN_MS,
  );
}

/** The last words of a run are still in its pipe when it ends. */
const DRAINED_WITHIN_MS = 2_000;

/** Unix milliseconds of an instant of CLOCK_MONOTONIC. */
function wallTimeOf(instant: number): number {
  return Date.now() - (Number(process.hrtime.bigint() / 1000n) / 1000 - instant);
}
