/** The pane below (or beside) a list: its title with what else it can show, and what it shows. */

import { type Keymap, keyLabel } from "../model/keymap.ts";
import { hitCount, logNow } from "../model/logs.ts";
import type { Model, OpenLog, Pane } from "../model/model.ts";
import { cut, width } from "../text/columns.ts";
import type { Canvas, Piece } from "./canvas.ts";
import { configPage, treePage, whyPage } from "./describe.ts";
import { jobWhyPage, runsPage } from "./job-pages.ts";
import { layout } from "./layout.ts";
import { drawLog } from "./log-pane.ts";
import type { Looks } from "./looks.ts";
import { drawPage, type PageLine } from "./page.ts";
import { inkOf, signOf } from "./services.ts";

export function drawPane(canvas: Canvas, model: Model, keymap: Keymap, looks: Looks): void {
  const { pane, paneTitle, isSideBySide, list } = layout(model);
  if (pane === null || paneTitle === null) return;
  if (isSideBySide && list !== null) {
    for (let row = list.top; row < list.top + list.rows; row++)
      canvas.put(row, list.left + list.columns, looks.signs.down, looks.ink.rule);
  }
  drawTitle(canvas, model, keymap, looks);
  const isLog = model.view === "logs" || model.pane === "log";
  if (isLog) {
    const log = logNow(model);
    if (log !== null) drawLog(canvas, pane, log, model, looks);
    else canvas.put(pane.top, pane.left + 1, noLogWords(model), looks.ink.dim);
    if (model.drawn !== null && model.drawn.from !== model.drawn.to) {
      const [from, to] = [Math.min(model.drawn.from, model.drawn.to), Math.max(model.drawn.from, model.drawn.to)];
      for (let row = from; row <= to; row++) canvas.choose(row, pane.left, pane.columns, looks.ink.chosen);
    }
    return;
  }
  drawPage(canvas, pane, pageOf(model, pane.columns, looks), model.paneTop, looks);
}

function noLogWords(model: Model): string {
  return model.view === "jobs" && model.lists.jobs.chosen !== null ? "has not run yet" : "";
}

export function pageOf(model: Model, columns: number, looks: Looks): readonly PageLine[] {
  const { chosen } = model.lists[model.view];
  if (chosen === null) return [];
  if (model.view === "services") {
    if (model.pane === "why") return whyPage(model, chosen, columns, looks);
    if (model.pane === "config") return configPage(model.details.get(chosen)?.definition, columns, looks);
    return treePage(model, chosen, columns, looks);
  }
  const job = model.jobs.find(({ name }) => name === chosen);
  if (job === undefined) return [];
  if (model.pane === "why") return jobWhyPage(model, job, columns, looks);
  if (model.pane === "config") return configPage(model.jobDefinitions.get(chosen), columns, looks);
  return runsPage(model, job, columns, looks);
}

function drawTitle(canvas: Canvas, model: Model, keymap: Keymap, looks: Looks): void {
  const { paneTitle } = layout(model);
  if (paneTitle === null) return;
  const { ink, signs } = looks;
  const { top, left, columns } = paneTitle;
  canvas.fill(top, left, columns, signs.rule, ink.rule);
  const isInFront = model.focus === "pane" || model.isFull || model.view === "logs";
  const right = panesOf(model, keymap, looks);
  const rightColumns = right.reduce((sum, { text }) => sum + width(text), 0);
  const log = model.view === "logs" || model.pane === "log" ? logNow(model) : null;
  const words: Piece[] = [...subject(model, isInFront, looks), ...(log === null ? [] : stateOfLog(log, model, looks))];
  const leftColumns = words.reduce((sum, { text }) => sum + width(text), 4);
  // What is so comes first; what else could be shown is told where there is room.
  const hasRoom = leftColumns + rightColumns + 4 <= columns;
  canvas.putAll(top, left + 1, [{ text: " " }, ...words, { text: " " }], columns - 3);
  if (hasRoom) canvas.putAll(top, left + columns - rightColumns - 2, right);
}

function subject(model: Model, isInFront: boolean, { ink, signs }: Looks): Piece[] {
  const attr = isInFront ? ink.title : ink.strong;
  if (model.view === "logs") {
    const { marks } = model.lists.services;
    return [{ text: marks.size > 0 ? `logs of ${marks.size} marked` : "all logs", attr }];
  }
  const name = model.lists[model.view].chosen ?? "";
  const service = model.view === "services" ? model.services.find((one) => one.name === name) : undefined;
  const sign =
    service === undefined ? [] : [{ text: `${signOf(service, { ink, signs })} `, attr: ink[inkOf(service)] }];
  return [...sign, { text: cut(name, 32, signs.more), attr }];
}

/** The other things it could show, each by its key. */
function panesOf(model: Model, keymap: Keymap, { ink }: Looks): Piece[] {
  if (model.view === "logs") return [];
  const all: readonly (readonly [Pane, string, string])[] =
    model.view === "services"
      ? [
          ["log", "log", "log"],
          ["why", "describe", "why"],
          ["config", "config", "config"],
          ["tree", "tree", "tree"],
        ]
      : [
          ["runs", "runs", "runs"],
          ["log", "log", "output"],
          ["why", "describe", "why"],
          ["config", "config", "config"],
        ];
  const pieces = all.flatMap(([pane, action, says]): Piece[] => {
    const key = keymap.find((binding) => binding.in === model.view && binding.action === action)?.keys[0];
    const isThis = pane === model.pane;
    return [
      { text: " " },
      ...(key === undefined || isThis ? [] : [{ text: `${keyLabel(key)} `, attr: ink.key }]),
      { text: says, attr: isThis ? ink.strong : ink.dim },
      { text: " " },
    ];
  });
  return pieces;
}

function stateOfLog(log: OpenLog, model: Model, { ink }: Looks): Piece[] {
  const { place, source, isOver, flaw } = log;
  const parts: Piece[] = [];
  const add = (text: string, attr = ink.dim): void => void parts.push({ text: `  ${text}`, attr });
  if (source.kind !== "merged" && source.run !== null) add(`run ${source.run}`, ink.strong);
  if (place.range !== "tail") add(`last ${place.range}`);
  if (flaw !== null) add(flaw, ink.warn);
  else if (!place.follows) add("stays here (f follows)", ink.warn);
  else if (!isOver && model.isFull) add("follows");
  if (!place.wraps) add(place.shift > 0 ? `cut, from column ${place.shift}` : "cut");
  if (place.search !== null) {
    const { hits, before } = hitCount(log, place.search, model.now);
    add(
      `“${place.search.text}” ${place.search.at === null ? hits : `${before}/${hits}`}`,
      hits === 0 ? ink.warn : ink.key,
    );
  }
  return parts;
}
