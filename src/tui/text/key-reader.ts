/**
 * Bytes of a terminal, as keys, mouse and pasted text. A sequence may come in pieces, as over a slow line: what is not whole is
 * kept. Escape alone cannot be told from the beginning of a sequence but by waiting; `flush` says that nothing more has come.
 *
 * Keys are named as the keymap names them: `j` `J` `/` ` ` `C-l` `enter` `esc` `tab` `S-tab` `up` `pagedown` `home` `f1`.
 */
import type { Mouse } from "../model/message.ts";

export type Input =
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "paste"; readonly text: string }
  | ({ readonly type: "mouse" } & Mouse);

/** Somebody pastes a book: the rest of it is dropped. */
const LONGEST_PASTE = 64 * 1024;
/** No sequence of a terminal is longer. */
const LONGEST_SEQUENCE = 64;

const PASTE_BEGINS = "\x1b[200~";
const PASTE_ENDS = "\x1b[201~";

const BY_LETTER: Readonly<Record<string, string>> = {
  A: "up",
  B: "down",
  C: "right",
  D: "left",
  E: "clear",
  F: "end",
  H: "home",
  P: "f1",
  Q: "f2",
  R: "f3",
  S: "f4",
  Z: "S-tab",
};
const BY_NUMBER: Readonly<Record<string, string>> = {
  1: "home",
  2: "insert",
  3: "delete",
  4: "end",
  5: "pageup",
  6: "pagedown",
  7: "home",
  8: "end",
  11: "f1",
  12: "f2",
  13: "f3",
  14: "f4",
  15: "f5",
  17: "f6",
  18: "f7",
  19: "f8",
  20: "f9",
  21: "f10",
  23: "f11",
  24: "f12",
};

export class KeyReader {
  readonly #decoder = new TextDecoder();
  #rest = "";
  #paste: string | null = null;

  /**
   * There is something that may be the beginning of more, and how long to wait for it: a lone Escape is most often the key, what
   * has begun as a sequence nearly never is, and lines can be slow. null: nothing.
   */
  get waitMs(): number | null {
    if (this.#rest === "" || this.#paste !== null) return null;
    return this.#rest === "\x1b" ? 50 : 500;
  }

  read(bytes: Uint8Array): Input[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    return this.#take(false);
  }

  /** Nothing more has come for a while: an Escape is an Escape. */
  flush(): Input[] {
    return this.#take(true);
  }

  #take(isAll: boolean): Input[] {
    const inputs: Input[] = [];
    while (this.#rest !== "") {
      if (this.#paste !== null) {
        if (!this.#pasted(inputs)) break;
        continue;
      }
      if (this.#rest.startsWith(PASTE_BEGINS)) {
        this.#rest = this.#rest.slice(PASTE_BEGINS.length);
        this.#paste = "";
        continue;
      }
      const used = this.#rest[0] === "\x1b" ? sequence(this.#rest, isAll, inputs) : plain(this.#rest, inputs);
      if (used === 0) break;
      this.#rest = this.#rest.slice(used);
    }
    return inputs;
  }

  /** False: its end has not come yet. */
  #pasted(inputs: Input[]): boolean {
    const end = this.#rest.indexOf(PASTE_ENDS);
    // Its end may have been cut, too.
    const upTo = end === -1 ? Math.max(0, this.#rest.length - PASTE_ENDS.length + 1) : end;
    this.#paste = (this.#paste + this.#rest.slice(0, upTo)).slice(0, LONGEST_PASTE);
    this.#rest = this.#rest.slice(end === -1 ? upTo : end + PASTE_ENDS.length);
    if (end === -1) return false;
    inputs.push({ type: "paste", text: this.#paste });
    this.#paste = null;
    return true;
  }
}

function plain(text: string, inputs: Input[]): number {
  const [character = ""] = text;
  inputs.push({ type: "key", key: nameOf(character) });
  return character.length;
}

function nameOf(character: string): string {
  const code = character.charCodeAt(0);
  if (character === "\r" || character === "\n") return "enter";
  if (character === "\t") return "tab";
  if (code === 0x7f || code === 0x08) return "backspace";
  if (code === 0) return "C-space";
  return code < 0x20 ? `C-${String.fromCharCode(code + 0x60)}` : character;
}

/** How many characters were used; 0: more must come. */
function sequence(text: string, isAll: boolean, inputs: Input[]): number {
  const key = (name: string, used: number): number => {
    inputs.push({ type: "key", key: name });
    return used;
  };
  if (text.length === 1) return isAll ? key("esc", 1) : 0;
  if (text.startsWith("\x1b\x1b")) return key("esc", 1);
  const [mouse, button = "", x = "", y = "", end = ""] = /^\x1b\[<(\d{1,4});(\d{1,5});(\d{1,5})([Mm])/.exec(text) ?? [];
  if (mouse !== undefined) {
    const input = mouseOf(Number(button), Number(x) - 1, Number(y) - 1, end === "m");
    if (input !== null) inputs.push(input);
    return mouse.length;
  }
  const [whole, third = "", parameters = "", final = ""] = /^\x1b([[O])([\d;<=>?]*)([ -/]*[@-~])/.exec(text) ?? [];
  if (whole !== undefined) {
    if (third === "[" && final === "M" && parameters === "") return text.length < 6 ? (isAll ? 2 : 0) : 6; // An old mouse: three bytes follow.
    if (third === "[" && parameters === "" && final === "[")
      return text.length < 4 ? (isAll ? 2 : 0) : key(`f${text.charCodeAt(3) - 64}`, 4);
    const [number = "", modifier = ""] = parameters.split(";");
    const name = final === "~" ? BY_NUMBER[number] : BY_LETTER[final];
    // `12;5R` is where the cursor is, an answer; F3 is `R` or `1;2R`.
    if (name !== undefined && (final === "~" || number === "" || number === "1")) key(modified(name, modifier), 0);
    return whole.length;
  }
  if (/^\x1b[[O][\d;<=>?]*$/.test(text) && text.length < LONGEST_SEQUENCE) {
    if (!isAll) return 0;
    return text.length === 2 ? key("esc", 1) : text.length;
  }
  // Alt and a letter: nobody is bound to it, and as Escape and the letter it would do something that nobody meant.
  const [, letter = ""] = [...text];
  return letter === "[" || letter === "O" ? text.length : 1 + letter.length;
}

function modified(name: string, modifier: string): string {
  const bits = Number(modifier || 1) - 1;
  if ((bits & 4) !== 0) return `C-${name}`;
  return (bits & 1) !== 0 && !name.startsWith("S-") ? `S-${name}` : name;
}

function mouseOf(button: number, column: number, row: number, isRelease: boolean): Input | null {
  const at = { type: "mouse", row, column } as const;
  if ((button & 64) !== 0) return { ...at, what: (button & 1) === 0 ? "wheel up" : "wheel down" };
  if ((button & 3) !== 0) return null; // Other buttons are the terminal's.
  if (isRelease) return { ...at, what: "release" };
  return { ...at, what: (button & 32) !== 0 ? "drag" : "press" };
}
