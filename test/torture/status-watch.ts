/** Asks for the status of everything, one question after the other, all the time, and measures how long one waits. */
import { type Control, Unreachable } from "../../src/control/client.ts";
import type { ServiceStatus } from "../../src/control/daemon.ts";
import { monotonicMs } from "../../src/keeper/process-identity.ts";
import type { Ledger } from "./ledger.ts";
import { pause } from "./pause.ts";

const ASK_EVERY_MS = 50;
const KNOCK_EVERY_MS = 5;

export interface StatusWatchOptions {
  readonly control: Control;
  readonly ledger: Ledger;
  readonly patienceMs: number;
  /** Grows whenever core or keeper are killed or stopped. */
  readonly troubles: () => number;
  readonly onStatus: (all: readonly ServiceStatus[]) => void;
}

/** Returns how to end it. */
export function watchStatus({ control, ledger, patienceMs, troubles, onStatus }: StatusWatchOptions) {
  let isWatching = true;
  const watching = (async () => {
    let askedAt = monotonicMs();
    let troublesThen = troubles();
    while (isWatching) {
      try {
        const all = await control.services();
        const ms = monotonicMs() - askedAt;
        (troublesThen === troubles() ? ledger.statusMs : ledger.statusTroubledMs).push(ms);
        if (ms > patienceMs) ledger.breaks(`status took ${Math.round(ms)} ms`);
        onStatus(all);
        await pause(ASK_EVERY_MS);
      } catch (error) {
        if (!(error instanceof Unreachable)) {
          ledger.breaks(`status was refused: ${error}`);
        } else if (monotonicMs() - askedAt < patienceMs) {
          await pause(KNOCK_EVERY_MS);
          continue; // How long one waits for an answer counts, not how often one asks.
        } else {
          ledger.breaks(`status had no answer: ${error.message}`);
        }
      }
      askedAt = monotonicMs();
      troublesThen = troubles();
    }
  })();
  return async (): Promise<void> => {
    isWatching = false;
    await watching;
  };
}
