/** Which run of a job is meant when its output is asked for. */
import type { JobStatus } from "../control/daemon.ts";
import type { Call } from "./call.ts";
import { EXIT, Failure } from "./failure.ts";
import { runNumberOf } from "./run-number.ts";

export function isJob(word: string, jobs: readonly Pick<JobStatus, "name">[]): boolean {
  return jobs.some(({ name }) => name === word);
}

/** The one that `--run` names, else the newest that goes on, else the last that is over. */
export function runsOf(call: Call, jobs: readonly { readonly status: JobStatus }[]): { name: string; run: number }[] {
  const given = runNumberOf(call);
  return jobs.map(({ status: { name, runs, last } }) => {
    const run = given ?? runs.findLast(({ pid }) => pid !== null)?.run ?? runs.at(-1)?.run ?? last?.run ?? null;
    if (run !== null) return { name, run };
    throw new Failure(EXIT.failed, `${name} has no output: it never ran`, { fix: `start it: svctl run ${name}` });
  });
}
