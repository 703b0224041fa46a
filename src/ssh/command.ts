/**
 * A command of svctl for somebody far away: the program itself as a child, with the words as they are. Its output waits for
 * whoever reads it, its exit code is the channel's, and it ends when the channel does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";
import type { ServerChannel } from "ssh2";
import { CookedInput } from "./cooked-input.ts";
import { errorOutlet, type Line, outlet } from "./outlet.ts";

export interface CommandOptions {
  readonly svctl: string;
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly channel: ServerChannel;
  readonly line: Line;
  /** The client has a terminal, so wide. */
  readonly columns: number | null;
  readonly onEnd: () => void;
}

export interface Command {
  signal(name: NodeJS.Signals): void;
}

/** Then what ignores its hangup is killed. */
const HANGUP_MS = 3_000;

export function runCommand(options: CommandOptions): Command {
  const { svctl, words, env, channel, line, columns } = options;
  const child = spawn(svctl, [...words], {
    env: columns === null ? { ...env } : { ...env, SVCD_TERMINAL_COLUMNS: String(columns) },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let isOver = false;
  child.once("error", (error) => {
    isOver = true;
    channel.resume();
    channel.stderr.write(`svcd-ssh: svctl cannot be started: ${error.message}\n`);
    options.onEnd();
    channel.exit(1);
    channel.end();
  });
  if (child.pid === undefined) return { signal: () => {} }; // The error follows; where files ran out there are no pipes either.
  const out = outlet(channel, line, columns !== null);
  const err = columns === null ? errorOutlet(channel, line) : out;
  child.stdout.pipe(out, { end: false });
  child.stderr.pipe(err, { end: false });
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on("error", () => {}); // Its end tells all.

  child.once("close", (code, signal) => {
    if (isOver) return;
    isOver = true;
    options.onEnd();
    afterAllOf([out, err], () => {
      if (signal === null) channel.exit(code ?? 1);
      else channel.exit(signal.slice(3), false, "");
      channel.end();
    });
  });
  channel.once("close", () => {
    // What it still writes goes nowhere; it must not wait for a reader that has left.
    child.stdout.unpipe().resume();
    child.stderr.unpipe().resume();
    child.stdin.destroy();
    if (isOver) return;
    child.kill("SIGHUP");
    const limit = setTimeout(() => child.kill("SIGKILL"), HANGUP_MS);
    child.once("close", () => clearTimeout(limit));
  });
  if (columns === null) channel.pipe(child.stdin);
  else typeInto(child, channel, out);
  // It has read all it wants: what else comes is taken and dropped, or its end would never be seen.
  child.stdin.once("close", () => channel.unpipe().resume());
  return { signal: (name) => child.kill(name) };
}

function typeInto(child: ChildProcess, channel: ServerChannel, out: Writable): void {
  const input = new CookedInput();
  channel.on("data", (bytes: Buffer) => {
    const { echo, lines, signals, isEnd } = input.type(bytes);
    if (echo !== "") out.write(echo);
    if (lines !== "" && child.stdin?.writable) child.stdin.write(lines);
    for (const signal of signals) child.kill(signal);
    if (isEnd) child.stdin?.end();
  });
  channel.once("end", () => child.stdin?.end());
}

/** All that was written has left. */
function afterAllOf(streams: readonly Writable[], then: () => void): void {
  let open = 0;
  for (const stream of new Set(streams)) {
    if (stream.destroyed) continue;
    open++;
    stream.end(() => {
      if (--open === 0) then();
    });
  }
  if (open === 0) then();
}
