/** `svctl doctor`: is the installation sound, and does this machine let svcd do its work? */
import { type Call, say, sayJson } from "./call.ts";
import { type Check, checkEverything, type Level } from "./checkup.ts";
import { checkCron } from "./checkup-cron.ts";
import type { Colour } from "./colour.ts";
import { EXIT } from "./failure.ts";
import { plain } from "./text.ts";

export const details = `
Each line is ok, warn (svcd works, something does not or will not for long) or fail, with what to do about it. The exit
code is 1 when something fails.`;

const COLOURS: Readonly<Record<Level, Colour>> = { ok: "green", warn: "yellow", fail: "red" };

export async function run(call: Call): Promise<number> {
  const checks = [...(await checkEverything(call)), ...checkCron(call)];
  if (call.json) sayJson(call, checks);
  else for (const check of checks) print(call, check);
  return checks.some(({ level }) => level === "fail") ? EXIT.failed : EXIT.done;
}

function print({ world, ink }: Call, { level, about, found, fix }: Check): void {
  say(world.out, `${ink.paint(COLOURS[level], level.padEnd(4))}  ${about}: ${plain(found)}`);
  if (fix !== null) say(world.out, `      fix: ${plain(fix)}`);
}
