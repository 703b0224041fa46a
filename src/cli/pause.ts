/** `svctl pause`: due times start nothing until the job is resumed. */
import { act } from "./act.ts";
import type { Call } from "./call.ts";

export const details = `
What runs goes on (\`svctl kill JOB\` ends it), and \`svctl run JOB\` still starts the job by hand. Due times that come
meanwhile are not made up for. It is kept across restarts of svcd and of the machine.`;

export function run(call: Call): Promise<number> {
  return act(call, () => call.daemon.pauseJobs(call.words));
}
