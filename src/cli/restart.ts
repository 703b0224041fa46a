/** `svctl restart`: a new run, and told when it is up. */
import { actAndWait } from "./act.ts";
import type { Call } from "./call.ts";

export const details = `
A service that is not running is simply started. Waits and explains failures as \`svctl start\` does.`;

export function run(call: Call): Promise<number> {
  return actAndWait(call, () => call.daemon.act("restart", call.words), "again");
}
