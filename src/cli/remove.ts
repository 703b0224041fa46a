/** `svctl remove`: out of supervision, until its file is taken up again. */
import { act } from "./act.ts";
import type { Call } from "./call.ts";

export const details = `
Refused while the service runs (\`svctl stop NAME\` first). To be rid of it for good, remove its file in services.d.`;

export function run(call: Call): Promise<number> {
  return act(call, () => call.daemon.remove(call.words));
}
