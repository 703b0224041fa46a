/**
 * Waiting for a run to begin and to be over. Events say it at once; twice a second svcd is also asked, for the live words on
 * the screen, and so that a lost event costs half a second and not the answer. svcd's core may be replaced meanwhile.
 */
import type { JobDetail, RunRecord } from "../control/daemon.ts";
import type { Call } from "./call.ts";
import { CORE_IS_AWAY_MS, ifReachable, isUnreachable } from "./daemon.ts";
import { EXIT, Failure } from "./failure.ts";
import { plain } from "./text.ts";

const ASK_AGAIN_MS = 500;
/** A run that has just ended is among the newest. */
const RECORDS_READ = 100;

export interface Limits {
  /** Of `performance.now()`; null: as long as it takes. */
  readonly until: number | null;
  readonly isInterrupted: () => boolean;
  /** What it waits for now. */
  readonly show: (text: string) => void;
}

export interface RunWatch {
  /** The first run of the job with a greater number; null: interrupted, or not in time. */
  firstAfter(runBefore: number, limits: Limits): Promise<number | null>;
  /** What became of it; null: interrupted, or not in time. */
  endOf(run: number, limits: Limits): Promise<RunRecord | null>;
  /** Look again now. */
  wake(): void;
  close(): void;
}

export function watchRuns(call: Call, job: string): RunWatch {
  const over = new Map<number, RunRecord>();
  let begun: readonly number[] = [];
  let wake = (): void => {};
  const listening = call.daemon.events({ since: null, patienceMs: CORE_IS_AWAY_MS }, ({ event }) => {
    if (event.type !== "run" || event.job !== job || event.run === null) return;
    if (event.record === null) begun = [...begun, event.run];
    else over.set(event.run, event.record);
    wake();
  });

  async function until<T>(
    look: (detail: JobDetail) => T | null | Promise<T | null>,
    known: () => T | null,
    limits: Limits,
  ) {
    for (;;) {
      const found = known() ?? (await look(await ask(limits)));
      if (found !== null) return found;
      const leftMs = (limits.until ?? Number.POSITIVE_INFINITY) - performance.now();
      if (limits.isInterrupted() || leftMs <= 0) return null;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(ASK_AGAIN_MS, leftMs));
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (known() !== null || limits.isInterrupted()) wake();
      });
    }
  }

  async function ask(limits: Limits): Promise<JobDetail> {
    const awaySince = performance.now();
    for (;;) {
      try {
        return await call.daemon.job(job);
      } catch (error) {
        if (!isUnreachable(error) || performance.now() - awaySince > CORE_IS_AWAY_MS || limits.isInterrupted())
          throw error;
        limits.show("svcd's core is being replaced");
        await new Promise((again) => setTimeout(again, ASK_AGAIN_MS));
      }
    }
  }

  return {
    firstAfter: (runBefore, limits) =>
      until(
        ({ status }) => {
          limits.show(plain(status.why));
          return status.runs.find(({ run }) => run > runBefore)?.run ?? null;
        },
        () => [...begun, ...over.keys()].sort((a, b) => a - b).find((run) => run > runBefore) ?? null,
        limits,
      ),
    endOf: (run, limits) => {
      const known = () => over.get(run) ?? null;
      return until(
        async ({ status }) => {
          const live = status.runs.find((one) => one.run === run);
          if (live !== undefined) limits.show(`run ${run} ${plain(live.why)}`);
          if (live !== undefined || known() !== null) return known();
          const records = await ifReachable(call.daemon.history(job, RECORDS_READ));
          if (records === null) return null; // The core went away since; it is asked again.
          const record = records.find((one) => one.run === run);
          if (record !== undefined) return record;
          throw new Failure(EXIT.failed, `run ${run} of ${job} is over, and svcd has no record of its end`, {
            fix: `see: svctl history ${job}`,
          });
        },
        known,
        limits,
      );
    },
    wake: () => wake(),
    close: () => listening.stop(),
  };
}
