/**
 * Colours, where they help: only on a terminal, never with NO_COLOR. A state has one colour and one sign everywhere.
 */
import type { StateWord } from "../control/daemon.ts";

export type Colour = "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "grey" | "bold";

export interface Ink {
  readonly on: boolean;
  paint(colour: Colour, text: string): string;
}

const CODES: Readonly<Record<Colour, number>> = {
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
  grey: 90,
  bold: 1,
};

export function ink(on: boolean): Ink {
  return { on, paint: (colour, text) => (on ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text) };
}

/** https://no-color.org: set and not empty means no. A terminal that calls itself dumb cannot. */
export function wantsColour(isTTY: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  return isTTY && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}

const LOOKS: Readonly<Record<StateWord, readonly [sign: string, colour: Colour]>> = {
  STOPPED: ["○", "grey"],
  SKIPPED: ["–", "grey"],
  WAITING: ["◌", "cyan"],
  STARTING: ["◐", "cyan"],
  RUNNING: ["●", "green"],
  BACKOFF: ["↻", "yellow"],
  STOPPING: ["◑", "cyan"],
  EXITED: ["✓", "grey"],
  FATAL: ["✗", "red"],
};

export function signOf(state: StateWord): string {
  return LOOKS[state]?.[0] ?? "?";
}

export function colourOf(state: StateWord): Colour {
  return LOOKS[state]?.[1] ?? "grey";
}

const NAME_COLOURS: readonly Colour[] = ["cyan", "yellow", "green", "magenta", "blue", "red"];

/** One colour for each name, as far as there are any. */
export function colourOfNumber(index: number): Colour {
  return NAME_COLOURS[index % NAME_COLOURS.length]!;
}
