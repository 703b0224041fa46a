/** From the model to the screen. Looks at nothing else, so a picture of any moment can be made and read in a test. */
import type { Keymap } from "../model/keymap.ts";
import type { Model } from "../model/model.ts";
import { Canvas } from "./canvas.ts";
import { drawEvents } from "./events.ts";
import { drawFooter, drawHeader, drawTabs } from "./frame.ts";
import { drawJobs } from "./jobs.ts";
import { isTooSmall, LEAST_COLUMNS, LEAST_ROWS, layout } from "./layout.ts";
import { type Looks, looksOf } from "./looks.ts";
import { machinePage } from "./machine.ts";
import { drawOverlay } from "./overlays.ts";
import { drawPage } from "./page.ts";
import { drawPane } from "./pane.ts";
import { drawServices } from "./services.ts";
import { tunnelsPage } from "./tunnels.ts";

export function draw(model: Model, keymap: Keymap): Canvas {
  const canvas = new Canvas(model.columns, model.rows);
  const looks = looksOf(model.depth, model.theme, model.hasUnicode);
  if (isTooSmall(model)) {
    drawTooSmall(canvas, model, looks);
    return canvas;
  }
  drawHeader(canvas, model, looks);
  drawTabs(canvas, model, looks);
  const { list } = layout(model);
  if (list !== null) {
    switch (model.view) {
      case "services":
        drawServices(canvas, list, model, looks);
        break;
      case "jobs":
        drawJobs(canvas, list, model, looks);
        break;
      case "events":
        drawEvents(canvas, list, model, looks);
        break;
      case "machine":
        drawPage(canvas, list, machinePage(model, list.columns, looks), model.paneTop, looks);
        break;
      case "tunnels":
        drawPage(canvas, list, tunnelsPage(model, list.columns, looks), model.paneTop, looks);
        break;
      case "logs":
        break;
    }
  }
  drawPane(canvas, model, keymap, looks);
  drawFooter(canvas, model, keymap, looks);
  drawOverlay(canvas, model, keymap, looks);
  return canvas;
}

function drawTooSmall(canvas: Canvas, { columns, rows }: Model, { ink }: Looks): void {
  const lines = [
    `svctl tui needs ${LEAST_COLUMNS}x${LEAST_ROWS};`,
    `this terminal has ${columns}x${rows}.`,
    "Make it larger, or leave",
    "with q: svctl status fits.",
  ];
  const top = Math.max(0, Math.floor((rows - lines.length) / 2));
  lines.forEach((line, row) => {
    canvas.put(top + row, Math.max(0, Math.floor((columns - line.length) / 2)), line, ink.text);
  });
}
