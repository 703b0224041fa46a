/**
 * The command line: which words are options, which command is meant, what is left for it.
 *
 * An option means the same everywhere, so it may stand before or after the command; whether the command has a use for it
 * is checked once the command is known. Nothing here runs anything.
 */

import { nearest } from "../plan/suggest.ts";
import { usage } from "./failure.ts";

interface Spec {
  readonly short?: string;
  /** What stands for its value in the help; without it the option is a switch. */
  readonly value?: string;
  readonly says: string;
}

const SPECS = {
  root: { value: "DIR", says: "everything of svcd is below DIR (else $SVCD_ROOT, else the installed places)" },
  json: { says: "print facts as JSON" },
  "no-color": { says: "no colours and signs (as with $NO_COLOR)" },
  help: { short: "h", says: "what a command does and which options it has" },
  version: { says: "print the version of svctl" },
  wait: { says: "wait until it is so (the default, but for `run`)" },
  "no-wait": { says: "ask for it and return at once" },
  timeout: { value: "TIME", says: "wait no longer than this, like 60s or 5m (default: as long as it takes)" },
  follow: { short: "f", says: "go on printing what is added" },
  lines: { short: "n", value: "LINES", says: "begin with that many of the last lines" },
  force: { says: "start it whatever `overlap` says" },
  run: { value: "RUN", says: "which run, by its number (the last one)" },
  stream: { value: "STREAM", says: "stdout or stderr" },
  count: { short: "n", value: "COUNT", says: "how many (5; of runs 20)" },
  tz: { value: "ZONE", says: "time zone of the schedule, like Europe/Berlin (default: the machine's)" },
  from: { value: "DATE", says: "from when on, like 2026-03-08 or 2026-03-08T06:30:00Z (default: now)" },
  dialect: { value: "DIALECT", says: "crontab (the default), or extended: seconds, L, W, #, as in YAML jobs" },
  scope: { value: "NAMES", says: "services that the token opens, separated by commas (default: all)" },
  "read-only": { says: "the token may only read: GET, HEAD, OPTIONS" },
  expires: { value: "TIME", says: "the token is good for so long, like 12h or 30d (default: until it is revoked)" },
  rate: { value: "RATE", says: "most requests with it, like 10/s, 100/m or 1000/h (default: any number)" },
  list: { short: "l", says: "print the crontab" },
  edit: { short: "e", says: "change it in your editor ($VISUAL, $EDITOR)" },
  remove: { short: "r", says: "remove it" },
  interactive: { short: "i", says: "ask before it is removed" },
  user: { short: "u", value: "USER", says: "whose crontab; that of others only as root" },
  "dry-run": { short: "n", says: "only say what would be done, or what is wrong with the file" },
  again: { says: "do again what failed or changed; with STEP (or all) that step and all after it" },
  apply: { says: "do it (without: only say what would be done)" },
  machine: { value: "DIR", says: "take DIR for /, like a disk that is mounted there (default: this machine)" },
} as const satisfies Record<string, Spec>;

export type OptionName = keyof typeof SPECS;
export type Options = { readonly [Name in OptionName]?: string };

export const EVERYWHERE: readonly OptionName[] = ["root", "no-color", "help", "version"];
export const OPTION_NAMES = Object.keys(SPECS) as readonly OptionName[];

export interface CommandLine {
  readonly verb: string | null;
  readonly words: readonly string[];
  /** A switch that was given is `""`. */
  readonly options: Options;
  /** `tail -1600 web`: supervisorctl's way to say how many bytes. */
  readonly count: number | null;
  /** The options as they were written, for messages. */
  readonly written: ReadonlyMap<OptionName, string>;
}

/**
 * Throws a usage failure for an option that does not exist, lacks its value, or has one too many. A letter that several
 * options share is the one of the command before it (`usefulFor`): `-n` takes a value for `logs`, and none for `crontab`.
 */
