/** `svctl signal`: any signal, to the processes of services. */
import { act } from "./act.ts";
import type { Call } from "./call.ts";

export const details = `
SIGNAL is a name with or without SIG (HUP, SIGUSR1) or a number. svcd does not take a signal for a stop: a service that it
ends is restarted as its file says.`;

export function run(call: Call): Promise<number> {
  const [signal, ...words] = call.words;
  return act(call, () => call.daemon.signal(words, signal!));
}
