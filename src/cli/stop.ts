/** `svctl stop`: down, and told when nothing of it runs any more. */
import { actAndWait } from "./act.ts";
import type { Call } from "./call.ts";

export const details = `
Sends the stop_signal, and KILL to whatever is left after the stop_grace_period. Of several, those
that depend on others end first; what is not named goes on running. Waits until nothing of the service runs. Ctrl-C ends the waiting, not the stop.`;

export function run(call: Call): Promise<number> {
  return actAndWait(call, () => call.daemon.act("stop", call.words), "down");
}
