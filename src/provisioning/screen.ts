/** Where the lines go: to a log as they are, to a terminal with the present one drawn over. */
export interface Screen {
  readonly say: (line: string) => void;
  readonly draw: (line: string) => void;
}

export function screen(out: NodeJS.WriteStream): Screen {
  // Whoever reads its output may leave; the work goes on.
  out.on("error", () => {});
  if (!out.isTTY) {
    const say = (line: string): void => void out.write(`${line}\n`);
    return { say, draw: say };
  }
  let isDrawn = false;
  return {
    say(line) {
      out.write(`${isDrawn ? "\r\x1b[K" : ""}${line}\n`);
      isDrawn = false;
    },
    draw(line) {
      out.write(`\r${line.slice(0, (out.columns || 80) - 1)}\x1b[K`);
      isDrawn = true;
    },
  };
}
