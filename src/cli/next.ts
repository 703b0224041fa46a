/** `svctl next`: when a schedule is due, without a daemon. */
import { explain } from "../schedule/explain.ts";
import { askedSchedule, iso, localTimeIn } from "./asked-schedule.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { sayWarnings } from "./schedule-warnings.ts";
import { table } from "./table.ts";
import { span } from "./time.ts";

export const details = `
  svctl next '30 7 * * 1-5' --tz Europe/Berlin --from 2026-03-27 -n 10
  svctl next @daily --json      {"expr", "timezone", "next": ["2026-01-15T10:08:00Z", …], "warnings": […]}
The rules are those of Debian's cron, also where clocks are changed: see svctl explain. A schedule that never
comes has an empty list, and that is no failure.`;

export async function run(call: Call): Promise<number> {
  const { text, schedule, zone, slots, warnings } = askedSchedule(call);
  if (call.json) {
    sayJson(call, { expr: text, timezone: zone.name, next: slots.map(({ at }) => iso(at)), warnings });
    return EXIT.done;
  }
  const now = call.world.now().getTime();
  const rows = slots.map(({ at, coalesced }) => [
    { text: localTimeIn(zone, at) },
    { text: at > now ? `in ${span(at - now)}` : `${span(now - at)} ago` },
    { text: coalesced > 1 ? `(one start for ${coalesced})` : "" },
  ]);
  for (const line of table(rows, null)) say(call.world.out, line);
  if (slots.length === 0) say(call.world.out, schedule.kind === "boot" ? explain(schedule) : "never");
  sayWarnings(call, text, warnings);
  return EXIT.done;
}
