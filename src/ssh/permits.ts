/**
 * What is asked for over SSH, and whether this key may: the words of `ssh host WORDS` become a call of svctl, the screen, or a
 * refusal that says what to do. No shell is anywhere, so a word is a word, whatever is in it.
 *
 * A key with permit="view" may look. The commands it may use are listed; what is not listed, a command of the next version
 * included, changes something until somebody has looked at it.
 */
import { splitWords } from "../plan/words.ts";

export type Permit = "all" | "view";

export type Asked =
  | { readonly is: "svctl"; readonly words: readonly string[] }
  | { readonly is: "screen" }
  | { readonly is: "refused"; readonly exitCode: 1 | 2; readonly what: string; readonly fix: string };

/** They ask svcd, and change nothing anywhere. None reads a file that its words name. */
export const VIEW_COMMANDS: ReadonlySet<string> = new Set([
  ...["status", "why", "logs", "tail", "pid", "plan", "reread", "avail", "jobs", "history", "idle"],
  ...[
    "next",
    "explain",
    "gpus",
    "routes",
    "tunnels",
    "schema",
    "doctor",
    "version",
    "completion",
    "help",
    "__complete",
  ],
]);
/** They may stand before the command and take no value, so the word after them is the command for svctl, too. */
const SWITCHES: ReadonlySet<string> = new Set(["--json", "--no-color", "--no-colour", "--help", "-h", "--version"]);

const LONGEST_COMMAND = 32_768;
const MOST_WORDS = 1_000;

export function asked(command: string, permit: Permit): Asked {
  if (command.length > LONGEST_COMMAND)
    return refused("that is too long for a command", "svctl takes names and options");
  if (command.includes("\0")) return refused("a command cannot contain a NUL", "write it anew");
  const read = splitWords(command);
  if (!read.ok) return refused(read.flaw.what, read.flaw.fix, 2);
  // Both ways to say it: `ssh host status` and `ssh host svctl status`.
  const words = /^(?:.*\/)?svctl$/.test(read.value[0] ?? "") ? read.value.slice(1) : read.value;
  if (words.length > MOST_WORDS)
    return refused("those are too many words for a command", "name fewer services at once");
  // Wherever it stands, svctl might take it for the option.
  if (words.some((word) => word === "--root" || word.startsWith("--root=")))
    return refused("this server speaks for one svcd only", "leave out --root", 2);

  const first = words.findIndex((word) => !SWITCHES.has(word));
  const verb = words[first];
  if (verb === "tui") return { is: "screen" };
  if (verb === "crontab" && words.some((word) => word === "--edit" || /^-[a-z]*e/.test(word)))
    return refused(
      "an editor would be a shell on that machine, and there is none over SSH",
      "copy, edit, put back: `crontab -l > FILE`, then `crontab - < FILE`, each after `ssh HOST`",
    );
  if (permit === "view" && verb !== undefined && !VIEW_COMMANDS.has(verb)) {
    if (verb.startsWith("-"))
      return refused("with this key the command comes first", `write it like \`status ${verb}\``);
    return refused(
      `this key may look and change nothing (permit="view"), and \`${verb}\` may change something`,
      `it may use ${[...VIEW_COMMANDS].filter((name) => !name.startsWith("_")).join(", ")}`,
    );
  }
  return { is: "svctl", words };
}

/** The exit codes of svctl: 1 asked and not done, 2 not understood. */
function refused(what: string, fix: string, exitCode: 1 | 2 = 1): Asked {
  return { is: "refused", exitCode, what, fix };
}
