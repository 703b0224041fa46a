/**
 * The terminal UI on any duplex stream: the terminal of `svctl tui`, or a session of an SSH server.
 *
 *   const tui = openTui({ input, output, columns, rows, term, env, client });
 *   if (typeof tui === "string") …            // why nothing can be drawn there
 *   tui.resize(120, 40);
 *   const why = await tui.ended;              // null: the person left
 *
 * It knows svcd by the control client only, keeps at most one picture for a terminal that takes nothing, and leaves the terminal as
 * it was.
 */
import type { Readable, Writable } from "node:stream";
import type { Control } from "../control/client.ts";
import { Connection } from "./edge/connection.ts";
import { Drafts } from "./edge/drafts.ts";
import { isRefused, sentence } from "./edge/errors.ts";
import { TerminalScreen } from "./edge/screen.ts";
import { terminalOf } from "./edge/terminal.ts";
import type { Command } from "./model/command.ts";
import { BINDINGS } from "./model/keymap.ts";
import type { Message } from "./model/message.ts";
import { firstModel, type Model } from "./model/model.ts";
import { update } from "./model/update.ts";
import { wanted } from "./model/wanted.ts";
import type { Settings } from "./settings.ts";
import { type Input, KeyReader } from "./text/key-reader.ts";
import { draw } from "./view/draw.ts";

export interface TuiOptions {
  /** Keys come from here; with `setRawMode` where there is such a thing. */
  readonly input: Readable & { readonly setRawMode?: (isRaw: boolean) => unknown };
  readonly output: Writable;
  readonly columns: number;
  readonly rows: number;
  /** TERM of the terminal. */
  readonly term: string;
  /** Of the session: locale, NO_COLOR, COLORTERM, TMUX. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly client: Control;
  readonly settings?: Settings;
  /** It may only look: actions are refused. */
  readonly isReadOnly?: boolean;
  /** Shows a file in the person's editor on this terminal; null: there is none in this session. Throws with a sentence. */
  readonly runEditor?: ((path: string, line: number) => Promise<void>) | null;
}

export interface Tui {
  resize(columns: number, rows: number): void;
  close(): void;
  /** null: the person left, or `close` was called. Else why it cannot go on, a sentence. */
  readonly ended: Promise<string | null>;
}

const USUAL: Settings = { theme: null, mouse: null, keymap: BINDINGS, mistakes: [] };

/** Pictures a second, at most: more are not seen, and over a slow line not sent. */
const BETWEEN_PICTURES_MS = 40;
const FIGURES: ReadonlySet<Message["type"]> = new Set(["sample", "gpus", "idle"]);
const TICK_MS = 1_000;
const ANIMATION_MS = 200;

/** A text: why nothing can be drawn on such a terminal. */
export function openTui(options: TuiOptions): Tui | string {
  const terminal = terminalOf(options.term, options.env);
  if (terminal === null) {
    return options.term === ""
      ? "TERM is not set, so nothing is known about the terminal"
      : `nothing can be drawn on a terminal of the kind “${options.term}”`;
  }
  return new Session(options, terminal);
}

class Session implements Tui {
  readonly ended: Promise<string | null>;
  readonly #options: TuiOptions;
  readonly #settings: Settings;
  readonly #screen: TerminalScreen;
  readonly #connection: Connection;
  readonly #drafts: Drafts | null;
  readonly #keys = new KeyReader();
  readonly #onData = (bytes: Buffer): void => this.#hear(bytes);
  readonly #onGone = (): void => this.#end(null);
  #model: Model;
  #end: (why: string | null) => void = () => {};
  #isOver = false;
  #escape: NodeJS.Timeout | null = null;
  #tick: NodeJS.Timeout | null = null;
  #picture: NodeJS.Timeout | null = null;
  #lastPicture = 0;
  #isDirty = false;
  #isEditing = false;

