/**
 * The last line that a run wrote, looked up once its end is known: the keeper empties a run's pipe before it tells of the
 * end, so the line is in the file by then. Kept for each service until a later run is asked about.
 */
import { statSync } from "node:fs";
import type { Service } from "../plan/plan.ts";
import type { LastWords } from "../ports.ts";
import type { Instant, RunNumber } from "../service/life.ts";
import { logsOf } from "./keeper-client.ts";
import { lastLines } from "./last-lines.ts";

/** It stands in one cell of a table. */
const LONGEST = 300;
/** The last of them may be blank. */
const LINES = 3;
/** As `timestamps: true` puts it in front. */
const TIMESTAMP = /^\d{4}-\d\d-\d\dT[\d:.]+Z /;

export class LogLastWords implements LastWords {
  readonly #logDir: string;
  readonly #known = new Map<string, { readonly run: RunNumber; readonly text: string | null }>();

  constructor(logDir: string) {
    this.#logDir = logDir;
  }

  of(service: Service, { run, at, upMs }: Parameters<LastWords["of"]>[1]): string | null {
    const known = this.#known.get(service.name);
    if (known?.run === run) return known.text;
    const text = this.#look(service, wallTimeOf(at - upMs));
    this.#known.set(service.name, { run, text });
    return text;
  }

  #look(service: Service, startedAtMs: number): string | null {
    const { stdout, stderr } = logsOf(service, this.#logDir);
    // What is said on stderr, where that is apart, is said about failures.
    const paths = [stderr === "stdout" ? null : stderr, stdout].flatMap((log) => (log === null ? [] : [log.path]));
    for (const path of paths) {
      // A run that said nothing is not explained by what an earlier one has said.
      if ((statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < startedAtMs - SLACK_MS) continue;
      const lines = lastLines(path, LINES, { maxBytes: 4096 }).map((line) => line.replace(TIMESTAMP, "").trim());
      const last = lines.findLast((line) => line !== "");
      if (last !== undefined) return last.length > LONGEST ? `${last.slice(0, LONGEST - 1)}…` : last;
    }
    return null;
  }
}

/** Clocks of files are read from the last tick of the kernel. */
const SLACK_MS = 20;

/** Unix milliseconds of an instant of CLOCK_MONOTONIC. */
function wallTimeOf(instant: Instant): number {
  return Date.now() - (Number(process.hrtime.bigint() / 1000n) / 1000 - instant);
}
