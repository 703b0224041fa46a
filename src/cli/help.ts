/** `svctl help`: the list of commands, or one command in full. */
import { type Call, say } from "./call.ts";
import { COMMANDS, commandNamed, unknownCommand } from "./commands.ts";
import { EXIT } from "./failure.ts";
import { describeOption, EVERYWHERE, type OptionName } from "./options.ts";
import { table } from "./table.ts";
import { width } from "./text.ts";

export const details = "";

export async function run(call: Call): Promise<number> {
  const [verb] = call.words;
  const lines = verb === undefined ? overview() : await about(verb, call.world.out.columns());
  for (const line of lines) say(call.world.out, line);
  return EXIT.done;
}

function overview(): string[] {
  return [
    "svctl controls svcd, which keeps the services of this machine as their files say.",
    "",
    "usage: svctl [COMMAND] [NAME…] [options]",
    "",
    ...indented(COMMANDS.map(({ name, summary }) => [name, summary])),
    "",
    "Names: NAME, a pattern (web-*), GROUP:*, all. Without a command: status.",
    "",
    ...indented(([...EVERYWHERE, "json"] as const).map(describeOption)),
    "",
    "Exit codes: 0 done, 1 asked and failed, 2 wrong words, 3 something is not running",
    "(status), 4 svcd cannot be reached (status: or a name is unknown).",
    "",
    "One command in full: svctl help COMMAND",
  ];
}

async function about(verb: string, columns: number): Promise<string[]> {
  const command = commandNamed(verb);
  if (command === null) throw unknownCommand(verb);
  const { details } = await command.load();
  const own = command.options;
  return [
    `usage: svctl ${command.name}${command.usage === "" ? "" : ` ${command.usage}`}${own.length === 0 ? "" : " [options]"}`,
    "",
    capitalised(command.summary),
    ...wrapped(details, Math.min(columns, WIDEST)),
    "",
    ...optionLines(own),
  ];
}

/** Longer lines are hard to read, however wide the terminal is. */
const WIDEST = 100;

/** Lines that begin in the first column are sentences, to be broken anew; the others stay as they are. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let isOpen = false;
  for (const line of text.split("\n")) {
    const isSentence = /^\S/.test(line);
    if (!isSentence) lines.push(line);
    else {
      for (const word of line.split(" ")) {
        const last = lines.at(-1) ?? "";
        if (isOpen && width(last) + 1 + width(word) <= columns) lines[lines.length - 1] = `${last} ${word}`;
        else lines.push(word);
        isOpen = true;
      }
    }
    isOpen = isSentence;
  }
  return text === "" ? [] : lines;
}

/** `--version` is about svctl, not about a command. */
function optionLines(own: readonly OptionName[]): string[] {
  return indented([...own, ...EVERYWHERE.filter((option) => option !== "version")].map(describeOption));
}

function indented(rows: readonly (readonly string[])[]): string[] {
  return table(
    rows.map((row) => row.map((text) => ({ text }))),
    null,
  ).map((line) => `  ${line}`);
}

function capitalised(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}
