/** `svctl explain`: how a service would be started, or a schedule in words, with everything that may surprise. */
import { clockChanges } from "../schedule/clock-changes.ts";
import { explain } from "../schedule/explain.ts";
import { askedSchedule, iso, localTimeIn } from "./asked-schedule.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { sayWarnings } from "./schedule-warnings.ts";

export const details = `
  svctl explain vllm
The command of a service as its next start would execute it, the variables in it and its environment, each with where it comes
from; secrets are hidden. With recipes: what was decided and why.

  svctl explain '30 2 * * *' --tz America/New_York --from 2026-03-07
Where clocks go forward by less than three hours, a job for a time of the day that is skipped starts right after the gap, once;
a job whose minute or hour begins with \`*\` drops what is skipped. Where they go back, the former starts the first time
only and the latter each time.`;

const YEAR_MS = 366 * 86_400_000;

export async function run(call: Call): Promise<number> {
  // A schedule has five fields or begins with @; no name of a service does.
  const [name = "", ...more] = call.words;
  if (more.length === 0 && /^[A-Za-z0-9_][\w.@-]*$/.test(name)) {
    return (await import("./explain-service.ts")).explainService(call, name);
  }
  return explainSchedule(call);
}

function explainSchedule(call: Call): number {
  const { text, schedule, zone, from, slots, warnings } = askedSchedule(call);
  const words = explain(schedule);
  const changes = clockChanges(schedule, zone, from, from + YEAR_MS);
  if (call.json) {
    sayJson(call, {
      expr: text,
      timezone: zone.name,
      words,
      next: slots.map(({ at }) => iso(at)),
      clockChanges: changes.map(({ at, what }) => ({ at: iso(at), what })),
      warnings,
    });
    return EXIT.done;
  }
  const { out } = call.world;
  say(out, schedule.kind === "calendar" ? `${words}, ${zone.name}` : words);
  for (const { at, coalesced } of slots) {
    say(out, `  ${localTimeIn(zone, at)}${coalesced > 1 ? `  (one start for ${coalesced})` : ""}`);
  }
  if (slots.length === 0 && schedule.kind === "calendar") say(out, "  never");
  for (const { what } of changes) say(out, what);
  const isSaid = (rule: string) => rule === "clock-change"; // The changes are all above.
  sayWarnings(
    call,
    text,
    warnings.filter(({ rule }) => !isSaid(rule)),
  );
  return EXIT.done;
}
