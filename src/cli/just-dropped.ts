/**
 * A file that was dropped a moment ago is taken up within half a second. Whoever asks about its service right now need not
 * hear that there is none.
 */
import { statSync } from "node:fs";
import type { Call } from "./call.ts";
import { ifAnswered, ifReachable } from "./daemon.ts";

/** Older files have been taken up, or never will be. */
const YOUNG_MS = 3_000;
const LONGEST_WAIT_MS = 1_500;
const LOOK_EVERY_MS = 50;

/** Waits until svcd knows the services and jobs whose files are that young; not for ever: a file can have a mistake. */
export async function awaitJustDropped({ words, places, daemon }: Call): Promise<void> {
  const young = words.filter((word) =>
    [places.services, places.cron].some(
      (directory) => isYoung(`${directory}/${word}.yaml`) || isYoung(`${directory}/${word}.yml`),
    ),
  );
  if (young.length === 0) return;
  const until = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < until) {
    const services = await ifReachable(daemon.services());
    if (services === null) return;
    const jobs = (await ifAnswered(daemon.jobs())) ?? [];
    if (young.every((name) => [...services, ...jobs].some((status) => status.name === name))) return;
    await new Promise((again) => setTimeout(again, LOOK_EVERY_MS));
  }
}

function isYoung(path: string): boolean {
  const stat = path.includes("\0") ? undefined : statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && Math.abs(Date.now() - stat.mtimeMs) < YOUNG_MS;
}
