/** `svctl plan`: what the files would change, in full, and every mistake in them. */
import { type Call, say, sayJson } from "./call.ts";
import { ifReachable } from "./daemon.ts";
import { EXIT } from "./failure.ts";
import { isEmpty, mistakeLines, planLines } from "./plan-page.ts";

export const details = `
+ is new, ~ changed (with each field before → after, and whether the service restarts), - gone, = kept as it is because
its file has mistakes or vanished. Nothing is taken up; that is \`svctl apply\`. When no svcd runs, the files are checked without it
(\`svcd --check\`). The exit code is 1 when there are mistakes.`;

export async function run(call: Call): Promise<number> {
  const plan = await ifReachable(call.daemon.plan());
  if (plan === null) return await (await import("./check.ts")).checkWithoutDaemon(call);
  if (call.json) sayJson(call, plan);
  else {
    const { out } = call.world;
    for (const line of planLines(plan, call.ink)) say(out, line);
    if (isEmpty(plan)) say(out, "nothing would change");
    for (const line of mistakeLines(plan)) say(out, `\n${line}`);
    if (plan.mistakes.length > 0)
      say(out, `\n${plan.mistakes.length === 1 ? "1 mistake" : `${plan.mistakes.length} mistakes`}`);
  }
  return plan.mistakes.length > 0 ? EXIT.failed : EXIT.done;
}
