/** Where everything is on a screen of this size: the same boxes are drawn into, counted for pages, and hit by the mouse. */
import { type Model, VIEWS, type ViewName } from "../model/model.ts";
import type { Box } from "./canvas.ts";

export const LEAST_COLUMNS = 60;
export const LEAST_ROWS = 15;
/** From here on the pane stands beside the list. */
const SIDE_BY_SIDE = 160;

export interface Layout {
  readonly header: number;
  readonly tabs: number;
  readonly footer: number;
  /** The list with its titles in the first row; null: the pane has it all. */
  readonly list: Box | null;
  /** The row of the pane's title; null: the view has no pane. */
  readonly paneTitle: Box | null;
  readonly pane: Box | null;
  readonly isSideBySide: boolean;
}

export function isTooSmall({ columns, rows }: Pick<Model, "columns" | "rows">): boolean {
  return columns < LEAST_COLUMNS || rows < LEAST_ROWS;
}

export function layout(model: Model): Layout {
  const { columns, rows, view } = model;
  const top = 2;
  const bodyRows = Math.max(1, rows - 3);
  const frame = { header: 0, tabs: 1, footer: rows - 1 };
  const box = (from: number, height: number, left = 0, width = columns): Box => ({
    top: from,
    left,
    rows: Math.max(0, height),
    columns: width,
  });
  const whole = box(top, bodyRows);
  if (view === "logs" || ((view === "services" || view === "jobs") && model.isFull)) {
    return { ...frame, list: null, paneTitle: box(top, 1), pane: box(top + 1, bodyRows - 1), isSideBySide: false };
  }
  if (view !== "services" && view !== "jobs") {
    return { ...frame, list: whole, paneTitle: null, pane: null, isSideBySide: false };
  }
  if (columns >= SIDE_BY_SIDE) {
    const width = Math.min(Math.max(Math.floor(columns / 2) + model.split * 4, 70), columns - 60);
    return {
      ...frame,
      list: box(top, bodyRows, 0, width),
      paneTitle: box(top, 1, width + 1, columns - width - 1),
      pane: box(top + 1, bodyRows - 1, width + 1, columns - width - 1),
      isSideBySide: true,
    };
  }
  const count = view === "services" ? model.services.length : model.jobs.length;
  const usual = Math.min(count + 1, Math.ceil(bodyRows * 0.55));
  const listRows = Math.min(Math.max(usual + model.split, 4), bodyRows - 4);
  return {
    ...frame,
    list: box(top, listRows),
    paneTitle: box(top + listRows, 1),
    pane: box(top + listRows + 1, bodyRows - listRows - 1),
    isSideBySide: false,
  };
}

/** Rows of items: the list without its titles. Also while the pane has all the room, because the list comes back. */
export function listRows(model: Model): number {
  return Math.max(1, (layout(model.isFull ? { ...model, isFull: false } : model).list?.rows ?? 1) - 1);
}

export function paneRows(model: Model): number {
  const { pane, list } = layout(model);
  return Math.max(1, (pane ?? list)?.rows ?? 1);
}

export const TAB_TITLES: Readonly<Record<ViewName, readonly [long: string, short: string]>> = {
  services: ["Services", "Svcs"],
  jobs: ["Jobs", "Jobs"],
  logs: ["Logs", "Logs"],
  machine: ["GPUs+Machine", "Machine"],
  events: ["Events", "Events"],
  tunnels: ["Tunnels", "Doors"],
};

/** Where each tab is in its row. */
export function tabsOf({
  columns,
}: Pick<Model, "columns">): readonly { readonly view: ViewName; readonly text: string; readonly column: number }[] {
  let column = 1;
  return VIEWS.map((view, index) => {
    const [long, short] = TAB_TITLES[view];
    const text = ` ${index + 1} ${columns >= 76 ? long : short} `;
    const at = column;
    column += text.length;
    return { view, text, column: at };
  });
}
