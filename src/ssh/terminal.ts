/**
 * Somebody with a terminal and no command: the screen of `svctl tui`, in this process, on their channel. This file is the seam:
 * what the screen needs of a terminal far away, and the one function that opens it.
 */
import type { Readable, Writable } from "node:stream";
import type { Permit } from "./permits.ts";

export interface Seat {
  /** Keys, as they come. */
  readonly input: Readable;
  /** Waits for a slow line by itself. */
  readonly output: Writable;
  /** What the terminal calls itself. */
  readonly term: string;
  /** LANG, LC_*, COLORTERM of the client. */
  readonly env: Readonly<Record<string, string>>;
  readonly socketPath: string;
  readonly permit: Permit;
  size(): { readonly columns: number; readonly rows: number };
  onResize(then: () => void): void;
  /** The client has gone. */
  onGone(then: () => void): void;
}

/** Resolves with the exit code once the person has left it. */
export async function openTerminal(seat: Seat): Promise<number> {
  seat.output.write(
    "svcd: this version has no screen to show over SSH.\r\n" +
      "  fix:   say what you want to see: ssh HOST status, ssh HOST why NAME, ssh -t HOST logs -f (ssh HOST help lists all)\r\n",
  );
  return 1;
}
