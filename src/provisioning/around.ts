/**
 * What a step needs of the world while it works: how to tell, when to stop, how to wait. Everything that it says is cleaned of
 * secrets on its way out.
 */
import { setTimeout as wait } from "node:timers/promises";
import type { Redact } from "../plan/secrets.ts";
import type { Amount } from "./progress.ts";
import { Interrupted } from "./result.ts";

export interface Around {
  /** A line of its own. */
  readonly say: (line: string) => void;
  /** How far it is. */
  readonly progress: (amount: Amount) => void;
  readonly redact: Redact;
  /** Aborted when the whole shall end. */
  readonly stop: AbortSignal;
  /** Scripts and other files of our own lie here. */
  readonly stateDir: string;
  /** It was begun before and cut off: what the programs of that time left behind is nobody's. */
  readonly wasCutOff: boolean;
  /** A person asked for it although it was done: what lies there is in doubt. */
  readonly isAskedFor: boolean;
}

/** Throws `Interrupted` when the whole shall end. */
export async function pause(ms: number, { stop }: Pick<Around, "stop">): Promise<void> {
  try {
    await wait(ms, undefined, { signal: stop });
  } catch {
    throw new Interrupted();
  }
}

const LONGEST_DELAY_MS = 60_000;

/** Doubles with each failure in a row, up to a minute: what is broken for longer is nobody's in a hurry. */
export function delayMs(firstMs: number, failures: number): number {
  return Math.min(firstMs * 2 ** (failures - 1), Math.max(LONGEST_DELAY_MS, firstMs));
}
