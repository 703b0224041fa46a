/**
 * The output of a program as a terminal would show it, as lines that can be scrolled: carriage returns overwrite, colours
 * colour, a progress bar that moves the cursor up redraws itself. Everything else that a terminal would obey (titles, clipboards,
 * questions, other screens) is swallowed: whatever a program prints, out come characters and attributes.
 *
 * Lines have numbers that stay: the oldest are given up when there are too many, and nobody's place moves for it.
 */
import { type Attr, PLAIN } from "./attr.ts";
import { cells, columnsOf, MOST_MARKS } from "./columns.ts";
import { EscapeReader } from "./escape-reader.ts";
import { afterSgr } from "./sgr.ts";
import { lengthOf, type Open, spansOf, type TextLine } from "./text-line.ts";

export type { Span, TextLine } from "./text-line.ts";

/** Enough to scroll through an hour of a talkative service; some 10 MB at the worst. */
const MOST_LINES = 20_000;
const MOST_CHARACTERS = 6_000_000;
/** A line without an end is cut there, as on a screen that is so wide. */
const LONGEST_LINE = 8_192;
/** How far up a program may move the cursor: the bars of a download tool, not the log above them. */
const FARTHEST_UP = 100;

export class TerminalText {
  /** Number of the oldest line that is kept. */
  first = 0;
  /** Grows whenever something changes. */
  version = 0;
  readonly #most: number;
  readonly #lines: TextLine[] = [];
  /** The line that the cursor is in, as cells; its place in #lines holds what it was. */
  #open: Open = { glyphs: [], attrs: [], at: null };
  /** Index in #lines of the open line; equal to its length for the last one. */
  #row = 0;
  #column = 0;
  #attr: Attr = PLAIN;
  readonly #reader = new EscapeReader();
  /** When the text came that is being read. */
  #now: number | null = null;
  #characters = 0;
  /** Program output begins in this line of #lines; the cursor goes no further up. */
  #floor = 0;

  constructor(mostLines = MOST_LINES) {
    this.#most = mostLines;
  }

  /** Number after the last line. The line that is being written counts once it has something. */
  get end(): number {
    const hasOpen = this.#row === this.#lines.length && this.#open.glyphs.length > 0;
    return this.first + this.#lines.length + (hasOpen ? 1 : 0);
  }

  /** For whoever takes whole lines out of it: number of the next one. */
  taken = 0;

  /** Number after the last line that a newline has ended. */
  get whole(): number {
    return this.first + Math.min(this.#row, this.#lines.length);
  }

  line(number: number): TextLine | null {
    const index = number - this.first;
    if (index === this.#row) return { spans: spansOf(this.#open), at: this.#open.at };
    return this.#lines[index] ?? null;
  }

  plain(number: number): string {
    return (
      this.line(number)
        ?.spans.map(({ text }) => text)
        .join("") ?? ""
    );
  }

  /** `at`: when it came; null: nobody knows. */
  write(text: string, at: number | null): void {
    this.version++;
    this.#now = at;
    this.#reader.read(text, {
      print: (printed) => this.#print(printed),
      control: (code) => this.#control(code),
      csi: (final, parameters) => this.#csi(final, parameters),
      escape: (final) => this.#escape(final),
    });
    this.#trim();
  }

