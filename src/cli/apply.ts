/** `svctl apply`: what the files say becomes what is so. */
import type { Call } from "./call.ts";
import { takeUp } from "./take-up.ts";

export const details = `
Starts what is new, restarts what changed in a way that needs it, stops what is gone, and leaves everything else alone.
With names, only what concerns those. Waits until all of it is so, and explains what failed. A file with mistakes changes
nothing: its services go on as they are, the mistakes are shown, and the exit code is 1.`;

export function run(call: Call): Promise<number> {
  return takeUp(call, call.words);
}
