/** `--run`: a number as `svctl history` shows it, or JOB/NUMBER as a run finds it in CRON_RUN_ID. */
import type { Call } from "./call.ts";
import { usage } from "./failure.ts";

/** null: no run is named. */
export function runNumberOf({ options, words }: Call): number | null {
  if (options.run === undefined) return null;
  const [, job, number] = /^(?:(.*)\/)?(\d{1,15})$/.exec(options.run) ?? [];
  if (number === undefined) {
    throw usage(`\`--run ${options.run}\` is not the number of a run`, "svctl history JOB lists the runs");
  }
  if (job !== undefined && job !== words[0]) {
    throw usage(`\`--run ${options.run}\` is a run of ${job}`, `name that job: ${job}`);
  }
  return Number(number);
}
