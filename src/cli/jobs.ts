/** `svctl jobs`: every job, when it is due and how it went. */
import type { JobStatus } from "../control/daemon.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { jobsTable } from "./jobs-table.ts";
import { asked } from "./names.ts";
import { plain } from "./text.ts";

export const details = `
Columns: NEXT is the next due time, on your clock and from now (on a wide terminal or in a pipe, ZONE is where the schedule's
own clock is). LAST is how the last run ended that is over, how long it took, and how many in a row ended alike.
\`svctl why JOB\` tells the whole story of one job, \`svctl history JOB\` its runs.

Exit codes: 0 whatever the jobs' runs came to; 4 a name is unknown, or svcd cannot be reached.

--json prints a list of {name, state, paused, schedules, timezone, next, runs, last, streak, why, description, file}.`;

export async function run(call: Call): Promise<number> {
  const jobs = await call.daemon.jobs(asked(call.words));
  if (call.json) sayJson(call, jobs);
  else print(call, jobs);
  return EXIT.done;
}

function print(call: Call, jobs: readonly JobStatus[]): void {
  const { out } = call.world;
  if (jobs.length === 0) return say(out, `no jobs yet: put a crontab or a YAML file into ${plain(call.places.cron)}`);
  const columns = out.isTTY ? out.columns() : null;
  say(out, jobsTable(jobs, { ink: call.ink, columns, now: call.world.now() }).join("\n"));
  for (const { name, file } of jobs) {
    if (file.note === null) continue;
    say(out, call.ink.paint("yellow", `note: ${plain(name)}: ${plain(file.path)}: ${plain(file.note)}`));
  }
}
