import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { attr, PLAIN } from "../text/attr.ts";
import { Canvas } from "../view/canvas.ts";
import { TerminalScreen } from "./screen.ts";
import { terminalOf } from "./terminal.ts";

/** A terminal at the other end of a line, which takes what it gets only when the test lets it. */
class Line extends Writable {
  text = "";
  isOpen = true;
  #waiting: (() => void) | null = null;

  constructor() {
    super({ decodeStrings: false });
  }

  override _write(chunk: string, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk;
    if (this.isOpen) done();
    else this.#waiting = done;
  }

  release(): void {
    this.isOpen = true;
    const done = this.#waiting;
    this.#waiting = null;
    done?.();
  }

  take(): string {
    const { text } = this;
    this.text = "";
    return text;
  }
}

const ENV = { LANG: "C.UTF-8" };

function screenOn(line: Line, name = "xterm-256color", onDrain: () => void = () => {}): TerminalScreen {
  return new TerminalScreen({ output: line, columns: 20, rows: 4, terminal: terminalOf(name, ENV)!, onDrain });
}

function picture(...rows: readonly string[]): Canvas {
  const canvas = new Canvas(20, 4);
  rows.forEach((text, row) => {
    canvas.put(row, 0, text);
  });
  return canvas;
}

test("only what is different is sent, and nothing where nothing is", () => {
  const line = new Line();
  const screen = screenOn(line);
  screen.show(picture("uptime 10s", "a service"));
  assert.match(line.take(), /uptime.*10s.*service/s);
  screen.show(picture("uptime 11s", "a service"));
  const difference = line.take();
  assert.ok(difference.includes("1") && difference.length < 30, JSON.stringify(difference));
  assert.doesNotMatch(difference, /uptime|service/);
  screen.show(picture("uptime 11s", "a service"));
  assert.equal(line.take(), "");
  screen.close();
});

test("a wide character that goes leaves nothing behind, and what is beside it stays", () => {
  const line = new Line();
  const screen = screenOn(line);
  screen.show(picture("漢字|"));
  line.take();
  screen.show(picture("ab c|"));
  assert.match(line.take(), /ab c/);
  screen.close();
});

test("a terminal that takes nothing gets no second picture, and then the newest", async () => {
  const line = new Line();
  let drained = 0;
  const screen = screenOn(line, "xterm", () => drained++);
  screen.show(picture("first"));
  await new Promise(setImmediate);
  line.take();
  line.isOpen = false;
  assert.equal(screen.show(picture("second")), true);
  for (let round = 0; round < 1_000; round++) assert.equal(screen.show(picture(`picture ${round}`)), false);
  assert.ok(line.writableLength < 200, `${line.writableLength} bytes wait`);
  const before = drained;
  line.release();
  await new Promise(setImmediate);
  assert.ok(drained > before, "it is said when it takes again");
  line.take();
  assert.equal(screen.show(picture("QQQQQQ")), true);
  assert.match(line.take(), /QQQQQQ/);
  screen.close();
});

test("the terminal is left as it was: screen, cursor, mouse, pasting", () => {
  const line = new Line();
  const screen = screenOn(line);
  screen.mouse(true);
  screen.show(picture("x"));
  const opened = line.take();
  for (const mode of ["?1049", "?2004", "?1000", "?1006"]) assert.ok(opened.includes(`\x1b[${mode}h`), mode);
  assert.ok(!opened.includes("?1003h"), "the terminal does not tell every move of the pointer");
  screen.close();
  const closed = line.take();
  for (const mode of ["?1049l", "?2004l", "?1000l", "?1006l", "?25h"]) assert.ok(closed.includes(`\x1b[${mode}`), mode);
});

test("several terminals of different kinds are drawn on by one process", () => {
  const [one, other] = [new Line(), new Line()];
  const first = screenOn(one, "xterm-256color");
  const second = screenOn(other, "linux");
  const canvas = picture("x");
  canvas.put(1, 0, "colour", attr({ fg: 203 }));
  first.show(canvas);
  second.show(canvas);
  assert.match(one.take(), /\x1b\[38;5;203mcolour/);
  assert.match(other.take(), /\x1b\[(9?[0-7]|3[0-7]|9[0-7])mcolour/);
  first.close();
  second.show(picture("STILLTHERE"));
  assert.match(other.take(), /STILLTHERE/);
  second.close();
});

test("a clipboard is sent as OSC 52, through tmux too", () => {
  const line = new Line();
  const screen = new TerminalScreen({
    output: line,
    columns: 20,
    rows: 4,
    terminal: terminalOf("screen", { ...ENV, TMUX: "/x" })!,
    onDrain: () => {},
  });
  line.take();
  screen.copy("hello\n");
  assert.equal(line.take(), "\x1b]52;c;aGVsbG8K\x07\x1bPtmux;\x1b\x1b]52;c;aGVsbG8K\x07\x1b\\");
  screen.close();
});

test("what a terminal can is known from its name and environment", () => {
  const depth = (name: string, env = {}) => terminalOf(name, { ...ENV, ...env })?.depth ?? null;
  assert.deepEqual(
    ["xterm-256color", "tmux-256color", "screen-256color", "xterm-kitty", "alacritty", "foot"].map((name) =>
      depth(name),
    ),
    [256, 256, 256, 256, 256, 256],
  );
  assert.deepEqual(
    ["xterm", "screen", "linux", "anything"].map((name) => depth(name)),
    [16, 16, 16, 16],
  );
  assert.deepEqual(
    [
      depth("vt100"),
      depth("xterm", { NO_COLOR: "1" }),
      depth("xterm", { NO_COLOR: "" }),
      depth("xterm", { COLORTERM: "truecolor" }),
    ],
    [0, 0, 16, 256],
  );
  assert.deepEqual([depth("dumb"), depth("")], [null, null]);
  assert.equal(terminalOf("xterm", { LC_ALL: "C", LANG: "C.UTF-8" })?.hasUnicode, false);
  assert.equal(PLAIN, attr({}));
});