export function parse(
  argv: readonly string[],
  usefulFor: (verb: string) => readonly OptionName[] = () => [],
): CommandLine {
  const words: string[] = [];
  const options: { [Name in OptionName]?: string } = {};
  const written = new Map<OptionName, string>();
  let count: number | null = null;
  const rest = [...argv];

  const take = (name: OptionName, spelled: string, attached: string | null) => {
    const spec: Spec = SPECS[name];
    written.set(name, spelled);
    if (spec.value === undefined) {
      if (attached !== null) throw usage(`\`${spelled}\` takes no value`, `write it without \`=${attached}\``);
      options[name] = "";
      return;
    }
    const value = attached ?? rest.shift();
    if (value === undefined) throw usage(`\`${spelled}\` needs a value`, `write \`${spelled} ${spec.value}\``);
    options[name] = value;
  };

  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      words.push(...rest.splice(0));
    } else if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const spelled = equals < 0 ? word : word.slice(0, equals);
      take(named(spelled), spelled, equals < 0 ? null : word.slice(equals + 1));
    } else if (/^-\d+$/.test(word)) {
      count = Number(word.slice(1));
    } else if (word.startsWith("-") && word !== "-" && !word.includes(" ")) {
      for (let letters = word.slice(1); letters !== ""; ) {
        const name = shortened(letters[0]!, words[0] === undefined ? [] : usefulFor(words[0]));
        const after = letters.slice(1);
        const hasValue = takesValue(name);
        take(name, `-${letters[0]}`, hasValue && after !== "" ? after : null);
        letters = hasValue ? "" : after;
      }
    } else {
      words.push(word);
    }
  }
  const [verb = null, ...others] = words;
  return { verb, words: others, options, count, written };
}

function named(spelled: string): OptionName {
  const name = spelled.slice(2);
  if (Object.hasOwn(SPECS, name)) return name as OptionName;
  if (name === "no-colour") return "no-color";
  const near = nearest(name, OPTION_NAMES);
  throw usage(
    `unknown option \`${spelled}\`${near === null ? "" : `: did you mean \`--${near}\`?`}`,
    "svctl help lists all of them",
  );
}

function shortened(letter: string, useful: readonly OptionName[]): OptionName {
  const name = [...useful, ...OPTION_NAMES].find((option) => (SPECS[option] as Spec).short === letter);
  if (name === undefined) throw usage(`unknown option \`-${letter}\``, "svctl help lists all of them");
  return name;
}

/** The same for letters before the command, as far as those options are alike: `-n 5 next` is a count. */
export function withItsLetters(line: CommandLine, useful: readonly OptionName[]): CommandLine {
  const options: { [Name in OptionName]?: string } = { ...line.options };
  const written = new Map(line.written);
  for (const [name, spelled] of line.written) {
    if (spelled.startsWith("--") || useful.includes(name)) continue;
    const letter = (SPECS[name] as Spec).short;
    const meant = useful.find((other) => (SPECS[other] as Spec).short === letter);
    if (meant === undefined) continue;
    options[meant] = options[name]!;
    delete options[name];
    written.delete(name);
    written.set(meant, spelled);
  }
  return { ...line, options, written };
}

/** The command has no use for an option that was given. */
export function requireUseful(line: CommandLine, verb: string, useful: readonly OptionName[]): void {
  for (const [name, spelled] of line.written) {
    if (useful.includes(name) || EVERYWHERE.includes(name)) continue;
    throw usage(`\`${verb}\` has no option \`${spelled}\``, `svctl help ${verb} lists the ones it has`);
  }
  if (line.count !== null && verb !== "tail") {
    throw usage(`\`${verb}\` has no option \`-${line.count}\``, `svctl help ${verb} lists the ones it has`);
  }
}

/** `-n, --lines LINES   begin with …`: one line of the help. */
export function describeOption(name: OptionName): readonly [spelling: string, says: string] {
  const spec: Spec = SPECS[name];
  const short = spec.short === undefined ? "    " : `-${spec.short}, `;
  return [`${short}--${name}${spec.value === undefined ? "" : ` ${spec.value}`}`, spec.says];
}

export function takesValue(name: OptionName): boolean {
  return (SPECS[name] as Spec).value !== undefined;
}

/** A number of things: digits only. */
export function countOf(text: string, spelled: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw usage(`\`${spelled} ${text}\`: not a number`, `write it like ${spelled} 100`);
}