  /** A line of the reader's own, below what there is. */
  mark(text: string, at: number): void {
    this.version++;
    this.#goTo(Math.max(this.#lines.length - 1, this.#row));
    if (this.#open.glyphs.length > 0) this.#finish();
    this.#lines.push({ spans: [{ text, attr: PLAIN }], at, isMark: true });
    this.#begin();
    this.#floor = this.#row;
  }

  /** A whole line of somebody else's text. */
  push(line: TextLine): void {
    this.version++;
    this.#lines.push(line);
    this.#characters += lengthOf(line);
    this.#row = this.#lines.length;
    this.#floor = this.#row;
    this.#trim();
  }

  #print(text: string): void {
    const { glyphs, attrs } = this.#open;
    this.#open.at ??= this.#now;
    if (text.charCodeAt(0) >= 0x80) this.#addMarks(text);
    cells(text, (glyph, columns) => {
      if (this.#column + columns > LONGEST_LINE) return;
      while (glyphs.length < this.#column) {
        glyphs.push(" ");
        attrs.push(PLAIN);
      }
      // Half of a wide character that was there is a blank.
      if (glyphs[this.#column] === "") glyphs[this.#column - 1] = " ";
      if (glyphs[this.#column + columns] === "") glyphs[this.#column + columns] = " ";
      glyphs[this.#column] = glyph;
      attrs[this.#column] = this.#attr;
      if (columns === 2) {
        glyphs[this.#column + 1] = "";
        attrs[this.#column + 1] = this.#attr;
      }
      this.#column += columns;
    });
  }

  /** Marks at the beginning belong to what was written before: pieces are cut anywhere. */
  #addMarks(text: string): void {
    const { glyphs } = this.#open;
    const at = glyphs[this.#column - 1] === "" ? this.#column - 2 : this.#column - 1;
    for (const character of text) {
      const columns = columnsOf(character);
      if (columns > 0) return;
      if (columns < 0) continue; // Left out, so what follows it stands beside what was before.
      const glyph = glyphs[at];
      if (glyph !== undefined && [...glyph].length <= MOST_MARKS) glyphs[at] = glyph + character;
    }
  }

  #escape(final: string): void {
    if (final === "M") this.#up(1);
    else if (final === "E" || final === "D") this.#newLine();
  }

  #control(code: number): void {
    switch (code) {
      case 0x0a:
      case 0x0b:
      case 0x0c:
      case 0x85:
        return this.#newLine();
      case 0x0d:
        this.#column = 0;
        return;
      case 0x08:
        this.#column = Math.max(0, this.#column - 1);
        return;
      case 0x09:
        this.#column = Math.min((Math.floor(this.#column / 8) + 1) * 8, LONGEST_LINE - 1);
        return;
    }
  }

  #csi(final: string, parameters: string): void {
    if (final === "m" && !/^[<=>?]/.test(parameters)) {
      this.#attr = afterSgr(this.#attr, parameters);
      return;
    }
    if (!/^[\d;]*$/.test(parameters)) return; // Private modes: nothing that a line could show.
    const count = Math.min(Math.max(1, Number.parseInt(parameters, 10) || 1), LONGEST_LINE);
    switch (final) {
      case "A":
        return this.#up(count);
      case "F":
        this.#column = 0;
        return this.#up(count);
      case "B":
        return this.#down(count);
      case "E":
        this.#column = 0;
        return this.#down(count);
      case "C":
        this.#column = Math.min(this.#column + count, LONGEST_LINE - 1);
        return;
      case "D":
        this.#column = Math.max(0, this.#column - count);
        return;
      case "G":
      case "`":
        this.#column = count - 1;
        return;
      case "K":
        return this.#eraseLine(parameters);
      case "J":
        return this.#eraseScreen(parameters);
      case "H":
      case "f": {
        // Somebody draws a whole screen: its lines follow one another here.
        const column = Number.parseInt(parameters.split(";")[1] ?? "1", 10) || 1;
        if (this.#open.glyphs.length > 0) this.#newLine();
        this.#column = Math.min(column, LONGEST_LINE) - 1;
        return;
      }
      case "P": {
        this.#open.glyphs.splice(this.#column, count);
        this.#open.attrs.splice(this.#column, count);
        return;
      }
      case "X": {
        const end = Math.min(this.#column + count, this.#open.glyphs.length);
        for (let at = this.#column; at < end; at++) this.#open.glyphs[at] = " ";
      }
    }
  }

  #eraseLine(parameters: string): void {
    const { glyphs, attrs } = this.#open;
    if (parameters === "1") for (let at = 0; at <= this.#column && at < glyphs.length; at++) glyphs[at] = " ";
    else {
      const from = parameters === "2" ? 0 : this.#column;
      glyphs.length = Math.min(glyphs.length, from);
      attrs.length = glyphs.length;
    }
  }

  /** Below the cursor is what the program is about to draw again; above it is the log, which stays. */
  #eraseScreen(parameters: string): void {
    if (parameters !== "" && parameters !== "0") return;
    this.#eraseLine("");
    if (this.#row < this.#lines.length) this.#lines.length = this.#row + 1;
  }

  #newLine(): void {
    if (this.#row < this.#lines.length - 1) this.#goTo(this.#row + 1);
    else {
      this.#finish();
      this.#begin();
    }
    this.#open.at ??= this.#now;
    this.#column = 0;
  }

  #up(count: number): void {
    const least = Math.max(this.#floor, this.#lines.length - FARTHEST_UP, 0);
    this.#goTo(Math.max(Math.min(least, this.#row), this.#row - count));
  }

  #down(count: number): void {
    for (let step = 0; step < count && this.#row < this.#lines.length; step++) this.#goTo(this.#row + 1);
  }

  #goTo(row: number): void {
    if (row === this.#row) return;
    this.#store();
    this.#row = row;
    const line = this.#lines[row];
    this.#open = { glyphs: [], attrs: [], at: line?.at ?? null };
    for (const { text, attr } of line?.spans ?? []) {
      cells(text, (glyph, columns) => {
        this.#open.glyphs.push(glyph);
        this.#open.attrs.push(attr);
        if (columns === 1) return;
        this.#open.glyphs.push("");
        this.#open.attrs.push(attr);
      });
    }
  }

  /** What the open line is now stands in its place. */
  #store(): void {
    const line = { spans: spansOf(this.#open), at: this.#open.at };
    const before = this.#lines[this.#row];
    if (this.#row === this.#lines.length && this.#open.glyphs.length === 0) return;
    this.#characters += lengthOf(line) - (before === undefined ? 0 : lengthOf(before));
    this.#lines[this.#row] = line;
  }

  #finish(): void {
    const line = { spans: spansOf(this.#open), at: this.#open.at };
    const before = this.#lines[this.#row];
    this.#characters += lengthOf(line) - (before === undefined ? 0 : lengthOf(before));
    this.#lines[this.#row] = line;
  }

  #begin(): void {
    this.#row = this.#lines.length;
    this.#open = { glyphs: [], attrs: [], at: null };
    this.#column = 0;
  }

  #trim(): void {
    if (this.#lines.length <= this.#most && this.#characters <= MOST_CHARACTERS) return;
    // Some more than needed, so that it is not done for every line.
    const tenth = Math.ceil(this.#most / 10);
    let give = Math.max(0, this.#lines.length - this.#most + tenth);
    let characters = 0;
    for (let index = 0; index < this.#row; index++) {
      if (index >= give && this.#characters - characters <= MOST_CHARACTERS) break;
      characters += lengthOf(this.#lines[index]!);
      give = Math.max(give, index + 1);
    }
    give = Math.min(give, this.#row);
    this.#lines.splice(0, give);
    this.first += give;
    this.#row -= give;
    this.#floor = Math.max(0, this.#floor - give);
    this.#characters -= characters;
  }
}
