/** `svctl keep-awake`: for a time nothing is done to what nobody uses. */
import { parseDuration } from "../plan/units.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT, usage } from "./failure.ts";
import { localTime } from "./time.ts";

export const details = `
  svctl keep-awake 2h      svctl keep-awake off
It holds for services and for the machine, across restarts of svcd, until the machine boots anew. Afterwards each of them gets its
whole time again. At most 30 days.`;

const LONGEST_MS = 30 * 86_400_000;

export async function run(call: Call): Promise<number> {
  const overview = await call.daemon.keepAwake(msOf(call.words[0]!));
  if (call.json) sayJson(call, overview);
  else if (overview.awakeUntil === null) say(call.world.out, "not kept awake any longer");
  else say(call.world.out, `kept awake until ${localTime(overview.awakeUntil)}`);
  return EXIT.done;
}

function msOf(word: string): number {
  if (/^(off|0)$/i.test(word)) return 0;
  const reading = parseDuration(word);
  if (!reading.ok) throw usage(`\`keep-awake ${word}\`: ${reading.flaw.what}`, "write it like 2h, 90m or off");
  if (reading.value > LONGEST_MS) throw usage(`\`keep-awake ${word}\` is too long`, "choose at most 30d");
  return Math.round(reading.value);
}
