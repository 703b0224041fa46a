/** `svctl upgrade`: the installed core takes over from the running one; services notice nothing. */
import { timeoutOf } from "./act.ts";
import { type Call, say, sayJson } from "./call.ts";
import { ifReachable } from "./daemon.ts";
import { EXIT, Failure } from "./failure.ts";
import { spinner } from "./spinner.ts";
import { plain } from "./text.ts";
import { span } from "./time.ts";
import { until } from "./until.ts";

export const details = `
Replaces the core of svcd, which does everything but hold the processes; the keeper, their parent, stays. That is also
what happens when the core dies, so it is safe at any time.`;

const TAKES_AT_MOST_MS = 30_000;

export async function run(call: Call): Promise<number> {
  const timeoutMs = timeoutOf(call) ?? TAKES_AT_MOST_MS;
  const before = await call.daemon.health();
  await call.daemon.restartCore();
  const live = spinner(call.world.err, call.errInk);
  live.show("the installed svcd takes over");
  let isInterrupted = false;
  const stopListening = call.world.onInterrupt(() => {
    isInterrupted = true;
  });
  const look = async () => {
    const now = await ifReachable(call.daemon.health());
    return now !== null && now.core !== before.core ? now : null;
  };
  const late = () =>
    new Failure(EXIT.failed, `no new core is in charge after ${span(timeoutMs)}; services go on running`, {
      fix: "svcd's own output says why; svctl doctor checks the installation",
    });
  try {
    const after = await until(look, { timeoutMs, isInterrupted: () => isInterrupted, late });
    if (after === null) return EXIT.interrupted;
    const isSame = after.version === before.version;
    const what = isSame
      ? `svcd: the core was started anew, still version ${plain(after.version)}`
      : `svcd: upgraded from ${plain(before.version)} to ${plain(after.version)}`;
    if (call.json) sayJson(call, { before: before.version, after: after.version, core: after.core });
    else say(call.world.out, what);
    return EXIT.done;
  } finally {
    stopListening();
    live.stop();
  }
}
