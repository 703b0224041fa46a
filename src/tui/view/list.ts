/** What all lists have: titles with an arrow at the one that sorts, and words where there is nothing. */
import type { ListPlace } from "../model/model.ts";
import { padded, paddedLeft } from "../text/columns.ts";
import type { Box, Canvas } from "./canvas.ts";
import type { Looks } from "./looks.ts";
import { BEFORE_NAME, type Column } from "./titles.ts";

export function drawTitles(
  canvas: Canvas,
  box: Box,
  columns: readonly Column[],
  place: ListPlace,
  { ink, signs }: Looks,
): void {
  let at = box.left + BEFORE_NAME;
  const end = box.left + box.columns;
  for (const { title, columns: wide, isNumber, sort } of columns) {
    const isSorted = sort !== undefined && sort === place.sort;
    const arrow =
      isSorted && (place.sort !== "name" || place.isDescending)
        ? place.isDescending
          ? signs.ascending
          : signs.descending
        : "";
    const text = isNumber ? paddedLeft(arrow + title, wide) : padded(title + arrow, wide);
    canvas.put(box.top, at, text, isSorted && arrow !== "" ? ink.title : ink.dim, Math.min(wide, end - at));
    at += wide + 1;
  }
}

export function drawEmpty(canvas: Canvas, box: Box, lines: readonly string[], { ink }: Looks): void {
  lines.forEach((line, index) => {
    if (index + 2 < box.rows)
      canvas.put(box.top + 2 + index, box.left + BEFORE_NAME, line, ink.dim, box.columns - BEFORE_NAME - 1);
  });
}
