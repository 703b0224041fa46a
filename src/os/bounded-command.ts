/**
 * A program that svcd runs for itself (a check, a hook): in a session of its own, for a limited time, with little of its
 * output kept. When its time is over, or nobody wants the answer any more, all of its session is killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { asGiven } from "../own-priority.ts";
import type { Launch } from "../ports.ts";
import { timeLimit } from "./time-limit.ts";

export interface CommandEnd {
  readonly how:
    | { readonly kind: "code"; readonly code: number }
    | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
    | { readonly kind: "timeout" }
    /** It could not be started. */
    | { readonly kind: "refused"; readonly code: string; readonly message: string };
  /** The last of what it wrote to stdout and stderr. */
  readonly output: Buffer;
}

export interface Bounds {
  readonly timeoutMs: number;
  readonly keepBytes: number;
}

/** After the program itself has ended: what it wrote last may still be under way; what it left behind is not waited for. */
const LAST_WORDS_MS = 100;

/** `onEnd` is called exactly once, never before this returns. The function that is returned ends it without an answer. */
export function runBounded(
  launch: Launch,
  { timeoutMs, keepBytes }: Bounds,
  onEnd: (end: CommandEnd) => void,
): () => void {
  const tail = new Tail(keepBytes);
  let answered = false;
  const answer = (how: CommandEnd["how"]): void => {
    if (answered) return;
    answered = true;
    endLimit();
    onEnd({ how, output: tail.bytes() });
  };
  let child: ChildProcess | null = null;
  const endLimit = timeLimit(timeoutMs, () => {
    kill();
    answer({ kind: "timeout" });
  });
  const kill = (): void => {
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) signalGroup(child.pid);
    child?.stdin?.destroy();
    child?.stdout?.destroy();
    child?.stderr?.destroy();
  };
  const refused = ({ code, message }: NodeJS.ErrnoException): void => {
    answer({ kind: "refused", code: code ?? "UNKNOWN", message });
  };
  try {
    child = start(launch);
  } catch (error) {
    setImmediate(refused, error as NodeJS.ErrnoException);
    return () => {
      answered = true;
      endLimit();
    };
  }
  const { pid } = child;
  child.stdin?.on("error", () => {}); // It ended without reading all of it; how it ended says whether that matters.
  child.stdin?.end(launch.stdin);
  child.on("error", refused);
  child.stdout?.on("data", (bytes: Buffer) => tail.add(bytes));
  child.stderr?.on("data", (bytes: Buffer) => tail.add(bytes));
  child.on("exit", (code, signal) => {
    const how = signal === null ? ({ kind: "code", code: code ?? 0 } as const) : ({ kind: "signal", signal } as const);
    const lastWords = setTimeout(() => {
      child?.stdout?.destroy();
      child?.stderr?.destroy();
      answer(how);
    }, LAST_WORDS_MS);
    child?.on("close", () => {
      clearTimeout(lastWords);
      answer(how);
    });
    if (pid !== undefined) endLeftovers(pid);
  });
  return () => {
    answered = true;
    endLimit();
    kill();
  };
}

function start({ file, argv, cwd, env, umask, stdin }: Launch): ChildProcess {
  const before = umask === null ? null : process.umask(umask);
  try {
    return asGiven(() =>
      spawn(file, argv.slice(1), {
        argv0: argv[0] ?? file,
        cwd,
        env,
        detached: true,
        stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      }),
    );
  } finally {
    if (before !== null) process.umask(before);
  }
}

/** The last bytes of a stream. */
class Tail {
  readonly #most: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(most: number) {
    this.#most = most;
  }

  add(bytes: Buffer): void {
    const joined = bytes.length >= this.#most ? bytes : Buffer.concat([this.#bytes, bytes]);
    this.#bytes = Buffer.from(joined.subarray(Math.max(0, joined.length - this.#most)));
  }

  bytes(): Buffer {
    return this.#bytes;
  }
}

/** Of a child that has not been reaped: its pid, and so the number of its group, cannot serve anybody else. */
function signalGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // It ended in this moment.
  }
}

/**
 * What a program left behind in its group. As long as a member lives the kernel gives the group's number to nobody else;
 * so if there is a process of that number again, the group is not ours.
 */
function endLeftovers(leader: number): void {
  try {
    process.kill(-leader, 0);
  } catch {
    return; // Nothing is left: the usual case.
  }
  if (!existsSync(`/proc/${leader}`)) signalGroup(leader);
}
