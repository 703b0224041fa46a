/**
 * One session of a connection: first what the client tells of itself (terminal, environment), then one thing that is asked for:
 * a command of svctl, or the screen. No shell, no subsystem, no agent, no X11: what nobody listens for is refused by ssh2.
 */
import { PassThrough } from "node:stream";
import type { ServerChannel, Session } from "ssh2";
import { runCommand } from "./command.ts";
import type { KeyOptions } from "./key-options.ts";
import { shown, shownWords } from "./log-line.ts";
import { type Line, outlet } from "./outlet.ts";
import { asked } from "./permits.ts";
import { openTerminal } from "./terminal.ts";

export interface SessionOptions {
  readonly line: Line;
  readonly options: KeyOptions;
  readonly svctl: string;
  readonly socketPath: string;
  /** For commands, besides what the client may say. */
  readonly env: Readonly<Record<string, string>>;
  say(what: string): void;
  /** A place among all that run at once; null: there is none. Called back when it is free again. */
  takePlace(): (() => void) | null;
  watch(channel: ServerChannel): void;
}

/** What a client may say of itself; sshd's own default, and what colours depend on. */
const MAY_SET = /^(LANG|LC_[A-Z_]{1,32}|COLORTERM)$/;
const SAFE_VALUE = /^[\w.@:,+-]{0,128}$/;
const MOST_VARIABLES = 32;
const SIGNALS: ReadonlySet<string> = new Set([
  "ABRT",
  "ALRM",
  "HUP",
  "INT",
  "KILL",
  "PIPE",
  "QUIT",
  "TERM",
  "USR1",
  "USR2",
]);
const LARGEST_SIZE = 1_000;

interface Terminal {
  readonly term: string;
  columns: number;
  rows: number;
}

export function serveSession(session: Session, around: SessionOptions): void {
  const env: Record<string, string> = {};
  let terminal: Terminal | null = null;
  let onResize: (() => void) | null = null;
  let onSignal: ((name: NodeJS.Signals) => void) | null = null;

  session.on("pty", (accept, reject, info) => {
    const { term } = info as unknown as { readonly term?: string };
    if (!around.options.mayHaveTerminal || terminal !== null) return reject?.();
    terminal = {
      term: /^[\w.+-]{1,64}$/.test(term ?? "") ? term! : "dumb",
      columns: sized(info.cols, 80),
      rows: sized(info.rows, 24),
    };
    accept?.();
  });
  session.on("window-change", (accept, _reject, info) => {
    if (terminal !== null) {
      terminal.columns = sized(info.cols, terminal.columns);
      terminal.rows = sized(info.rows, terminal.rows);
      onResize?.();
    }
    accept?.();
  });
  session.on("env", (accept, reject, info) => {
    const { key, val } = info as { readonly key: string; readonly val: string };
    if (!MAY_SET.test(key) || !SAFE_VALUE.test(val) || Object.keys(env).length >= MOST_VARIABLES) return reject?.();
    env[key] = val;
    accept?.();
  });
  session.on("signal", (accept, _reject, { name }) => {
    if (SIGNALS.has(name)) onSignal?.(`SIG${name}` as NodeJS.Signals);
    accept?.();
  });
  session.on("exec", (accept, _reject, { command }) => {
    const channel = opened(accept);
    if (channel === null) return;
    const what = asked(command, around.options.permit);
    switch (what.is) {
      case "refused":
        around.say(`refused: ${shown(what.what)}`);
        return leave(channel, what.exitCode, what.what, what.fix);
      case "screen":
        return screen(channel);
      case "svctl": {
        const free = place(channel);
        if (free === null) return;
        around.say(`runs: ${shownWords(["svctl", ...what.words])}`);
        const running = runCommand({
          svctl: around.svctl,
          words: what.words,
          env: { ...around.env, ...env, TERM: terminal?.term ?? "dumb" },
          channel,
          line: around.line,
          columns: terminal?.columns ?? null,
          onEnd: free,
        });
        onSignal = (name) => running.signal(name);
      }
    }
  });
  session.on("shell", (accept) => {
    const channel = opened(accept);
    if (channel !== null) screen(channel);
  });

  function opened(accept: (() => ServerChannel) | undefined): ServerChannel | null {
    const channel = accept?.();
    if (channel === undefined) return null;
    channel.on("error", () => {});
    channel.on("data", () => around.line.touch());
    around.watch(channel);
    return channel;
  }

  function screen(channel: ServerChannel): void {
    const at = terminal;
    if (at === null)
      return leave(
        channel,
        1,
        "there is no shell here, and without a terminal nothing to show",
        "`ssh HOST status` runs a command of svctl; `ssh -t HOST` opens the screen",
      );
    const free = place(channel);
    if (free === null) return;
    around.say("opens the screen");
    const output = outlet(channel, around.line);
    void openTerminal({
      input: channel.pipe(new PassThrough()), // Keys that are typed before the screen is there wait.
      output,
      term: at.term,
      env,
      socketPath: around.socketPath,
      permit: around.options.permit,
      size: () => ({ columns: at.columns, rows: at.rows }),
      onResize: (then) => {
        onResize = then;
      },
      onGone: (then) => void channel.once("close", then),
    })
      .catch((error: unknown) => {
        around.say(`the screen has failed: ${(error as Error).stack ?? error}`);
        return 1;
      })
      .then((code) => {
        free();
        output.end(() => {
          channel.exit(code);
          channel.end();
        });
      });
  }

  function place(channel: ServerChannel): (() => void) | null {
    const free = around.takePlace();
    if (free === null)
      leave(channel, 1, "too many commands and screens run at once", "end some, or try again in a moment");
    return free;
  }

  function leave(channel: ServerChannel, code: number, what: string, fix: string): void {
    channel.resume();
    const text = `svcd-ssh: ${what}\n  fix:   ${fix}\n`;
    channel.stderr.write(terminal === null ? text : text.replaceAll("\n", "\r\n"), () => {
      channel.exit(code);
      channel.end();
    });
  }
}

function sized(count: number, otherwise: number): number {
  return count > 0 ? Math.min(count, LARGEST_SIZE) : otherwise;
}
