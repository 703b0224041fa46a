/** `svctl shutdown`: everything down, then svcd itself. */
import { control } from "../control/client.ts";
import { timeoutOf, wantsToWait } from "./act.ts";
import { type Call, say, sayJson } from "./call.ts";
import { ifReachable } from "./daemon.ts";
import { EXIT, Failure } from "./failure.ts";
import { spinner } from "./spinner.ts";
import { plain } from "./text.ts";
import { span } from "./time.ts";
import { until } from "./until.ts";

export const details = `
Services are stopped in the reverse order of their dependencies, each with its stop_grace_period. Waits until svcd is
gone. To replace svcd without stopping anything: svctl upgrade.`;

/**
 * svcd ends within a second once its socket is gone for good. What bears its number for longer is somebody else (svctl was
 * called outside of svcd's container), or its zombie.
 */
const SILENT_FOR_MS = 3_000;

export async function run(call: Call): Promise<number> {
  const timeoutMs = timeoutOf(call);
  const waits = wantsToWait(call);
  const { keeper } = await call.daemon.health();
  await call.daemon.shutdown();
  if (!waits) return tell(call, "shutting down");
  let isInterrupted = false;
  const stopListening = call.world.onInterrupt(() => {
    isInterrupted = true;
  });
  const live = spinner(call.world.err, call.errInk);
  // Nobody knocks twice at a door that is meant to close.
  const impatient = control(call.daemon.socketPath);
  let silentSince: number | null = null;
  const look = async () => {
    const statuses = await ifReachable(impatient.services());
    silentSince = statuses === null ? (silentSince ?? performance.now()) : null;
    const silentMs = silentSince === null ? 0 : performance.now() - silentSince;
    const left = statuses?.filter(({ pid }) => pid !== null) ?? [];
    live.show(left.length > 0 ? `stopping ${left.map(({ name }) => plain(name)).join(", ")}` : "svcd ends");
    return statuses === null && (!isAlive(keeper) || silentMs >= SILENT_FOR_MS) ? true : null;
  };
  const late = () =>
    new Failure(EXIT.failed, `svcd still runs after ${span(timeoutMs ?? 0)}; it goes on shutting down`, {
      fix: "svctl status shows what is still stopping",
    });
  try {
    const isGone = await until(look, { timeoutMs, isInterrupted: () => isInterrupted, late });
    if (isGone !== null) return tell(call, "Shut down");
    say(call.world.err, "svctl: no longer waiting; svcd goes on shutting down");
    return EXIT.interrupted;
  } finally {
    stopListening();
    live.stop();
  }
}

function tell(call: Call, what: string): number {
  if (call.json) sayJson(call, { what });
  else say(call.world.out, what);
  return EXIT.done;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // It is there, and not ours.
  }
}
