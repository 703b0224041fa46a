/**
 * Whole lines out of pieces of bytes, so that merged logs never mix two services in one line.
 */

/** Where a service writes no line breaks at all, memory stays bounded and the line is split after all. */
export const LONGEST_LINE = 1024 * 1024;

const NEWLINE = 10;

export class Lines {
  readonly #whole: (line: Uint8Array) => void;
  #pieces: Uint8Array[] = [];
  #length = 0;

  /** `whole` gets each line with its newline; the last one may have none. */
  constructor(whole: (line: Uint8Array) => void) {
    this.#whole = whole;
  }

  push(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      const newline = rest.indexOf(NEWLINE);
      const room = LONGEST_LINE - this.#length;
      const end = newline >= 0 && newline < room ? newline + 1 : Math.min(rest.length, room);
      this.#pieces.push(rest.subarray(0, end));
      this.#length += end;
      const isWhole = newline >= 0 && newline < room;
      if (isWhole || this.#length >= LONGEST_LINE) this.end();
      rest = rest.subarray(end);
    }
  }

  /** Gives away what is left. */
  end(): void {
    if (this.#length === 0) return;
    const line = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    this.#whole(line);
  }
}
