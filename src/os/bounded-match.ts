/**
 * Matching with a time limit: a pattern is a person's and the output is anybody's, and together they can keep a regular
 * expression busy for years.
 */
import type { Script } from "node:vm";

/** For the lines of one piece; usually they take a few milliseconds. */
const MATCH_TIMEOUT_MS = 200;
/** Where the script below finds what it shall run: only running code can be stopped by its timeout, not a later call. */
const SLOT = Symbol.for("svcd: work with a time limit");
let script: Script | null = null;

/** undefined: it took too long and was stopped. */
export function withinTime<T>(work: () => T): T | undefined {
  script ??= new (process.getBuiltinModule("node:vm").Script)(`globalThis[Symbol.for("${SLOT.description}")]()`);
  const slots = globalThis as unknown as Record<symbol, unknown>;
  slots[SLOT] = work;
  try {
    return script.runInThisContext({ timeout: MATCH_TIMEOUT_MS }) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT") return undefined;
    throw error;
  } finally {
    delete slots[SLOT];
  }
}

/** In front of each line where `timestamps: true`: the program did not write it. */
export const TIMESTAMP = /^\d{4}-\d\d-\d\dT[\d:.]+Z /;
