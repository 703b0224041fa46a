/**
 * What must always be so, by the numbers of the project's reliability plan, and where it is looked at.
 *
 * |  # | Invariant | Where |
 * |---:|---|---|
 * |  1 | at most one live instance, also of its remains | `keeper.ts` at each spawn; `rest.ts` |
 * |  2 | no signal to what is not ours | `core.ts`: orders name runs that were begun. Pids are the keeper's: its stories (adopted, pid reused) |
 * |  3 | what a person stopped is not started by anybody else | `core.ts` at each order to spawn; `rest.ts` |
 * |  4 | what is wanted and can run, runs once the weather clears | `rest.ts` |
 * |  5 | backoff grows, is capped, jitters within bounds | `lives.ts` at each recorded life |
 * |  6 | no more failures in a window than the budget | `lives.ts`; svcd promises no limit of starts at once |
 * |  7 | each end is taken in exactly once, as it was; no run number twice | `lives.ts`, `keeper.ts`, `rest.ts` |
 * |  8 | KILL only after the stop signal and its grace | `core.ts` at each order to end |
 * |  9 | dependencies first, reverse on the way down | `core.ts` at each spawn, `lives.ts` at each stop |
 * | 10 | a broken file changes nothing, a good one is reached, also by what runs | `edits.ts` at each edit, `rest.ts` |
 * | 11 | what is unchanged is not restarted | `edits.ts` at each edit and rescan |
 * | 12 | any prefix of the journal is good enough | `sweep.test.ts`; lines lost and torn off in all storms |
 * | 13 | an answer is true on the disk; the last word counts | `people.ts` at each answer, `rest.ts` against `naive.ts` |
 * | 14 | log: stored + dropped = written | not the supervisor's: the keeper's log tests, `test/scenarios/logs` |
 * | 15 | a due job runs once | `jobs.test.ts`, `jobs-crash.test.ts`: killed at every action |
 * | 16 | a jump of the wall clock changes nothing | `same-end.test.ts`: the same story with and without |
 * | 17 | unhealthy only after that many failures outside the start period, and only where that restarts | `lives.ts` at each stop that svcd blames on health |
 * | 18 | the proxy routes to what is ready | not the supervisor's: tests of `src/gateway/`, stories |
 * | 19 | queues, timers and memory stay bounded | `look.ts` after each step; a long history in `history.test.ts` |
 * | 20 | nobody is delayed: the alarm is the earliest deadline, and who can start does not wait | `look.ts` after each step |
 * | 21 | a second svcd does nothing | not the supervisor's: tests of the lock, stories |
 * | 22 | a shutdown ends in bounded time, whatever survives; a new core signals nobody | `rest.ts`, `world.ts`; `sweep.test.ts`, `same-end.test.ts` |
 * | 23 | every state is explained | `look.ts` |
 * | 24 | zombies are reaped | not the supervisor's: the keeper's stories |
 * | 25 | no GPU is given to two runs at once; who waits for one starts once it is free | `gpus.ts` before each start, `rest.ts` |
 * | 26 | a start that moves on is not ended for standing still | `lives.ts` at each such stop; that one is in time is 20 |
 *
 * `bites.test.ts` breaks the supervisor or the world on purpose and sees each of them noticed.
 */
export const INVARIANTS = {
  0: "the world stays whole",
  1: "never two copies",
  2: "no signal to what is not ours",
  3: "what a person stopped stays stopped",
  4: "what is wanted comes up",
  5: "backoff grows and is bounded",
  6: "no more failures in a window than the budget",
  7: "each end is taken in exactly once",
  8: "KILL only after the stop signal and its grace",
  9: "dependencies first, reverse on the way down",
  10: "broken files change nothing, good ones are reached",
  11: "what is unchanged is not restarted",
  13: "what was answered is true on the disk",
  16: "the wall clock is for people",
  17: "unhealthy only after that many failures",
  19: "everything is bounded",
  20: "nobody is delayed",
  22: "a shutdown ends, a new core signals nobody",
  23: "every state is explained",
  25: "no GPU is given twice",
  26: "a start that moves on goes on",
} as const;

export type Invariant = keyof typeof INVARIANTS;

/** An invariant does not hold. */
export class Broken extends Error {
  readonly invariant: Invariant;

  constructor(invariant: Invariant, what: string) {
    super(`invariant ${invariant} (${INVARIANTS[invariant]}): ${what}`);
    this.invariant = invariant;
  }
}
