/**
 * One live line on a terminal while something takes time. It shows up after half a second, so that quick things stay
 * quiet, and never anywhere but on a terminal. It draws on stderr: stdout is for results.
 */
import type { Screen } from "./call.ts";
import type { Ink } from "./colour.ts";
import { cut } from "./text.ts";

export interface Spinner {
  /** What is under way now; the text must be plain. */
  show(text: string): void;
  /** Takes the line away, lets `print` write, and goes on. */
  above(print: () => void): void;
  stop(): void;
}

const FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏";
const FRAME_MS = 100;
const QUIET_MS = 500;

export function spinner(screen: Screen, ink: Ink): Spinner {
  if (!screen.isTTY) return { show: () => {}, above: (print) => print(), stop: () => {} };
  let text = "";
  let frame = 0;
  let isDrawn = false;
  let timer: NodeJS.Timeout = setTimeout(begin, QUIET_MS);

  function begin() {
    timer = setInterval(draw, FRAME_MS);
    draw();
  }
  function draw() {
    if (text === "") return;
    const sign = ink.paint("cyan", FRAMES[frame++ % FRAMES.length]!);
    screen.write(`\r${sign} ${cut(text, screen.columns() - 3)}\x1b[K`);
    isDrawn = true;
  }
  function wipe() {
    if (isDrawn) screen.write("\r\x1b[K");
    isDrawn = false;
  }
  return {
    show(next) {
      text = next;
    },
    above(print) {
      wipe();
      print();
    },
    stop() {
      clearInterval(timer);
      wipe();
    },
  };
}
