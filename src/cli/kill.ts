/** `svctl kill`: ends what runs of a job. */
import { act } from "./act.ts";
import type { Call } from "./call.ts";
import { runNumberOf } from "./run-number.ts";

export const details = `
Ends all that runs of a job and gives up what waits, or with --run just that run: its stop signal first, KILL after the grace
time of its file. No retry follows. The job itself goes on: \`svctl pause\` keeps it from starting again.`;

export function run(call: Call): Promise<number> {
  const [job] = call.words;
  return act(call, async () => [await call.daemon.killRuns(job!, runNumberOf(call))]);
}
