/** What happened, newest first. */

import { eventsShown } from "../model/items.ts";
import type { EventLine, Model } from "../model/model.ts";
import { cut, padded, width } from "../text/columns.ts";
import { instant } from "../text/instant.ts";
import type { Box, Canvas } from "./canvas.ts";
import { drawEmpty } from "./list.ts";
import type { InkName, Looks } from "./looks.ts";
import { calendar, timeOfDay } from "./words.ts";

const LONGEST_SUBJECT = 24;

export function drawEvents(canvas: Canvas, box: Box, model: Model, { ink, signs }: Looks): void {
  const place = model.lists.events;
  const subjectColumns = Math.min(LONGEST_SUBJECT, Math.max(8, ...model.events.map(({ subject }) => width(subject))));
  canvas.put(box.top, box.left + 1, padded("TIME", 10), ink.dim);
  canvas.put(box.top, box.left + 14, padded("ABOUT", subjectColumns + 1), ink.dim);
  canvas.put(box.top, box.left + 15 + subjectColumns, "WHAT", ink.dim);
  const shown = eventsShown(model);
  if (shown.length === 0)
    return drawEmpty(canvas, box, ["nothing has happened since this svcd core began, as far as the filter goes"], {
      ink,
      signs,
    });
  for (let row = 1; row < box.rows; row++) {
    const line = shown[place.top + row - 1];
    if (line === undefined) break;
    const at = box.top + row;
    const when = instant(line.at);
    const isToday = new Date(when).toDateString() === new Date(model.now).toDateString();
    canvas.put(at, box.left + 1, isToday ? timeOfDay(when) : calendar(line.at, model.now), ink.dim, 12);
    canvas.put(
      at,
      box.left + 14,
      cut(line.subject, subjectColumns, signs.more),
      line.weight === "quiet" ? ink.text : ink.strong,
      subjectColumns,
    );
    const from = box.left + 15 + subjectColumns;
    canvas.put(at, from, cut(line.text, box.columns - from - 1, signs.more), ink[INK[line.weight]]);
    if (line.id === place.chosen) canvas.choose(at, box.left, box.columns, ink.chosen);
  }
}

const INK: Readonly<Record<EventLine["weight"], InkName>> = { quiet: "dim", good: "good", warn: "warn", bad: "bad" };
