/** What is legal in a schedule and rarely meant, under the answer and on stderr, so that a pipe gets the answer alone. */
import type { Warning } from "./asked-schedule.ts";
import { type Call, say } from "./call.ts";
import { plain } from "./text.ts";

export function sayWarnings(call: Call, text: string, warnings: readonly Warning[]): void {
  for (const { column, what, fix } of warnings) {
    say(call.world.err, `${call.errInk.paint("yellow", "warning:")} ${plain(what)}`);
    if (column > 1) {
      say(call.world.err, `  ${plain(text)}`);
      say(call.world.err, `  ${" ".repeat(column - 1)}^`);
    }
    say(call.world.err, `  fix: ${plain(fix)}`);
  }
}
