/**
 * The control client for a key that may look: what asks goes through, everything else is refused before it reaches svcd. The
 * screen does not offer such actions to such a key; here it could not take them either. A method that is new is refused until it
 * stands in this list.
 */
import type { Control } from "../control/client.ts";

export const READS: ReadonlySet<string> = new Set([
  ...["health", "services", "overview", "service", "why", "launch", "runStarts", "usage", "machine", "plan", "idle"],
  ...["metrics", "log", "runLog", "events", "jobs", "job", "whyJob", "history", "gpus", "routes"],
]);

export function onlyLooking(client: Control): Control {
  return new Proxy(client, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== "function" || (typeof name === "string" && READS.has(name))) return value;
      return () => Promise.reject(new Error("this key may look and change nothing"));
    },
  });
}
