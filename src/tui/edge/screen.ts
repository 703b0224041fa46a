/**
 * The terminal, behind a few calls. blessed holds what is on it and sends differences; its input, its lists and its terminfo are
 * not used, because each has a defect that shows over a slow line (`text/key-reader.ts`, `text/columns.ts`, `terminal.ts` are in
 * their places).
 *
 * A terminal that takes nothing (a stopped tmux client, a dead line) is never waited for: at most one picture is under way, and
 * what happens meanwhile is in the next one.
 */
import { EventEmitter } from "node:events";
import type { Writable } from "node:stream";
import { PassThrough } from "node:stream";
import Tput from "blessed/lib/tput.js";
import unicode from "blessed/lib/unicode.js";
import Box from "blessed/lib/widgets/box.js";
import Screen from "blessed/lib/widgets/screen.js";
import { columnsOf } from "../text/columns.ts";
import type { Canvas } from "../view/canvas.ts";
import { capabilitiesOf, type Terminal } from "./terminal.ts";

export interface ScreenOptions {
  readonly output: Writable;
  readonly columns: number;
  readonly rows: number;
  readonly terminal: Terminal;
  /** The terminal takes again what was not shown. */
  readonly onDrain: () => void;
}

const MOUSE = { vt200Mouse: true, cellMotion: true, sgrMouse: true };
const PASTE_ON = "\x1b[?2004h";
const PASTE_OFF = "\x1b[?2004l";
/** What was not sent yet; a picture of 250×80 in colours is smaller. */
const MOST_UNSENT = 256 * 1024;
/** Some terminals take no more; tmux neither. */
const MOST_CLIPBOARD = 74_000;

export class TerminalScreen {
  readonly #options: ScreenOptions;
  readonly #sink: Sink;
  readonly #screen: Screen;
  #canvas: Canvas | null = null;
  #hasMouse = false;
  #isAway = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
    const { terminal, output } = options;
    mendWidths();
    this.#sink = new Sink(options.columns, options.rows);
    output.on("error", () => {}); // A terminal that has gone away is told by its input.
    this.#screen = withCapabilities(terminal, () => {
      return new Screen({
        input: new PassThrough(),
        output: this.#sink,
        terminal: "svcd",
        forceUnicode: terminal.hasUnicode,
        fullUnicode: true,
        useBCE: true,
        cursor: {},
      });
    });
    // One box as large as the screen; what is in it is ours.
    const box = new Box({ parent: this.#screen, top: 0, left: 0, width: "100%", height: "100%" });
    box.render = () => this.#paint();
    if (terminal.hasPaste) this.#sink.write(PASTE_ON);
    this.#send();
  }

  /** The terminal has not taken the last picture yet. */
  get isStalled(): boolean {
    return this.#options.output.writableLength > 0;
  }

  /** False: not now; `onDrain` says when. */
  show(canvas: Canvas): boolean {
    if (this.#isAway || this.#options.output.destroyed) return true;
    if (this.isStalled) return false;
    this.#canvas = canvas;
    this.#screen.render();
    this.#send();
    return true;
  }

  resize(columns: number, rows: number): void {
    this.#canvas = null; // What is painted next is of the new size.
    this.#sink.columns = columns;
    this.#sink.rows = rows;
    this.#sink.emit("resize");
  }

  redraw(): void {
    this.#screen.realloc();
  }

  mouse(on: boolean): void {
    if (on === this.#hasMouse || !this.#options.terminal.hasMouse) return;
    this.#hasMouse = on;
    if (on) this.#screen.program.setMouse(MOUSE, true);
    else this.#screen.program.disableMouse();
    this.#send();
  }

  /** Into the clipboard of whoever sits at the terminal (OSC 52), through tmux too. */
  copy(text: string): void {
    const encoded = Buffer.from(text).subarray(0, MOST_CLIPBOARD).toString("base64");
    this.#sink.write(`\x1b]52;c;${encoded}\x07`);
    if (this.#options.terminal.isTmux) this.#sink.write(`\x1bPtmux;\x1b\x1b]52;c;${encoded}\x07\x1b\\`);
    this.#send();
  }

  /** The terminal is somebody else's until `comeBack`. */
  leave(): void {
    this.#isAway = true;
    this.#screen.program.disableMouse();
    this.#screen.leave();
    if (this.#options.terminal.hasPaste) this.#sink.write(PASTE_OFF);
    this.#send();
  }

  comeBack(): void {
    this.#isAway = false;
    this.#screen.enter();
    this.#screen.realloc();
    if (this.#hasMouse) this.#screen.program.setMouse(MOUSE, true);
    if (this.#options.terminal.hasPaste) this.#sink.write(PASTE_ON);
    this.#send();
  }

  /** The terminal as it was before. */
  close(): void {
    if (!this.#isAway) {
      if (this.#options.terminal.hasPaste) this.#sink.write(PASTE_OFF);
      this.#screen.program.disableMouse();
      this.#screen.leave();
    }
    this.#screen.destroy();
    this.#send();
  }

  #paint(): void {
    const canvas = this.#canvas;
    if (canvas === null) return;
    const { lines } = this.#screen;
    for (let row = 0; row < Math.min(lines.length, canvas.rows); row++) {
      const line = lines[row]!;
      const glyphs = canvas.glyphs[row]!;
      const attrs = canvas.attrs[row]!;
      for (let column = 0; column < Math.min(line.length, canvas.columns); column++) {
        const cell = line[column]!;
        if (cell[0] === attrs[column] && cell[1] === glyphs[column]) continue;
        cell[0] = attrs[column]!;
        cell[1] = glyphs[column]!;
        line.dirty = true;
      }
    }
  }

  #send(): void {
    this.#screen.program.flush();
    const text = this.#sink.take();
    const { output } = this.#options;
    if (text === "" || output.destroyed || output.writableLength > MOST_UNSENT) return;
    // Not “drain”: that comes only after more than a stream likes to hold.
    output.write(text, () => {
      if (!this.isStalled) this.#options.onDrain();
    });
  }
}

/** What blessed writes to. The real terminal gets it in one piece, when it has room. */
class Sink extends EventEmitter {
  readonly isTTY = true;
  readonly writable = true;
  readonly bytesWritten = 1;
  columns: number;
  rows: number;
  #text = "";

  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): boolean {
    this.#text += text;
    return true;
  }

  take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}

/** blessed asks the environment and starts `tmux -V` when a screen is made; ours may be that of an SSH session. */
function withCapabilities<Made>(terminal: Terminal, make: () => Made): Made {
  const { TMUX } = process.env;
  delete process.env["TMUX"];
  const { readTerminfo } = Tput.prototype;
  Tput.prototype.readTerminfo = () => capabilitiesOf(terminal);
  try {
    return make();
  } finally {
    Tput.prototype.readTerminfo = readTerminfo;
    if (TMUX !== undefined) process.env["TMUX"] = TMUX;
  }
}

let isMended = false;

/** Its table of widths does not know emoji. */
function mendWidths(): void {
  if (isMended) return;
  isMended = true;
  unicode.charWidth = (text, at = 0) => {
    const point = typeof text === "number" ? text : text.codePointAt(at);
    return point === undefined || point === 0 ? 0 : Math.max(0, columnsOf(String.fromCodePoint(point)));
  };
}
