/**
 * What stands on the screen: a grid of cells that views draw into. Nothing can be drawn outside the box that was asked for,
 * whatever the text is.
 */
import { type Attr, over, PLAIN } from "../text/attr.ts";
import { cells } from "../text/columns.ts";

export interface Box {
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
}

export interface Piece {
  readonly text: string;
  readonly attr?: Attr;
}

export class Canvas {
  readonly columns: number;
  readonly rows: number;
  /** By row; the second cell of a wide character is empty text. */
  readonly glyphs: string[][] = [];
  readonly attrs: Attr[][] = [];

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
    for (let row = 0; row < rows; row++) {
      this.glyphs.push(new Array<string>(columns).fill(" "));
      this.attrs.push(new Array<Attr>(columns).fill(PLAIN));
    }
  }

  /** Draws from `column` on, at most `most` columns; answers with the column after it. */
  put(row: number, column: number, text: string, attr: Attr = PLAIN, most = Number.POSITIVE_INFINITY): number {
    const glyphs = this.glyphs[row];
    const attrs = this.attrs[row];
    if (glyphs === undefined || attrs === undefined) return column;
    const end = Math.min(this.columns, column + most);
    let at = column;
    cells(text, (glyph, columns) => {
      if (at + columns > end) {
        at = Math.max(at, Math.min(end, at + columns)); // Half a character is none.
        return;
      }
      if (at >= 0) {
        glyphs[at] = glyph;
        attrs[at] = attr;
        if (columns === 2) {
          glyphs[at + 1] = "";
          attrs[at + 1] = attr;
        }
      }
      at += columns;
    });
    return Math.min(at, end);
  }

  putAll(row: number, column: number, pieces: readonly Piece[], most = Number.POSITIVE_INFINITY): number {
    const end = Math.min(this.columns, column + most);
    let at = column;
    for (const { text, attr } of pieces) {
      if (at >= end) break;
      at = this.put(row, at, text, attr ?? PLAIN, end - at);
    }
    return at;
  }

  fill(row: number, column: number, columns: number, glyph: string, attr: Attr = PLAIN): void {
    const end = Math.min(this.columns, column + columns);
    for (let at = Math.max(0, column); at < end; at++) {
      if (this.glyphs[row] === undefined) return;
      this.glyphs[row]![at] = glyph;
      this.attrs[row]![at] = attr;
    }
  }

  clear({ top, left, rows, columns }: Box, attr: Attr = PLAIN): void {
    for (let row = top; row < top + rows; row++) this.fill(row, left, columns, " ", attr);
  }

  /** Marks a part of a row as chosen; what its cells say for themselves stays. */
  choose(row: number, column: number, columns: number, chosen: Attr): void {
    const attrs = this.attrs[row];
    if (attrs === undefined) return;
    const end = Math.min(this.columns, column + columns);
    for (let at = Math.max(0, column); at < end; at++) attrs[at] = over(attrs[at]!, chosen);
  }

  /** Everything that is on it, one line for each row, without what is blank at the end. */
  text(): string {
    return this.glyphs.map((row) => row.join("").trimEnd()).join("\n");
  }
}
