/**
 * A program that does a step: in a session of its own, so that all of it can be ended; what it prints goes on to our own output line
 * by line, cleaned of secrets. A progress bar (lines that end in `\r`) is thinned out, or it would fill the log.
 *
 * Both of its streams are one pipe, so that what it says stays in order.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { Redact } from "../plan/secrets.ts";
import { Interrupted } from "./result.ts";

export interface Program {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Instead of passing its lines on. */
  readonly onLine?: (line: string) => void;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last of its lines, oldest first. */
  readonly lines: readonly string[];
  /** It is not there, or may not be executed. */
  readonly refused: string | null;
}

const KEPT_LINES = 50;
const LONGEST_LINE = 16 * 1024;
/** From a bar a line each second. */
const BAR_EACH_MS = 1_000;
/** From the polite signal to the other one; svcd itself waits longer (`stop_grace_period` of the service). */
const GRACE_MS = 8_000;
/** What it left behind may hold its output open; that is not waited for. */
const LAST_WORDS_MS = 300;

/** Throws `Interrupted` once it has ended because `stop` said so. */
export function runProgram(
  { argv, env, cwd, onLine }: Program,
  { redact, stop, say }: { readonly redact: Redact; readonly stop: AbortSignal; readonly say: (line: string) => void },
): Promise<Ended> {
  return new Promise((done, fail) => {
    if (stop.aborted) return fail(new Interrupted());
    if (!existsSync(cwd))
      return done({ code: null, signal: null, lines: [], refused: `the folder ${cwd} is not there` });
    const lines: string[] = [];
    const tell = (line: string): void => {
      const shown = redact(line);
      lines.push(shown);
      if (lines.length > KEPT_LINES) lines.shift();
      (onLine ?? say)(shown);
    };
    const splitter = new Lines(tell);
    let child: ChildProcess;
    try {
      child = spawn("/bin/sh", ["-c", 'exec "$@" 2>&1', "sh", ...argv], {
        env,
        cwd,
        detached: true,
        stdio: ["ignore", "pipe", "inherit"],
      });
    } catch (error) {
      return done({ code: null, signal: null, lines, refused: (error as Error).message });
    }
    const { pid } = child;
    let killing: NodeJS.Timeout | null = null;
    const end = (): void => {
      signalGroup(pid, "SIGTERM");
      killing = setTimeout(() => signalGroup(pid, "SIGKILL"), GRACE_MS);
    };
    stop.addEventListener("abort", end);
    let isOver = false;
    const over = (ended: Omit<Ended, "lines">): void => {
      if (isOver) return;
      isOver = true;
      stop.removeEventListener("abort", end);
      if (killing !== null) clearTimeout(killing);
      splitter.end();
      if (stop.aborted) fail(new Interrupted());
      else done({ ...ended, lines });
    };
    child.stdout!.on("data", (bytes: Buffer) => splitter.add(bytes));
    child.on("error", (error) => over({ code: null, signal: null, refused: error.message }));
    child.on("exit", (code, signal) => {
      const last = setTimeout(() => {
        child.stdout!.destroy();
        over({ code, signal, refused: null });
      }, LAST_WORDS_MS);
      child.on("close", () => {
        clearTimeout(last);
        over({ code, signal, refused: null });
      });
      // What it left behind of its session is part of no step. Its number is nobody else's while a member lives.
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) signalGroup(pid, "SIGKILL");
    });
  });
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It ended in this moment.
  }
}

/** How a program failed, with the line that tells most; the cause of the failure of its step. */
export function describeFailure(name: string, { code, signal, lines, refused }: Ended): string {
  if (refused !== null) return `${name} cannot be started: ${refused}`;
  const how = signal === null ? `exited with ${code}` : `was killed by ${signal}`;
  const said = tellingLine(lines);
  return `${name} ${how}${said === null ? "" : `: ${said}`}`;
}

/** The last line that calls itself an error; else the last one with something in it. */
export function tellingLine(lines: readonly string[]): string | null {
  const plain = lines.map((line) => line.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, "").trim()).filter((line) => line !== "");
  const error = plain.findLast((line) => /^(E:|error\b|fatal\b|err!|npm ERR)|\b\w*(Error|Exception): /i.test(line));
  const line = error ?? plain.at(-1);
  if (line === undefined) return null;
  return line.length > 200 ? `${line.slice(0, 199)}…` : line;
}

/** Bytes to lines. A bar that is drawn over and over shows its last state from time to time. */
class Lines {
  readonly #tell: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";
  #bar = "";
  #barAt = 0;

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
  }

  add(bytes: Buffer): void {
    this.#take(this.#decoder.decode(bytes, { stream: true }));
  }

  end(): void {
    this.#take(this.#decoder.decode());
    const last = this.#rest === "" ? this.#bar : this.#rest;
    if (last !== "") this.#tell(last);
  }

  #take(text: string): void {
    const pieces = (this.#rest + text).split(/(\r\n|\n|\r)/);
    for (let i = 0; i + 1 < pieces.length; i += 2) {
      const line = pieces[i]!;
      const isDrawnOver = pieces[i + 1] === "\r";
      // A \r at the very end may be half of \r\n: the next piece tells.
      if (isDrawnOver && i + 2 === pieces.length - 1 && pieces[i + 2] === "") {
        this.#rest = `${line}\r`;
        return;
      }
      if (isDrawnOver) this.#draw(line);
      else {
        if (line !== "" || this.#bar === "") this.#tell(line);
        else this.#tell(this.#bar);
        this.#bar = "";
      }
    }
    this.#rest = pieces.at(-1)!;
    if (this.#rest.length <= LONGEST_LINE) return;
    this.#tell(this.#rest);
    this.#rest = "";
  }

  #draw(line: string): void {
    if (line.trim() === "") return;
    this.#bar = line;
    const now = performance.now();
    if (now - this.#barAt < BAR_EACH_MS) return;
    this.#barAt = now;
    this.#bar = "";
    this.#tell(line);
  }
}
