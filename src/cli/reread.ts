/** `svctl reread`: which services the files change, in supervisorctl's words. */
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { isEmpty, mistakeLines, rereadLines } from "./plan-page.ts";

export const details = `
Prints NAME: available, changed or disappeared. Nothing is taken up (that is \`svctl update\`). Mistakes in the files are
shown on stderr and make the exit code 1. \`svctl plan\` shows the same field by field.`;

export async function run(call: Call): Promise<number> {
  const plan = await call.daemon.plan();
  if (call.json) sayJson(call, plan);
  else {
    for (const line of rereadLines(plan)) say(call.world.out, line);
    if (isEmpty(plan) && plan.mistakes.length === 0) say(call.world.out, "No config updates to processes");
    for (const line of mistakeLines(plan)) say(call.world.err, line);
  }
  return plan.mistakes.length > 0 ? EXIT.failed : EXIT.done;
}
