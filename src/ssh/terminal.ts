/**
 * Somebody with a terminal and no command: the screen of `svctl tui`, on their channel. This file is the seam: what the screen
 * needs of a terminal far away, and the one function that opens it. The screen is a file of its own beside this program, loaded
 * for the first who asks.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { type Control, control } from "../control/client.ts";
import { onlyLooking } from "./only-looking.ts";
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

/** What the file offers (src/tui/open.ts). */
interface ScreenModule {
  openTui(options: {
    readonly input: Readable;
    readonly output: Writable;
    readonly columns: number;
    readonly rows: number;
    readonly term: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly client: Control;
    readonly isReadOnly: boolean;
    /** An editor here would be a shell. */
    readonly runEditor: null;
  }): OpenScreen | string;
}

interface OpenScreen {
  resize(columns: number, rows: number): void;
  close(): void;
  /** null: the person left. Else why it cannot go on. */
  readonly ended: Promise<string | null>;
}

const FILE = join(import.meta.dirname, "tui.js");

/** Resolves with the exit code once the person has left it. */
export async function openTerminal(seat: Seat): Promise<number> {
  if (!existsSync(FILE)) return told(seat, "the screen is not installed here");
  const { openTui } = createRequire(import.meta.url)(FILE) as ScreenModule;
  const { input, output, term, env } = seat;
  const client = control(seat.socketPath);
  const isReadOnly = seat.permit === "view";
  const screen = openTui({
    input,
    output,
    ...seat.size(),
    term,
    env,
    client: isReadOnly ? onlyLooking(client) : client,
    isReadOnly,
    runEditor: null,
  });
  if (typeof screen === "string") return told(seat, screen);
  seat.onResize(() => {
    const { columns, rows } = seat.size();
    screen.resize(columns, rows);
  });
  seat.onGone(() => screen.close());
  const why = await screen.ended;
  return why === null ? 0 : told(seat, why);
}

/** Commands work where no screen does. */
function told({ output }: Seat, what: string): number {
  output.write(
    `svcd-ssh: ${what}\r\n` +
      "  fix:   ask for what you want to see: ssh HOST status, ssh HOST why NAME, ssh HOST logs -f NAME, ssh HOST help\r\n",
  );
  return 1;
}
