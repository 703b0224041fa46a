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
  const last = Math.max(0, ...rows.map((row) => row.length)) - 1;
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, index) => {
      widths[index] = Math.max(widths[index] ?? 0, width(cell.text));
    });
  }
  return rows.map((row) => {
    let left = columns ?? Number.POSITIVE_INFINITY;
    const cells = row.map((cell, index) => {
      const isLast = index === row.length - 1 || index === last;
      const fitting = columns === null ? cell.text : cut(cell.text, Math.max(0, left));
      const text = isLast ? fitting : pad(fitting, Math.min(widths[index]!, Math.max(0, left)));
      left -= width(text) + GAP.length;
      return cell.paint === undefined ? text : cell.paint(text);
    });
    return cells.join(GAP).trimEnd();
  });
}
