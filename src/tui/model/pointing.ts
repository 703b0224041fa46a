/** The mouse: what is under the pointer is chosen, scrolled, sorted; never more than a key could do. */

import { draw } from "../view/draw.ts";
import { layout, listRows, tabsOf } from "../view/layout.ts";
import { sortAt } from "../view/titles.ts";
import { act, chosen, type Outcome, viewed } from "./act.ts";
import { itemsOf, moved } from "./items.ts";
import type { Keymap } from "./keymap.ts";
import { sortedBy } from "./list-actions.ts";
import { copied } from "./log-actions.ts";
import { scrolled } from "./logs.ts";
import type { Mouse } from "./message.ts";
import type { Model } from "./model.ts";

const WHEEL_LINES = 3;

export function withMouse(model: Model, mouse: Mouse, keymap: Keymap): Outcome {
  const { overlay } = model;
  if (overlay !== null) {
    // Beside a dialog a click closes it, as Esc does; nothing is done by a click that a person may not have meant.
    if (overlay.is === "help" && mouse.what.startsWith("wheel")) {
      const by = mouse.what === "wheel up" ? -WHEEL_LINES : WHEEL_LINES;
      return [{ ...model, overlay: { ...overlay, top: Math.max(0, overlay.top + by) } }, []];
    }
    return mouse.what === "press" && (overlay.is === "help" || overlay.is === "palette")
      ? [{ ...model, overlay: null }, []]
      : [model, []];
  }
  if (mouse.what === "wheel up" || mouse.what === "wheel down") return [wheeled(model, mouse), []];
  switch (mouse.what) {
    case "press":
      return pressed(model, mouse, keymap);
    case "drag":
      return [dragged(model, mouse), []];
    case "release":
      return model.drawn === null ? [model, []] : released(model, model.drawn, keymap);
  }
}

/** Over a log: whole rows, as nobody wants half a line of it. */
function dragged(model: Model, { row }: Mouse): Model {
  const { pane } = layout(model);
  if (pane === null || model.drawn === null) return model;
  const to = Math.min(Math.max(row, pane.top), pane.top + pane.rows - 1);
  return { ...model, drawn: { ...model.drawn, to } };
}

/** What stood there goes to the clipboard; a click that did not move copies nothing. */
function released(model: Model, { from, to }: NonNullable<Model["drawn"]>, keymap: Keymap): Outcome {
  const next: Model = { ...model, drawn: null };
  const { pane } = layout(model);
  if (pane === null || from === to) return [next, []];
  const { glyphs } = draw(next, keymap);
  const rows = glyphs.slice(Math.min(from, to), Math.max(from, to) + 1);
  return copied(
    next,
    rows.map((cells) =>
      cells
        .slice(pane.left, pane.left + pane.columns)
        .join("")
        .trimEnd(),
    ),
  );
}

function wheeled(model: Model, { what, row, column }: Mouse): Model {
  const by = what === "wheel up" ? -WHEEL_LINES : WHEEL_LINES;
  const { pane, list } = layout(model);
  const isIn = (box: typeof pane) =>
    box !== null &&
    row >= box.top - 1 &&
    row < box.top + box.rows &&
    column >= box.left &&
    column < box.left + box.columns;
  if (isIn(pane)) {
    return model.view === "logs" || model.pane === "log"
      ? scrolled(model, by)
      : { ...model, paneTop: Math.max(0, model.paneTop + by) };
  }
  if (!isIn(list)) return model;
  if (model.view === "machine" || model.view === "tunnels")
    return { ...model, paneTop: Math.max(0, model.paneTop + by) };
  const place = moved(model.lists[model.view], itemsOf(model), by, listRows(model));
  return { ...model, lists: { ...model.lists, [model.view]: place } };
}

function pressed(model: Model, { row, column }: Mouse, keymap: Keymap): Outcome {
  const { tabs, list, pane } = layout(model);
  if (row === tabs) {
    const tab = tabsOf(model).find(({ column: at, text }) => column >= at && column < at + text.length);
    return [tab === undefined ? model : viewed(model, tab.view), []];
  }
  if (pane !== null && row >= pane.top - 1 && row < pane.top + pane.rows && column >= pane.left) {
    const isLog = row >= pane.top && (model.view === "logs" || model.pane === "log");
    return [{ ...model, focus: "pane", drawn: isLog ? { from: row, to: row } : null }, []];
  }
  if (list === null || row < list.top || row >= list.top + list.rows) return [model, []];
  if (row === list.top) {
    const sort = sortAt(model, column);
    return [sort === null ? model : sortedBy(model, sort), []];
  }
  const name = itemsOf(model)[model.lists[model.view].top + row - list.top - 1];
  if (name === undefined) return [model, []];
  // Twice is Enter, as everywhere.
  if (model.lists[model.view].chosen === name && model.focus === "list" && model.view !== "events") {
    const binding = keymap.find(({ in: place, keys }) => place === model.view && keys.includes("enter"));
    return binding === undefined ? [model, []] : act(model, binding);
  }
  return [chosen({ ...model, focus: "list" }, name), []];
}
