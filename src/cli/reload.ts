/** `svctl reload`: a service reads its own settings again, gently where it can. */
import type { ServiceStatus } from "../control/daemon.ts";
import { awaitedBy, settleAll, Teller, timeoutOf, wantsToWait } from "./act.ts";
import type { Call } from "./call.ts";
import { usage } from "./failure.ts";
import { watch } from "./wait.ts";

export const details = `
A service with a reload_signal gets that signal and goes on running. Every other one is restarted, and waited for as
\`svctl restart\` does. (supervisorctl's \`reload\`, without names, restarts supervisord. Here: \`svctl reread\` shows what
changed in the files, \`svctl update\` takes it up, \`svctl upgrade\` replaces svcd itself.)`;

export async function run(call: Call): Promise<number> {
  if (call.words.length === 0) {
    throw usage(
      "`reload` needs the names of services, which read their own settings again",
      "to see what changed in services.d: svctl reread; to take it up: svctl update; to replace svcd itself: svctl upgrade",
    );
  }
  const timeoutMs = timeoutOf(call);
  const teller = new Teller(call);
  const open = wantsToWait(call) ? watch(call) : null;
  try {
    const results = await call.daemon.act("reload", call.words);
    const statuses = new Map((await call.daemon.services()).map((status) => [status.name, status]));
    const restarting = results.filter((result) => {
      return open !== null && result.outcome !== "refused" && !goesOn(statuses.get(result.name), result.runBefore);
    });
    for (const result of results) if (!restarting.includes(result)) teller.tell(result);
    if (open === null) return await teller.finish();
    const awaited = restarting.map((result) => awaitedBy(result, "again"));
    return await settleAll(call, open, awaited, { teller, timeoutMs });
  } finally {
    open?.close();
  }
}

/** It got its signal: the run is the one from before. */
function goesOn(status: ServiceStatus | undefined, runBefore: number): boolean {
  return status?.state === "RUNNING" && status.run === runBefore;
}
