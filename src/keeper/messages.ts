/**
 * What keeper and core say to each other: one JSON object a line on the channel that the core inherits as fd 3.
 * These types are all that anybody outside `keeper/` imports of it.
 *
 * The core orders, the keeper reports. An order that comes too late (the run is gone) is answered by the report that
 * made it late. Times are milliseconds of CLOCK_MONOTONIC, so they mean the same in both processes.
 */
import { crc32 } from "node:zlib";

/** A log stream as the keeper keeps it: file, rotation, form. */
export interface LogSettings {
  /** Absolute path of the current file; rotated ones are `PATH.1` (newest), `PATH.2` … or `.gz`. */
  readonly path: string;
  readonly maxSizeBytes: number;
  readonly keep: number;
  readonly timestamps: boolean;
  readonly compress: boolean;
  /**
   * So much of the beginning is kept for ever, in `PATH.head`; at its end stands how many bytes between it and the files after
   * it were rotated away. Absent: the beginning goes as the rest does.
   */
  readonly keepHeadBytes?: number;
}

export type StreamName = "stdout" | "stderr";

/** null: discarded. `stderr: "stdout"`: both in one file, in the order written. */
export interface ServiceLogs {
  readonly stdout: LogSettings | null;
  readonly stderr: LogSettings | "stdout" | null;
}

/** One run of one service. */
export interface RunName {
  readonly service: string;
  readonly run: number;
}

export interface Spawn extends RunName {
  readonly do: "spawn";
  /** Absolute path of the program (or of the first tool of the exec chain). */
  readonly file: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly umask: number | null;
  /** Who must be able to open the log pipe again (`/dev/stdout`); null: the keeper's own user. */
  readonly uid: number | null;
  /** What it reads from its standard input; absent: nothing. */
  readonly stdin?: string;
  /** What it uses shall be told at its end, as far as the machine tells. */
  readonly isMeasured?: boolean;
  readonly logs: ServiceLogs;
}

export type Order =
  | Spawn
  /** `to: "group"`: the process group that the run leads. */
  | (RunName & { readonly do: "signal"; readonly signal: NodeJS.Signals; readonly to: "main" | "group" })
  /** KILL for everything of the run, repeated until nothing is left. */
  | (RunName & { readonly do: "end" })
  /** The core has noted the end of this run; the keeper may forget it. */
  | (RunName & { readonly do: "noted" })
  /** New settings for logs that are open already. */
  | { readonly do: "logs"; readonly service: string; readonly logs: ServiceLogs }
  /** Tell me (or no longer) when these logs grow. */
  | { readonly do: "watch"; readonly service: string; readonly on: boolean }
  | { readonly do: "clear"; readonly service: string }
  /** The service is gone: close its pipes and files. */
  | { readonly do: "forget"; readonly service: string }
  /** The core is in charge. */
  | { readonly do: "ready" }
  /** The core has begun to stop everything; whichever core comes next shall go on with it. */
  | { readonly do: "stopping"; readonly status: number }
  /** Everything is stopped: the keeper may end, with this status. */
  | { readonly do: "leave"; readonly status: number }
  /** The core will end and wants to be started again at once (upgrade, restart): not a crash. */
  | { readonly do: "again" }
  /** The answer to `ping`. */
  | { readonly do: "pong" };

export type KeptExit =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | { readonly kind: "unknown" };

export interface LiveRun extends RunName {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: with the boot id, the identity of the process. */
  readonly startTicks: number;
  readonly startedAt: number;
  /** It was asked to end: the last stop signal that was sent to it; null: none was. */
  readonly signalled?: NodeJS.Signals | null;
}

/**
 * Where a log stands. Positions count every byte since the keeper opened the log, across rotations: the current file
 * holds `[base, position)`.
 */
export interface LogPosition {
  readonly service: string;
  readonly stream: StreamName;
  readonly path: string;
  readonly base: number;
  readonly position: number;
  /** First positions of the rotated files, newest first: `PATH.1`, `PATH.2` … */
  readonly rotated: readonly number[];
  /** Bytes that could not be written (disk full), all told. */
  readonly droppedBytes: number;
  /** Why the last ones could not; absent: they could. */
  readonly dropping?: string;
}

