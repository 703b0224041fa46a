/** The mouse: what is under the pointer is chosen, scrolled, sorted; never more than a key could do. */
import { layout, listRows, tabsOf } from "../view/layout.ts";
import { sortAt } from "../view/titles.ts";
import { act, chosen, type Outcome, viewed } from "./act.ts";
import { itemsOf, moved } from "./items.ts";
import type { Keymap } from "./keymap.ts";
import { sortedBy } from "./list-actions.ts";
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
  return mouse.what === "press" ? pressed(model, mouse, keymap) : [model, []];
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
    return [{ ...model, focus: "pane" }, []];
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
