/** `svctl start`: up, and told when it is so. */
import { actAndWait } from "./act.ts";
import type { Call } from "./call.ts";

export const details = `
Waits until each service is RUNNING and healthy, if it has a check, or has done its work (a one-shot that ended with
exit 0). When a service fails, its cause and its last lines of output are shown and the exit code is 1; svcd goes on
trying as its file says. A service that this machine does not want (\`when:\`) is skipped, which counts as a failure only
for a service that was asked for by its own name. Ctrl-C ends the waiting, not the start.`;

export function run(call: Call): Promise<number> {
  return actAndWait(call, () => call.daemon.act("start", call.words), "up");
}
