/** A log in its box: each line as its program meant it, cut or wrapped, with hits of the search marked. Nothing leaves the box. */
import { firstLine, matcher, nameColumns, topOf } from "../model/logs.ts";
import type { Model, OpenLog } from "../model/model.ts";
import { type Attr, over } from "../text/attr.ts";
import { cells, cut, padded } from "../text/columns.ts";
import type { TextLine } from "../text/terminal-text.ts";
import type { Box, Canvas } from "./canvas.ts";
import type { Looks } from "./looks.ts";
import { timeOfDay } from "./words.ts";

/** One colour for each name, none of them loud. */
const NAME_COLOURS = ["key", "good", "warn", "title", "busy"] as const;

export function drawLog(canvas: Canvas, box: Box, log: OpenLog, model: Model, looks: Looks): void {
  const { ink } = looks;
  const { text, place, flaw, source } = log;
  if (text.end <= firstLine(log, model.now)) {
    canvas.put(box.top, box.left + 1, cut(flaw ?? emptyWords(log, model), box.columns - 2), ink.dim);
    return;
  }
  const top = topOf(log, box.rows, box.columns, model.now);
  const pattern = place.search === null ? null : matcher(place.search);
  let row = -top.skip;
  for (let number = top.line; number < text.end && row < box.rows; number++) {
    const line = text.line(number);
    if (line === null) continue;
    if (line.isMark) {
      drawMark(canvas, box, box.top + row, line, looks);
      row++;
      continue;
    }
    let left = box.left;
    const margin: [string, Attr][] = [];
    if (place.showsTimes) margin.push([line.at === null ? " ".repeat(9) : `${timeOfDay(line.at)} `, ink.dim]);
    if (source.kind === "merged") {
      const wide = nameColumns(source.names);
      const at = source.names.indexOf(line.from ?? "");
      margin.push([
        `${padded(cut(line.from ?? "", wide), wide)} ${looks.signs.down} `,
        ink[NAME_COLOURS[Math.max(0, at) % NAME_COLOURS.length]!],
      ]);
    }
    for (const [words, attr] of margin) {
      if (row >= 0) canvas.put(box.top + row, left, words, attr, box.left + box.columns - left);
      left += words.length;
    }
    row += drawLine(
      canvas,
      { top: box.top + row, left, rows: box.rows - row, columns: box.left + box.columns - left },
      line,
      {
        pattern,
        wraps: place.wraps,
        shift: place.shift,
        found: place.search?.at === number ? ink.found : null,
        hit: ink.found,
        least: box.top,
        isColourless: model.depth === 0,
      },
    );
  }
}

interface Drawing {
  readonly pattern: RegExp | null;
  readonly wraps: boolean;
  readonly shift: number;
  readonly found: Attr | null;
  readonly hit: Attr;
  /** First row that may be drawn. */
  readonly least: number;
  readonly isColourless: boolean;
}

/** Answers with how many rows it took. */
function drawLine(
  canvas: Canvas,
  box: Box,
  line: TextLine,
  { pattern, wraps, shift, hit, least, isColourless }: Drawing,
): number {
  const hits = pattern === null ? [] : rangesOf(pattern, line);
  let row = 0;
  let column = wraps ? 0 : -shift;
  let at = 0;
  for (const span of line.spans) {
    cells(span.text, (glyph, columns) => {
      const attr = hits.some(([from, to]) => at >= from && at < to)
        ? hit
        : isColourless
          ? uncoloured(span.attr)
          : span.attr;
      at += glyph.length;
      if (wraps && column + columns > box.columns && box.columns >= columns) {
        row++;
        column = 0;
      }
      const y = box.top + row;
      if (column >= 0 && column + columns <= box.columns && row < box.rows && y >= least)
        canvas.put(y, box.left + column, glyph, attr);
      column += columns;
    });
  }
  return row + 1;
}

function uncoloured(attr: Attr): Attr {
  return (attr & ~0x3ffff) | 0x3ffff;
}

function rangesOf(pattern: RegExp, line: TextLine): [number, number][] {
  const whole = line.spans.map(({ text }) => text).join("");
  pattern.lastIndex = 0;
  const ranges: [number, number][] = [];
  for (const match of whole.matchAll(pattern)) {
    if (match[0] !== "") ranges.push([match.index, match.index + match[0].length]);
    if (ranges.length >= 100) break;
  }
  return ranges;
}

function drawMark(canvas: Canvas, box: Box, row: number, line: TextLine, { ink, signs }: Looks): void {
  if (row < box.top) return;
  canvas.fill(row, box.left + 1, box.columns - 2, signs.rule, ink.warn);
  canvas.put(row, box.left + 4, ` ${line.spans[0]?.text ?? ""} `, ink.warn);
  canvas.choose(row, box.left, 0, over(ink.warn, ink.chosen));
}

function emptyWords({ source, isOver, place }: OpenLog, model: Model): string {
  if (model.connection !== "there") return "";
  if (place.range !== "tail" && place.range !== "all" && place.range !== "run")
    return `nothing came in the last ${place.range}`;
  if (place.from > 0) return "cleared; what comes now stands here (0 shows all)";
  if (source.kind === "merged" && source.names.length === 0) return "no services";
  return isOver ? "it wrote nothing" : "nothing written yet";
}
