/**
 * One call of svctl: what was asked, of which svcd, and where the answer goes. Commands know the world only through this.
 */

import type { ReadStream, WriteStream } from "node:tty";
import { type Places, places } from "../places.ts";
import type { lintJobFile } from "../plan/job-lint.ts";
import type * as tuiFile from "../tui/main.ts";
import type { Ink } from "./colour.ts";
import type { Daemon } from "./daemon.ts";
import type { CommandLine, OptionName } from "./options.ts";

/** stdout or stderr. */
export interface Screen {
  write(text: string | Uint8Array): void;
  readonly isTTY: boolean;
  /** How wide a terminal is now; 80 where nobody knows. */
  columns(): number;
}

/** stdin. A call waits until it is there: svctl has nothing else to do meanwhile. */
export interface Input {
  readonly isTTY: boolean;
  /** All of it, or null when there is more than that. */
  all(mostBytes: number): Buffer | null;
  /** The next line without its newline, and not a byte more: what follows is for others, such as an editor. null: its end. */
  line(): string | null;
}

export interface World {
  readonly out: Screen;
  readonly err: Screen;
  readonly input: Input;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  /** The file that runs: what belongs to svctl lies beside it. */
  readonly program: string;
  readonly version: string;
  now(): Date;
  /** How YAML files of jobs are read: as large as all of svctl, so it is loaded from beside it. */
  jobFileReader(): Promise<typeof lintJobFile>;
  exists(path: string): boolean;
  /** Seen from the working directory. */
  absolute(path: string): string;
  /** From here until the returned function is called, Ctrl-C calls `then` instead of ending svctl. */
  onInterrupt(then: () => void): () => void;
  /** The terminal UI: another file, loaded when it is asked for. */
  tui(): Promise<typeof tuiFile>;
  /** The terminal itself, for whoever draws on it. */
  terminal(): { readonly input: ReadStream; readonly output: WriteStream };
}

export interface Call extends CommandLine {
  readonly verb: string;
  readonly world: World;
  readonly root: string | null;
  readonly places: Places;
  readonly daemon: Daemon;
  /** Colours of stdout and stderr. */
  readonly ink: Ink;
  readonly errInk: Ink;
  readonly json: boolean;
}

/** What the file of a command offers. */
export interface CommandModule {
  /** The exit code. */
  run(call: Call): Promise<number>;
  /** What its help says after the summary; empty: the summary says it all. */
  readonly details: string;
}

export interface Command {
  readonly name: string;
  /** What follows the name in the usage line. */
  readonly usage: string;
  readonly summary: string;
  readonly options: readonly OptionName[];
  /** How many words must and may follow. */
  readonly words: readonly [least: number, most: number];
  /** What the shell offers after the name. */
  readonly completes: "services" | "jobs" | "services and jobs" | "signals" | "streams" | "commands" | "shells" | null;
  load(): Promise<CommandModule>;
}

/** `--root` comes before $SVCD_ROOT; without both, the installed places. */
export function placesOf(
  world: World,
  given: string | undefined,
): { readonly root: string | null; readonly places: Places } {
  const asked = given ?? (world.env["SVCD_ROOT"] || null);
  const root = asked === null ? null : world.absolute(asked);
  return { root, places: places({ root, env: world.env, uid: world.uid, exists: world.exists }) };
}

export function say(screen: Screen, line: string): void {
  screen.write(`${line}\n`);
}

export function sayJson(call: Call, value: unknown): void {
  call.world.out.write(`${JSON.stringify(value, null, call.world.out.isTTY ? 2 : undefined)}\n`);
}
