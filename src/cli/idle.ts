/** `svctl idle`: what is about to be stopped because nobody uses it, and what tells that. */
import type { IdleReport } from "../control/daemon.ts";
import { formatDuration } from "../plan/units.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { plain } from "./text.ts";
import { localTime, sinceThen, span } from "./time.ts";

export const details = `
Services say what shall happen with \`idle:\` in their files, the machine with \`idle:\` in svcd.yaml; \`dry_run: true\` there only
says what would be done. This command does nothing, with or without --dry-run: it shows each of them with the command as it would be run.
\`svctl keep-awake 2h\` puts all of it off.`;

export async function run(call: Call): Promise<number> {
  const overview = await call.daemon.idle();
  if (call.json) {
    sayJson(call, overview);
    return EXIT.done;
  }
  const { out, now } = call.world;
  const { awakeUntil, idle } = overview;
  if (awakeUntil !== null) say(out, call.ink.paint("yellow", `kept awake until ${localTime(awakeUntil)}`));
  if (idle.length === 0) say(out, "nothing that runs has an idle rule, or it was not looked at yet");
  for (const report of idle) for (const line of lines(report, now())) say(out, line);
  return EXIT.done;
}

/**
 *     vllm: nobody has used it for 16m; stop after 20m: in 4m
 *       requests: last used 16m ago, 812 in all
 */
export function lines(report: IdleReport, now: Date): string[] {
  const { service, afterMs, action, dryRun, quietSince, dueAt, heldBy, sources } = report;
  const left = dueAt === null ? null : Date.parse(dueAt) - now.getTime();
  const when = left === null ? `not counted: ${heldBy ?? ""}` : left <= 0 ? "due" : `in ${span(left)}`;
  const rule = `${action}${dryRun ? " (dry run)" : ""} after ${formatDuration(afterMs)}`;
  return [
    plain(`${service ?? "this machine"}: nobody has used it for ${sinceThen(quietSince, now)}; ${rule}: ${when}`),
    ...sources.map(({ source, what }) => plain(`  ${source}: ${what}`)),
  ];
}
