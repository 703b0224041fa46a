/**
 * What a program prints, taken apart as a terminal does (ECMA-48): text to print, control characters, and CSI sequences; strings that
 * are meant for the terminal itself (titles, clipboards, graphics) are swallowed here. Pieces may be cut anywhere.
 */

/** What is done with the parts, in order. */
export interface Parts {
  /** No control character is in it. */
  print(text: string): void;
  /** C0 and C1, but those that begin a sequence. */
  control(code: number): void;
  /** `ESC [ parameters final` */
  csi(final: string, parameters: string): void;
  /** `ESC final` */
  escape(final: string): void;
}

/** Longer ones are nonsense, and must not swallow the rest of the log. */
const LONGEST_CSI = 128;
const LONGEST_STRING = 65_536;

const NEWLINE = 0x0a;
const ESC = 0x1b;

export class EscapeReader {
  #state: "ground" | "escape" | "csi" | "string" | "string escape" | "charset" = "ground";
  #sequence = "";
  #swallowed = 0;

  read(text: string, parts: Parts): void {
    for (let index = 0; index < text.length; ) {
      if (this.#state === "ground") {
        const end = endOfPrintable(text, index);
        if (end > index) {
          parts.print(text.slice(index, end));
          index = end;
          continue;
        }
      }
      this.#take(text[index]!, parts);
      index++;
    }
  }

  #take(character: string, parts: Parts): void {
    const code = character.charCodeAt(0);
    switch (this.#state) {
      case "ground":
        return this.#control(code, parts);
      case "escape":
        return this.#escaped(character, code, parts);
      case "charset":
        this.#state = "ground";
        if (code < 0x20) this.#control(code, parts);
        return;
      case "csi":
        return this.#inCsi(character, code, parts);
      case "string":
        return this.#inString(code, parts);
      case "string escape":
        this.#state = "ground";
        if (character !== "\\") this.#escaped(character, code, parts);
    }
  }

  #control(code: number, parts: Parts): void {
    switch (code) {
      case ESC:
        this.#state = "escape";
        return;
      case 0x9b:
        this.#begin("csi");
        return;
      case 0x90:
      case 0x98:
      case 0x9d:
      case 0x9e:
      case 0x9f:
        this.#begin("string");
        return;
      default:
        parts.control(code);
    }
  }

  #escaped(character: string, code: number, parts: Parts): void {
    this.#state = "ground";
    if (character === "[") this.#begin("csi");
    else if ("]PX^_".includes(character)) this.#begin("string");
    else if ("()*+-./#% ".includes(character)) this.#state = "charset";
    else if (code < 0x20 || code >= 0x7f) this.#control(code, parts);
    else parts.escape(character);
  }

  #begin(state: "csi" | "string"): void {
    this.#state = state;
    this.#sequence = "";
    this.#swallowed = 0;
  }

  #inCsi(character: string, code: number, parts: Parts): void {
    if (code >= 0x40 && code <= 0x7e) {
      this.#state = "ground";
      parts.csi(character, this.#sequence);
    } else if (code < 0x20 || this.#sequence.length >= LONGEST_CSI) {
      this.#state = "ground";
      if (code < 0x20) this.#control(code, parts);
    } else this.#sequence += character;
  }

  #inString(code: number, parts: Parts): void {
    if (code === ESC) this.#state = "string escape";
    else if (code === 0x07 || code === 0x9c) this.#state = "ground";
    else if (code === NEWLINE || ++this.#swallowed >= LONGEST_STRING) {
      this.#state = "ground"; // It was cut off: what follows is output again.
      if (code === NEWLINE) parts.control(code);
    }
  }
}

function endOfPrintable(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) break;
  }
  return at;
}
