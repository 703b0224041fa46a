/** `svctl disable`: this machine does not want it, and says so across reboots. */
import { act } from "./act.ts";
import type { Call } from "./call.ts";

export const details = `
The word is kept in svcd's state directory and outranks \`enabled:\` in the file of the service.`;

export function run(call: Call): Promise<number> {
  return act(call, () => call.daemon.setEnabled(call.words, false));
}
