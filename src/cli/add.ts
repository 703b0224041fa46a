/** `svctl add`: takes up services that are new in the files, and only those. */
import { type Call, say } from "./call.ts";
import { EXIT } from "./failure.ts";
import { requireKnown, takeUp } from "./take-up.ts";
import { plain } from "./text.ts";

export const details = `
A service that svcd supervises already is left as it is ("already active", exit code 0, as in supervisorctl).`;

export async function run(call: Call): Promise<number> {
  const [plan, statuses] = await Promise.all([call.daemon.plan(), call.daemon.services()]);
  const active = new Set(statuses.map(({ name }) => name));
  const words = [...new Set(call.words)];
  requireKnown(call, words, plan, active);
  for (const word of words.filter((name) => active.has(name))) say(call.world.err, `${plain(word)}: already active`);
  const fresh = words.filter((name) => !active.has(name));
  return fresh.length === 0 ? EXIT.done : takeUp(call, fresh);
}
