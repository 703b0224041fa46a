/** `svctl __complete -- WORD…`: what may stand in place of the last word, one a line. Silent when nothing is known. */
import { type Call, type Command, placesOf, say } from "./call.ts";
import { COMMANDS, commandNamed } from "./commands.ts";
import { daemonAt, ifAnswered, ifReachable } from "./daemon.ts";
import { EXIT } from "./failure.ts";
import { EVERYWHERE, OPTION_NAMES, type OptionName, takesValue } from "./options.ts";

export const details = "";

const SIGNALS = ["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP", "WINCH"];

export async function run(call: Call): Promise<number> {
  const before = call.words.slice(0, -1);
  const current = call.words.at(-1) ?? "";
  for (const candidate of await candidates(call, before, current)) {
    // A name with a control character in it must not become a line of its own.
    if (candidate.startsWith(current) && /^[^\u0000-\u001f\u007f]+$/.test(candidate)) say(call.world.out, candidate);
  }
  return EXIT.done;
}

async function candidates(call: Call, before: readonly string[], current: string): Promise<readonly string[]> {
  const { words, options, open } = sort(before);
  if (open !== null) return open === "stream" ? ["stdout", "stderr"] : [];
  const [verb, ...given] = words;
  const command = verb === undefined ? null : commandNamed(verb);
  if (current.startsWith("-")) {
    const own = command?.options ?? [];
    return [...own, ...EVERYWHERE].filter((name) => !options.has(name)).map((name) => `--${name}`);
  }
  if (verb === undefined) return COMMANDS.map(({ name }) => name);
  return command === null ? [] : wordsFor(call, command, given, options.get("root"));
}

async function wordsFor(call: Call, { completes }: Command, given: readonly string[], root: string | undefined) {
  switch (completes) {
    case "commands":
      return COMMANDS.map(({ name }) => name);
    case "shells":
      return ["bash", "zsh", "fish"];
    case "signals":
      return given.length === 0 ? SIGNALS : services(call, given.slice(1), root);
    case "streams":
      return given.length === 0 ? services(call, given, root) : ["stdout", "stderr"];
    case "services":
      return services(call, given, root);
    case "jobs":
      return jobs(call, given, root);
    case "services and jobs":
      return [...(await services(call, given, root)), ...(await jobs(call, [...given, "all"], root))];
    case null:
      return [];
  }
}

async function services(call: Call, given: readonly string[], root: string | undefined): Promise<readonly string[]> {
  const daemon = root === undefined ? call.daemon : daemonAt(placesOf(call.world, root).places, call.world.exists);
  const statuses = (await ifReachable(daemon.services())) ?? []; // A person who presses Tab wants no message.
  const groups = new Set(statuses.flatMap((status) => status.groups).map((group) => `${group}:*`));
  return [...statuses.map(({ name }) => name), ...groups, "all"].filter((name) => !given.includes(name));
}

async function jobs(call: Call, given: readonly string[], root: string | undefined): Promise<readonly string[]> {
  const daemon = root === undefined ? call.daemon : daemonAt(placesOf(call.world, root).places, call.world.exists);
  const statuses = (await ifAnswered(daemon.jobs())) ?? []; // An older svcd has none.
  return [...statuses.map(({ name }) => name), "all"].filter((name) => !given.includes(name));
}

interface Sorted {
  readonly words: readonly string[];
  readonly options: ReadonlyMap<OptionName, string>;
  /** The option whose value comes next; null: none does. */
  readonly open: OptionName | null;
}

/** As `parse` does, but an unfinished line is no mistake. */
function sort(before: readonly string[]): Sorted {
  const words: string[] = [];
  const options = new Map<OptionName, string>();
  let open: OptionName | null = null;
  for (const word of before) {
    if (open !== null) {
      options.set(open, word);
      open = null;
    } else if (word.startsWith("--")) {
      const [spelled = "", value] = word.slice(2).split("=", 2);
      const name = OPTION_NAMES.find((option) => option === spelled);
      if (name === undefined) continue;
      options.set(name, value ?? "");
      if (value === undefined && takesValue(name)) open = name;
    } else if (!word.startsWith("-")) {
      words.push(word);
    }
  }
  return { words, options, open };
}
