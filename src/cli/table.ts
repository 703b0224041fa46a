/**
 * Lines of aligned columns. Where there is a width, the last column is cut to it; a pipe gets every word.
 */
import { cut, pad, width } from "./text.ts";

export interface Cell {
  readonly text: string;
  /** Adds colour around the finished cell; must not change what is seen. */
  readonly paint?: (text: string) => string;
}

const GAP = "  ";

/** `columns: null`: nothing is cut. The lines have no trailing blanks. */
export function table(rows: readonly (readonly Cell[])[], columns: number | null): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (let index = 0; index < row.length - 1; index++) {
      widths[index] = Math.max(widths[index] ?? 0, width(row[index]!.text));
    }
  }
  return rows.map((row) => {
    let left = columns ?? Number.POSITIVE_INFINITY;
    const cells = row.map((cell, index) => {
      const isLast = index === row.length - 1;
      const room = Math.max(0, left);
      const fitting = columns === null ? cell.text : cut(cell.text, room);
      const columnWidth = Math.min(widths[index]!, room);
      const text = isLast ? fitting : pad(fitting, columnWidth);
      if (!isLast) left -= columnWidth + GAP.length;
      return cell.paint === undefined || text === "" ? text : cell.paint(text);
    });
    return cells.join(GAP).trimEnd();
  });
}
