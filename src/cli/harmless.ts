/**
 * Output of services on its way to a terminal: colours stay, everything else that a terminal would obey is dropped
 * (moving the cursor, renaming the window, answering as if typed). Works on pieces as they come, wherever they are cut.
 */

export interface Harmless {
  next(bytes: Uint8Array): string;
}

const ESC = 0x1b;
const BEL = 0x07;
/** Longer "colours" are none. */
const LONGEST_SEQUENCE = 64;

export function harmless(): Harmless {
  const decoder = new TextDecoder("utf-8"); // Keeps an unfinished letter for the next piece.
  const filter = new Filter();
  return { next: (bytes) => filter.next(decoder.decode(bytes, { stream: true })) };
}

/** The same for a line that is complete. */
export function harmlessLine(bytes: Uint8Array): string {
  return new Filter().next(new TextDecoder().decode(bytes));
}

class Filter {
  /**
   * text · after ESC · in a CSI sequence (`ESC [ … letter`) · in a string (`ESC ] …` up to BEL or `ESC \`), which is
   * dropped whole · after the ESC in a string.
   */
  #at: "text" | "escape" | "csi" | "string" | "string escape" = "text";
  #sequence = "";

  next(text: string): string {
    let out = "";
    for (const character of text) out += this.#take(character, character.codePointAt(0)!);
    return out;
  }

  #take(character: string, code: number): string {
    switch (this.#at) {
      case "text":
        return this.#text(character, code);
      case "escape":
        this.#at = character === "[" ? "csi" : "]P^_X".includes(character) ? "string" : "text";
        // `ESC ( B` and the like have letters in between.
        if (code >= 0x20 && code <= 0x2f) this.#at = "escape";
        return "";
      case "csi":
        return this.#csi(character, code);
      case "string":
        if (code === BEL || code === 0x9c) this.#at = "text";
        else if (code === ESC) this.#at = "string escape";
        else if (code === 0x0a) return this.#backToText("\n"); // A string that was never closed must not eat the log.
        return "";
      case "string escape":
        this.#at = character === "\\" ? "text" : "string";
        return "";
    }
  }

  #text(character: string, code: number): string {
    if (code === ESC) {
      this.#at = "escape";
      return "";
    }
    if (code === 0x9b) {
      this.#at = "csi";
      this.#sequence = "";
      return "";
    }
    const isControl = code < 0x20 || (code >= 0x7f && code <= 0x9f);
    return isControl && !"\n\r\t".includes(character) ? "" : character;
  }

  #csi(character: string, code: number): string {
    if (code >= 0x40 && code <= 0x7e) {
      const isColour = character === "m" && /^[\d;:]*$/.test(this.#sequence);
      return this.#backToText(isColour ? `\x1b[${this.#sequence}m` : "");
    }
    if (code < 0x20 || code > 0x7e || this.#sequence.length >= LONGEST_SEQUENCE) {
      return this.#backToText("") + this.#text(character, code);
    }
    this.#sequence += character;
    return "";
  }

  #backToText(out: string): string {
    this.#at = "text";
    this.#sequence = "";
    return out;
  }
}
