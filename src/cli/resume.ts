/** `svctl resume`: due times start the job again. */
import { act } from "./act.ts";
import type { Call } from "./call.ts";

export const details = "";

export function run(call: Call): Promise<number> {
  return act(call, () => call.daemon.resumeJobs(call.words));
}
