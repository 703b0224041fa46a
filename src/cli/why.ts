/** `svctl why`: the page of evidence. */
import type { WhyReport } from "../control/daemon.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { asked, isAll } from "./names.ts";
import { whyPage } from "./why-page.ts";

export const details = `
Shows how the last run ended and what the system says about it (an OOM kill, a core dump), the last lines of output, what
the service waits for, what changed since it last ran well, what svcd will do next, and what you can do.`;

export async function run(call: Call): Promise<number> {
  const reports: WhyReport[] = [];
  for (const name of await namesOf(call)) reports.push(await call.daemon.why(name));
  if (call.json) {
    sayJson(call, reports.length === 1 ? reports[0] : reports);
    return EXIT.done;
  }
  reports.forEach((report, index) => {
    if (index > 0) say(call.world.out, "");
    for (const line of whyPage(report, call.ink, call.world.now())) say(call.world.out, line);
  });
  return EXIT.done;
}

/** One plain name needs no second question. */
async function namesOf({ words, daemon }: Call): Promise<readonly string[]> {
  const [first = ""] = words;
  if (words.length === 1 && !isAll(words) && !/[*?[:]/.test(first)) return words;
  return (await daemon.services(asked(words))).map(({ name }) => name);
}
