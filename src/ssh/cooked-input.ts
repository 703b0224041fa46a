/**
 * What a terminal's driver does with keys before a program reads them, for commands that are run with a terminal: there is no
 * such driver here, because a command of svctl needs a line now and then (`(y/n)`) and Ctrl-C, and no more.
 */
export interface Cooked {
  /** For the person to see. */
  readonly echo: string;
  /** For the program: whole lines. */
  readonly lines: string;
  /** Ctrl-C, and Ctrl-\ for those who mean it. */
  readonly signals: readonly ("SIGINT" | "SIGQUIT")[];
  /** Ctrl-D at the beginning of a line. */
  readonly isEnd: boolean;
}

const LONGEST_LINE = 4_096;

export class CookedInput {
  #line: string[] = [];
  readonly #decoder = new TextDecoder("utf-8");

  type(bytes: Uint8Array): Cooked {
    let echo = "";
    let lines = "";
    let isEnd = false;
    const signals: ("SIGINT" | "SIGQUIT")[] = [];
    const typed = this.#decoder.decode(bytes, { stream: true });
    for (const char of typed) {
      switch (char) {
        case "\r":
        case "\n":
          lines += `${this.#line.join("")}\n`;
          this.#line = [];
          echo += "\r\n";
          break;
        case "\x03":
        case "\x1c":
          signals.push(char === "\x03" ? "SIGINT" : "SIGQUIT");
          this.#line = [];
          echo += char === "\x03" ? "^C" : "^\\";
          break;
        case "\x04":
          if (this.#line.length === 0) isEnd = true;
          lines += this.#line.join("");
          this.#line = [];
          break;
        case "\x7f":
        case "\b":
          if (this.#line.pop() !== undefined) echo += "\b \b";
          break;
        case "\x15":
          echo += "\b \b".repeat(this.#line.length);
          this.#line = [];
          break;
        default:
          if (char < " " || this.#line.length >= LONGEST_LINE) break;
          this.#line.push(char);
          echo += char;
      }
    }
    return { echo, lines, signals, isEnd };
  }
}
