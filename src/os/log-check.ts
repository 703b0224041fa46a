/**
 * Waits for the first line of a run's output that matches a pattern.
 *
 * The pattern is a person's and the output is anybody's: together they can keep a regular expression busy for years, so
 * matching has a time limit, after which the check says so instead of holding up everything else.
 */
import { TIMESTAMP, withinTime } from "./bounded-match.ts";
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
    const found = withinTime(() => lines.find((line) => this.#matches(line)) ?? null);
    if (found === undefined) this.#verdict = { kind: "too slow" };
    else if (found !== null) this.#verdict = { kind: "found", line: found };
  }

  /** As it was written, or as people see it: without colours, a progress bar in its last state. */
  #matches(line: string): boolean {
    return this.#pattern.test(line) || (/[\x1b\r]/.test(line) && this.#pattern.test(plainText(line)));
  }
}
