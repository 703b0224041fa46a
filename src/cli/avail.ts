/** `svctl avail`: all services that the files describe, in supervisorctl's words. */
import type { ServiceStatus } from "../control/daemon.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { table } from "./table.ts";
import { plain } from "./text.ts";

export const details = `
"in use": svcd supervises it. "avail": it is in the files and not taken up yet (svctl update). "auto": it is to be up;
"manual": it waits for somebody to start it.`;

interface Available {
  readonly name: string;
  readonly inUse: boolean;
  /** null: known once the file is taken up. */
  readonly auto: boolean | null;
}

export async function run(call: Call): Promise<number> {
  const [statuses, plan] = await Promise.all([call.daemon.services(), call.daemon.plan()]);
  const all: Available[] = [...statuses.map(inUse), ...plan.added.map((name) => ({ name, inUse: false, auto: null }))];
  all.sort((a, b) => (a.name < b.name ? -1 : 1));
  if (call.json) sayJson(call, all);
  else for (const line of table(all.map(rowOf), null)) say(call.world.out, line);
  return EXIT.done;
}

function inUse({ name, wanted }: ServiceStatus): Available {
  return { name, inUse: true, auto: wanted === "up" };
}

function rowOf({ name, inUse, auto }: Available) {
  const start = auto === null ? "-" : auto ? "auto" : "manual";
  return [plain(name), inUse ? "in use" : "avail", start].map((text) => ({ text }));
}
