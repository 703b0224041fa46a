/** What lies over a view and takes the keys: questions, lists to choose from, help. */
import type { Command } from "./command.ts";
import type { Draft } from "./model.ts";

export interface Confirm {
  readonly is: "confirm";
  readonly title: string;
  /** What will happen, and to whom else. */
  readonly lines: readonly string[];
  readonly does: string;
  readonly commands: readonly Command[];
  /** Which button: Cancel unless the person moves. */
  readonly onYes: boolean;
}

export type Overlay =
  | { readonly is: "help"; readonly top: number }
  | { readonly is: "palette"; readonly text: string; readonly chosen: number }
  | { readonly is: "signals"; readonly names: readonly string[]; readonly chosen: number }
  | Confirm
  | {
      readonly is: "review";
      readonly draft: Draft;
      readonly top: number;
      /** 0: back to the editor. 1: give it up. 2: take it. */
      readonly button: 0 | 1 | 2;
    };

/** A line that is typed at the foot of the screen. */
export interface Prompt {
  readonly for: "filter" | "search";
  readonly text: string;
  /** What was there before, for Esc. */
  readonly before: string;
}

export const SIGNALS = ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "STOP", "CONT", "ABRT", "KILL"] as const;
