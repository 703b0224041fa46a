/**
 * svctl from its words to its exit code: find the command, load its file, run it, and say clearly what went wrong.
 */
import { type Call, placesOf, say, type World } from "./call.ts";
import { ink, wantsColour } from "./colour.ts";
import { commandNamed, unknownCommand } from "./commands.ts";
import { asFailure, daemonAt, versionSkew } from "./daemon.ts";
import { EXIT, type Failure, formatFailure, usage } from "./failure.ts";
import { awaitJustDropped } from "./just-dropped.ts";
import { type CommandLine, parse, requireUseful, withItsLetters } from "./options.ts";

export async function main(argv: readonly string[], world: World): Promise<number> {
  let line: CommandLine | null = null;
  try {
    line = parse(argv, (verb) => commandNamed(verb)?.options ?? []);
    return await run(line, world);
  } catch (error) {
    const { root, places } = placesOf(world, line?.options.root);
    const skew = line === null ? null : await versionSkew(error, daemonAt(places, world.exists), world.version);
    const failure = skew ?? asFailure(error, line?.verb ?? "status", root);
    if (failure === null) throw error;
    say(world.err, formatFailure(failure));
    return failure.exitCode;
  }
}

async function run(given: CommandLine, world: World): Promise<number> {
  if (given.options.version !== undefined) {
    say(world.out, `svctl ${world.version}`);
    return EXIT.done;
  }
  const wantsHelp = given.options.help !== undefined;
  // `svctl` alone is `svctl status`, as in supervisorctl; whoever looks for more is told where it is.
  const verb = given.verb ?? (wantsHelp ? "help" : "status");
  const command = commandNamed(verb);
  if (command === null) throw unknownCommand(verb);
  const line = withItsLetters(given, command.options);
  requireUseful(line, verb, command.options);
  const call = callOf({ ...line, verb }, world);
  if (wantsHelp && line.verb !== null) {
    return (await commandNamed("help")!.load()).run({ ...call, verb: "help", words: [verb] });
  }
  const [least, most] = command.words;
  if (line.words.length < least) throw tooFew(verb, command.usage);
  if (line.words.length > most) {
    const words = `${most} word${most === 1 ? "" : "s"}`;
    const what = most === 0 ? `\`${verb}\` takes no words` : `\`${verb}\` takes at most ${words}`;
    throw usage(`${what}: \`${line.words[most]}\` is too much`, `svctl help ${verb}`);
  }
  if (line.words.length > 0) await awaitJustDropped(call);
  const exitCode = await (await command.load()).run(call);
  if (line.verb === null && world.out.isTTY) say(world.out, call.ink.paint("grey", "(all commands: svctl help)"));
  return exitCode;
}

function tooFew(verb: string, words: string): Failure {
  return usage(`\`${verb}\` needs more words`, `write \`svctl ${verb} ${words}\``);
}

function callOf(line: CommandLine & { verb: string }, world: World): Call {
  const { root, places } = placesOf(world, line.options.root);
  const colourless = line.options["no-color"] !== undefined;
  return {
    ...line,
    world,
    root,
    places,
    daemon: daemonAt(places, world.exists),
    // Whoever never writes to a stream does not pay for opening it.
    get ink() {
      return ink(!colourless && wantsColour(world.out.isTTY, world.env));
    },
    get errInk() {
      return ink(!colourless && wantsColour(world.err.isTTY, world.env));
    },
    json: line.options.json !== undefined,
  };
}
