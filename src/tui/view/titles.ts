/** The columns of lists at this width, and their titles: drawn, and clicked to sort. */
import type { Model, SortKey } from "../model/model.ts";
import { layout } from "./layout.ts";

export interface Column {
  readonly title: string;
  readonly columns: number;
  readonly isNumber?: true;
  readonly sort?: SortKey;
}

/** Mark, cursor and sign stand before the name. */
export const BEFORE_NAME = 3;

/** Those that there is room for; the last takes what is left. */
export function serviceColumns(width: number, model: Model): readonly Column[] {
  const longest = Math.max(8, ...model.services.map(({ name }) => name.length));
  const name = {
    title: "NAME",
    columns: Math.min(longest, width >= 110 ? 28 : width >= 76 ? 18 : 14),
    sort: "name",
  } as const;
  const fixed: Column[] = [
    name,
    { title: "STATE", columns: 8, sort: "state" },
    { title: "FOR", columns: 6, isNumber: true, sort: "uptime" },
    { title: "RST", columns: 3, isNumber: true, sort: "restarts" },
    { title: "CPU", columns: 5, isNumber: true, sort: "cpu" },
    { title: "MEM", columns: 5, isNumber: true, sort: "memory" },
  ];
  const hasGpus = model.gpus !== null && typeof model.gpus !== "string";
  const more: Column[] = [
    ...(hasGpus ? [{ title: "GPU", columns: 5, isNumber: true } as const] : []),
    { title: "PID", columns: 7, isNumber: true },
    { title: "PORT", columns: 5, isNumber: true },
    { title: "HEALTH", columns: 9 },
  ];
  let used = BEFORE_NAME + fixed.reduce((sum, { columns }) => sum + columns + 1, 0);
  for (const column of more) {
    if (used + column.columns + 1 > width) break;
    fixed.push(column);
    used += column.columns + 1;
  }
  return width - used >= 12 ? [...fixed, { title: "NOTE", columns: width - used }] : fixed;
}

export function jobColumns(width: number, model: Model): readonly Column[] {
  const longest = Math.max(8, ...model.jobs.map(({ name }) => name.length));
  const fixed: Column[] = [
    { title: "NAME", columns: Math.min(longest, width >= 110 ? 28 : width >= 76 ? 20 : 16), sort: "name" },
    { title: "NEXT", columns: 17, sort: "uptime" },
    { title: "LAST", columns: 15, sort: "state" },
    { title: "RUNS", columns: width >= 110 ? 20 : 10 },
  ];
  const used = BEFORE_NAME + fixed.reduce((sum, { columns }) => sum + columns + 1, 0);
  return width - used >= 8 ? [...fixed, { title: "SCHEDULE", columns: width - used }] : fixed;
}

export function sortAt(model: Model, column: number): SortKey | null {
  const { list } = layout(model);
  if (list === null || (model.view !== "services" && model.view !== "jobs")) return null;
  const columns = model.view === "services" ? serviceColumns(list.columns, model) : jobColumns(list.columns, model);
  let at = list.left + BEFORE_NAME;
  for (const { columns: wide, sort } of columns) {
    if (column >= at && column <= at + wide) return sort ?? null;
    at += wide + 1;
  }
  return null;
}
