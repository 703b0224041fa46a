/** `svctl tail`: supervisorctl's view of one log, by bytes. */
import type { Call } from "./call.ts";
import { usage } from "./failure.ts";
import { printOne, streamOf } from "./logs.ts";

export const details = `
-BYTES is how many of the last bytes to begin with, 1600 when it is not given: svctl tail -100000 web. -f goes on printing
what is added. \`svctl logs\` shows lines, and several services at once.`;

const BYTES = 1600;

export async function run(call: Call): Promise<number> {
  const [name, stream] = call.words;
  if (stream !== undefined && call.options.stream !== undefined && stream !== call.options.stream) {
    throw usage(`\`${stream}\` and \`--stream ${call.options.stream}\` contradict each other`, "leave one of them out");
  }
  const [only, another] = await call.daemon.services([name!]);
  if (only === undefined || another !== undefined) {
    throw usage(`\`${name}\` means several services, and \`tail\` shows one`, `use: svctl logs ${name}`);
  }
  return printOne(call, {
    name: only.name,
    stream: streamOf(stream ?? call.options.stream),
    beginning: { bytes: call.count ?? BYTES },
    follow: call.options.follow !== undefined,
  });
}
