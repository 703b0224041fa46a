/**
 * Where the output of each run begins in its logs, and whether its log check has passed: in a file, so that the next core
 * neither takes an earlier run's line for this one's nor waits for a line that was written long ago.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { StreamName } from "../keeper/messages.ts";
import type { LogMark } from "./log-lines.ts";

export interface RunMarks {
  readonly run: number;
  readonly from: Readonly<Partial<Record<StreamName, LogMark>>>;
  /** The line that matched, or null. */
  readonly found: { readonly pattern: string; readonly line: string } | null;
}

export class LogMarks {
  readonly #path: string;
  readonly #marks: Map<string, RunMarks>;

  constructor(path: string) {
    this.#path = path;
    this.#marks = read(path);
  }

  of(service: string, run: number): RunMarks | null {
    const marks = this.#marks.get(service);
    return marks?.run === run ? marks : null;
  }

  set(service: string, marks: RunMarks): void {
    this.#marks.set(service, marks);
    this.#save();
  }

  /** The run is over. What stands in the file goes with the next change: it is about a run that never comes again. */
  forget(service: string, run: number): void {
    if (this.of(service, run) !== null) this.#marks.delete(service);
  }

  #save(): void {
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(Object.fromEntries(this.#marks)), { mode: 0o600 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch {
      // A full disk costs the next core this knowledge: it then looks through the current log file.
    }
  }
}

function read(path: string): Map<string, RunMarks> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null) return new Map();
    return new Map(Object.entries(value).filter((entry): entry is [string, RunMarks] => isRunMarks(entry[1])));
  } catch {
    return new Map(); // None yet, or torn: as if nothing had been noted.
  }
}

function isRunMarks(value: unknown): boolean {
  const { run, from, found } = (value ?? {}) as Partial<RunMarks>;
  const marks = Object.values(from ?? {});
  return (
    typeof run === "number" &&
    typeof from === "object" &&
    marks.every(({ inode, offset, at }) => [inode, offset, at].every((number) => typeof number === "number")) &&
    (found === null || (typeof found?.pattern === "string" && typeof found.line === "string"))
  );
}
