/**
 * Waits for the first line of a run's output that matches a pattern.
 *
 * The pattern is a person's and the output is anybody's: together they can keep a regular expression busy for years, so
 * matching has a time limit, after which the check says so instead of holding up everything else.
 */
import type { Script } from "node:vm";
import { plainText } from "./last-lines.ts";
import { LogLines, type LogMark } from "./log-lines.ts";

export type LogVerdict =
  | { readonly kind: "not yet" }
  | { readonly kind: "found"; readonly line: string }
  | { readonly kind: "too slow" };

export interface LogCheckOptions {
  readonly pattern: string;
  /** All streams that are kept, and where this run's output begins in them. */
  readonly streams: readonly { readonly path: string; readonly from: LogMark }[];
  /** Each line has its time in front, which the program did not write. */
  readonly timestamps: boolean;
  /** Called at most once, when it becomes known; never while `lookAgain` runs. */
  readonly onFound: (line: string) => void;
}

const TIMESTAMP = /^\d{4}-\d\d-\d\dT[\d:.]+Z /;
/** For the lines of one piece; usually they take a few milliseconds. */
const MATCH_TIMEOUT_MS = 200;

export class LogCheck {
  readonly #options: LogCheckOptions;
  readonly #pattern: RegExp;
  readonly #readers: readonly LogLines[];
  #verdict: LogVerdict = { kind: "not yet" };
  #looking: NodeJS.Immediate | null = null;

  constructor(options: LogCheckOptions) {
    this.#options = options;
    this.#pattern = new RegExp(options.pattern);
    this.#readers = options.streams.map(({ path, from }) => new LogLines(path, from));
  }

  get verdict(): LogVerdict {
    return this.#verdict;
  }

  /** There may be new lines. They are read soon, a piece in each turn of the event loop. */
  lookAgain(): void {
    if (this.#verdict.kind === "not yet") this.#looking ??= setImmediate(() => this.#look());
  }

  close(): void {
    if (this.#looking !== null) clearImmediate(this.#looking);
    this.#looking = null;
    for (const reader of this.#readers) reader.close();
  }

  #look(): void {
    this.#looking = null;
    let more = false;
    for (const reader of this.#readers) {
      const piece = reader.next();
      more ||= piece.more;
      this.#match(piece.lines);
      if (this.#verdict.kind !== "not yet") break;
    }
    if (this.#verdict.kind === "not yet") {
      if (more) this.lookAgain();
      return;
    }
    this.close();
    if (this.#verdict.kind === "found") this.#options.onFound(this.#verdict.line);
  }

  #match(written: readonly string[]): void {
    if (written.length === 0) return;
    const lines = this.#options.timestamps ? written.map((line) => line.replace(TIMESTAMP, "")) : written;
    const found = withinTime(MATCH_TIMEOUT_MS, () => lines.find((line) => this.#matches(line)) ?? null);
    if (found === undefined) this.#verdict = { kind: "too slow" };
    else if (found !== null) this.#verdict = { kind: "found", line: found };
  }

  /** As it was written, or as people see it: without colours, a progress bar in its last state. */
  #matches(line: string): boolean {
    return this.#pattern.test(line) || (/[\x1b\r]/.test(line) && this.#pattern.test(plainText(line)));
  }
}

/** Where the script below finds what it shall run: only running code can be stopped by its timeout, not a later call. */
const SLOT = Symbol.for("svcd: work with a time limit");
let script: Script | null = null;

/** undefined: it took too long and was stopped. */
function withinTime<T>(timeout: number, work: () => T): T | undefined {
  script ??= new (process.getBuiltinModule("node:vm").Script)(`globalThis[Symbol.for("${SLOT.description}")]()`);
  const slots = globalThis as unknown as Record<symbol, unknown>;
  slots[SLOT] = work;
  try {
    return script.runInThisContext({ timeout }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  } finally {
    delete slots[SLOT];
  }
}