  constructor(options: TuiOptions, terminal: NonNullable<ReturnType<typeof terminalOf>>) {
    this.#options = options;
    this.#settings = options.settings ?? USUAL;
    const { input, output, columns, rows, client, runEditor = null } = options;
    this.ended = new Promise((resolve) => {
      this.#end = (why) => {
        this.#stop();
        resolve(why);
      };
    });
    this.#model = firstModel({
      now: Date.now(),
      columns,
      rows,
      depth: terminal.depth,
      hasUnicode: terminal.hasUnicode,
      theme: this.#settings.theme ?? "dark",
      hasMouse: terminal.hasMouse && (this.#settings.mouse ?? true),
      isReadOnly: options.isReadOnly ?? false,
      canEdit: runEditor !== null,
    });
    this.#screen = new TerminalScreen({ output, columns, rows, terminal, onDrain: () => this.#drained() });
    this.#screen.mouse(this.#model.hasMouse);
    this.#drafts =
      runEditor === null ? null : new Drafts(client, (path, line) => this.#lend(() => runEditor(path, line)));
    this.#connection = new Connection(
      client,
      (message) => this.#send(message),
      (error) => this.#end(whyNot(error)),
    );
    input.setRawMode?.(true);
    input.on("data", this.#onData);
    for (const end of ["end", "close", "error"]) input.on(end, this.#onGone);
    input.resume();
    const [mistake] = this.#settings.mistakes;
    if (mistake !== undefined) this.#send({ type: "notice", text: mistake, weight: "bad" });
    this.#connection.open();
    this.#paint();
    this.#schedule();
  }

  resize(columns: number, rows: number): void {
    if (this.#isOver || columns < 1 || rows < 1) return;
    this.#screen.resize(columns, rows);
    this.#send({ type: "resize", columns, rows });
  }

  close(): void {
    this.#end(null);
  }

  #stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const timer of [this.#escape, this.#tick, this.#picture]) if (timer !== null) clearTimeout(timer);
    this.#connection.close();
    const { input } = this.#options;
    input.off("data", this.#onData);
    for (const end of ["end", "close", "error"]) input.off(end, this.#onGone);
    this.#screen.close();
    if (!input.destroyed) input.setRawMode?.(false);
    input.pause();
  }

  // In

  #hear(bytes: Buffer): void {
    if (this.#isEditing) return;
    if (this.#escape !== null) clearTimeout(this.#escape);
    this.#escape = null;
    for (const one of this.#keys.read(bytes)) this.#input(one);
    const { waitMs } = this.#keys;
    if (waitMs === null || this.#isOver) return;
    this.#escape = setTimeout(() => {
      this.#escape = null;
      for (const one of this.#keys.flush()) this.#input(one);
    }, waitMs);
  }

  #input(one: Input): void {
    if (!this.#isOver) this.#send(one);
  }

  #send(message: Message): void {
    if (this.#isOver) return;
    const isFirst = this.#model.usageAt === null;
    const [model, commands] = update(this.#model, message, this.#settings.keymap, Date.now());
    this.#model = model;
    for (const command of commands) this.#do(command);
    if (this.#isOver) return;
    this.#isDirty = true;
    // Figures are drawn with the seconds, so that a screen at rest is drawn once a second.
    if (isFirst || !FIGURES.has(message.type)) this.#soon();
    // A spinner begins to turn at once, and what is looked at is told at once.
    const { animates } = wanted(model);
    if (animates) this.#schedule();
    this.#connection.want(wanted(model));
  }

  #do(command: Command): void {
    switch (command.do) {
      case "ask":
      case "act":
        void this.#connection.do(command);
        return;
      case "edit":
        return this.#edit((drafts) => drafts.edit(command.file, command.line, command.subject));
      case "edit again":
        return this.#edit((drafts) => drafts.again(command.draft));
      case "discard":
        this.#drafts?.discard(command.draft);
        return this.#send({ type: "notice", text: "nothing was changed", weight: "quiet" });
      case "install":
        void this.#drafts?.install(command.draft).then(
          (report) => this.#send({ type: "installed", subject: command.draft.subject, report }),
          (error: unknown) => this.#send({ type: "failed", what: sentence(error), names: [] }),
        );
        return;
      case "copy":
        return this.#screen.copy(command.text);
      case "mouse":
        return this.#screen.mouse(command.on);
      case "redraw":
        return this.#screen.redraw();
      case "quit":
        return this.#end(null);
    }
  }

  #edit(open: (drafts: Drafts) => ReturnType<Drafts["edit"]>): void {
    if (this.#drafts === null) return;
    open(this.#drafts).then(
      (draft) => {
        if (draft === null) this.#send({ type: "notice", text: "nothing was changed", weight: "quiet" });
        else this.#send({ type: "drafted", draft });
      },
      (error: unknown) => this.#send({ type: "failed", what: sentence(error), names: [] }),
    );
  }

  /** The terminal is somebody else's meanwhile. */
  async #lend(use: () => Promise<void>): Promise<void> {
    const { input } = this.#options;
    this.#isEditing = true;
    this.#screen.leave();
    input.off("data", this.#onData);
    input.setRawMode?.(false);
    input.pause();
    try {
      await use();
    } finally {
      input.setRawMode?.(true);
      input.on("data", this.#onData);
      input.resume();
      this.#isEditing = false;
      this.#screen.comeBack();
      this.#isDirty = true;
      this.#soon();
    }
  }

  // Out

  #soon(): void {
    if (this.#picture !== null) return;
    const wait = Math.max(0, this.#lastPicture + BETWEEN_PICTURES_MS - performance.now());
    this.#picture = setTimeout(() => {
      this.#picture = null;
      this.#paint();
    }, wait);
  }

  #paint(): void {
    if (this.#isOver || this.#isEditing) return;
    if (this.#screen.isStalled) {
      this.#connection.hold(true);
      return;
    }
    this.#connection.hold(false);
    this.#lastPicture = performance.now();
    this.#isDirty = false;
    this.#screen.show(draw(this.#model, this.#settings.keymap));
  }

  #drained(): void {
    this.#connection.hold(false);
    if (this.#isDirty) this.#soon();
  }

  #schedule(): void {
    const everyMs = wanted(this.#model).animates ? ANIMATION_MS : TICK_MS;
    if (this.#tick !== null) clearTimeout(this.#tick);
    // On the whole second, so that what counts seconds moves together.
    const wait = everyMs - (Date.now() % everyMs);
    this.#tick = setTimeout(() => {
      this.#tick = null;
      this.#send({ type: "tick" });
      if (!this.#isOver && this.#tick === null) this.#schedule();
    }, wait);
  }
}

function whyNot(error: Error): string {
  return isRefused(error) ? error.what : error.message;
}