export type Report =
  /** First word to every core: what runs, what ended and is not noted yet, and where the logs stand. */
  | {
      readonly is: "hello";
      readonly keeperPid: number;
      /** When the keeper started, ISO 8601, for people. */
      readonly since: string;
      readonly bootId: string;
      readonly live: readonly LiveRun[];
      readonly ended: readonly EndedRun[];
      /** Runs of which something outlives the main process, whether their end was noted or not. */
      readonly uncleared: readonly RunName[];
      readonly containment: ContainmentFacts;
      readonly logs: readonly LogPosition[];
      /** The highest run of each service this keeper has heard of: a number is never used twice. */
      readonly lastRuns: Readonly<Record<string, number>>;
      /** Everything shall be stopped, to end with this status; null: nobody has asked for that. */
      readonly stopping: number | null;
      /** How often a core had to be started, the first included. */
      readonly coreStarts: number;
      /** A core of this keeper has been in charge, and so has taken up the files. */
      readonly hadCore: boolean;
    }
  | (LiveRun & { readonly is: "spawned" })
  /** The kernel refused: `code` is the errno name (ENOENT, EACCES, EAGAIN …). */
  | (RunName & { readonly is: "refused"; readonly code: string; readonly message: string })
  | EndedRun
  /** What its main process left behind is no longer there. */
  | (RunName & { readonly is: "gone"; readonly cpuMs?: number })
  /** What KILL has not ended for a second or more, in words. */
  | (RunName & { readonly is: "survived"; readonly survivors: readonly string[] })
  /** A watched log has grown, or the current file of any log begins elsewhere than before. */
  | (LogPosition & { readonly is: "wrote" })
  /** Is the core's event loop still turning? */
  | { readonly is: "ping" }
  /** svcd itself got a signal: TERM and INT ask to stop everything, HUP to read the files again. */
  | { readonly is: "asked"; readonly to: "stop" | "reread"; readonly signal: NodeJS.Signals };

export interface EndedRun extends RunName {
  readonly is: "exited";
  readonly pid: number;
  readonly exit: KeptExit;
  readonly at: number;
  /** false: something of the run outlives its main process; "gone" follows. */
  readonly isClear: boolean;
  /** Processor time of all processes of the run until now. Absent: not measured, or not known. */
  readonly cpuMs?: number;
}

export type ContainmentWay = "cgroup" | "subreaper" | "scan";

/** How the processes of a run are known. `detail`: the cgroup, the subreaper, or where is looked. */
export interface ContainmentFacts {
  readonly way: ContainmentWay;
  readonly detail: string;
}

/**
 * The channel's framing: one JSON object a line. Returns a function to be fed with whatever arrived; it calls `onMessages`
 * once for each piece with all whole messages in it, so that what was said together can be done together.
 */
export function messageReader<Message>(onMessages: (messages: Message[]) => void): (piece: string) => void {
  let rest = "";
  return (piece) => {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    if (lines.length > 0) onMessages(lines.map((line) => JSON.parse(line) as Message));
  };
}

export function encode(message: Order | Report): string {
  return `${JSON.stringify(message)}\n`;
}

/** The variable that marks the processes of a run in their environment, `SVCD_RUN=/run/svcd/web#3`. */
export const RUN_MARK = "SVCD_RUN";

/**
 * The same as a number for the soft RLIMIT_LOCKS of its processes: 48 bits that two runs share about as often as a meteorite
 * hits the machine. Set by `prlimit --locks=TAG:` in the exec chain.
 */
export function runTag(runDir: string, run: RunName): number {
  const mark = runMark(runDir, run);
  return crc32(mark) * 65_536 + (crc32(`tag of ${mark}`) & 0xffff);
}

export function runMark(runDir: string, { service, run }: RunName): string {
  return `${runDir}/${service}#${run}`;
}
