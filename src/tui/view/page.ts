/** A page of text in a pane: lines that are scrolled, with what is more than there is room for told at the edge. */
import { cut, wrapped } from "../text/columns.ts";
import type { Box, Canvas, Piece } from "./canvas.ts";
import type { InkName, Looks } from "./looks.ts";

export type PageLine = readonly Piece[];

/** Collects lines as one would say them; what is too long is broken at blanks and stands below itself. */
export class PageWriter {
  readonly lines: PageLine[] = [];
  readonly #columns: number;
  readonly #looks: Looks;

  constructor(columns: number, looks: Looks) {
    this.#columns = columns;
    this.#looks = looks;
  }

  title(text: string): void {
    if (this.lines.length > 0) this.lines.push([]);
    this.lines.push([{ text: ` ${text}`, attr: this.#looks.ink.title }]);
  }

  /** `label   text`, labels below each other. */
  fact(label: string, text: string, name: InkName = "text", labelColumns = 9): void {
    const { ink } = this.#looks;
    const room = Math.max(10, this.#columns - labelColumns - 3);
    wrapped(text, room).forEach((part, index) => {
      this.lines.push([
        { text: ` ${(index === 0 ? label : "").padEnd(labelColumns)} `, attr: ink.dim },
        { text: part, attr: ink[name] },
      ]);
    });
  }

  text(text: string, name: InkName = "text", indent = 1): void {
    for (const part of wrapped(text, Math.max(10, this.#columns - indent - 1))) {
      this.lines.push([{ text: " ".repeat(indent) + part, attr: this.#looks.ink[name] }]);
    }
  }

  /** As it is, cut at the edge. */
  line(...pieces: readonly Piece[]): void {
    this.lines.push(pieces);
  }
}

/** The first line that is shown: never so far down that nothing would be. */
export function topOfPage(asked: number, count: number, rows: number): number {
  return Math.max(0, Math.min(asked, count - rows));
}

export function drawPage(
  canvas: Canvas,
  box: Box,
  lines: readonly PageLine[],
  asked: number,
  { ink, signs }: Looks,
): void {
  const top = topOfPage(asked, lines.length, box.rows);
  for (let row = 0; row < box.rows; row++) {
    const line = lines[top + row];
    if (line === undefined) break;
    canvas.putAll(box.top + row, box.left, line, box.columns - 1);
  }
  const below = lines.length - top - box.rows;
  if (below > 0) {
    const text = `  ${signs.descending} ${below} more `;
    canvas.put(box.top + box.rows - 1, box.left + box.columns - text.length - 1, cut(text, box.columns), ink.dim);
  }
}
