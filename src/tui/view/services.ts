/** The list of services: one line each. Where nothing is wrong, figures; where something is, what it is. */

import type { ServiceStatus } from "../../control/daemon.ts";
import { portOf } from "../model/address.ts";
import { isProblem, servicesShown } from "../model/items.ts";
import type { Model } from "../model/model.ts";
import { cut, padded, paddedLeft } from "../text/columns.ts";
import { instant } from "../text/instant.ts";
import { bar, progressIn } from "./bars.ts";
import type { Box, Canvas, Piece } from "./canvas.ts";
import { drawEmpty, drawTitles } from "./list.ts";
import { type InkName, inkOfState, type Looks } from "./looks.ts";
import { BEFORE_NAME, type Column, serviceColumns } from "./titles.ts";
import { after, counted, percent, size, span } from "./words.ts";

export function drawServices(canvas: Canvas, box: Box, model: Model, looks: Looks): void {
  const columns = serviceColumns(box.columns, model);
  const place = model.lists.services;
  drawTitles(canvas, box, columns, place, looks);
  const shown = servicesShown(model);
  if (shown.length === 0) return drawEmpty(canvas, box, emptyWords(model), looks);
  for (let row = 1; row < box.rows; row++) {
    const service = shown[place.top + row - 1];
    if (service === undefined) break;
    drawRow(canvas, box.top + row, box, service, columns, model, looks);
    if (service.name === place.chosen) {
      canvas.choose(
        box.top + row,
        box.left,
        box.columns,
        model.focus === "list" ? looks.ink.chosen : looks.ink.chosenIdle,
      );
    }
  }
}

function emptyWords(model: Model): readonly string[] {
  if (model.health === null) return ["asking svcd …"];
  if (model.services.length > 0) return ["nothing fits the filter (Esc takes it away)"];
  return ["no services yet", "put a file into services.d, it is taken up at once; svctl help add says more"];
}

function drawRow(
  canvas: Canvas,
  row: number,
  box: Box,
  service: ServiceStatus,
  columns: readonly Column[],
  model: Model,
  looks: Looks,
): void {
  const { ink, signs } = looks;
  const { name, state } = service;
  const pending = model.pending.get(name);
  const stateInk = ink[inkOf(service)];
  const isMarked = model.lists.services.marks.has(name);
  if (isMarked) canvas.put(row, box.left, signs.marked, ink.key);
  const sign = pending === undefined ? signOf(service, looks) : spinnerOf(model, looks);
  canvas.put(row, box.left + 1, sign, pending === undefined ? stateInk : ink.busy);

  let at = box.left + BEFORE_NAME;
  const end = box.left + box.columns;
  // Who is not simply up has no figures to tell, so what matters about it gets their room.
  const isCalm = state === "RUNNING" && service.health !== "unhealthy" && service.health !== "starting";
  for (const column of columns) {
    const cell = cellOf(column.title, service, model, looks);
    if (!isCalm && column.title === (state === "RUNNING" ? "PID" : "RST")) {
      canvas.putAll(row, at, reasonOf(service, model, end - at, looks), end - at);
      return;
    }
    const text = cut(cell.text, column.columns, signs.more);
    const set = column.isNumber ? paddedLeft(text, column.columns) : padded(text, column.columns);
    canvas.put(row, at, set, ink[cell.ink], Math.min(column.columns, end - at));
    at += column.columns + 1;
  }
}

function cellOf(
  title: string,
  service: ServiceStatus,
  model: Model,
  looks: Looks,
): { readonly text: string; readonly ink: InkName } {
  const usage = model.usage.get(service.name);
  switch (title) {
    case "NAME":
      return { text: service.name, ink: isProblem(service) ? "strong" : "text" };
    case "STATE":
      return { text: model.pending.get(service.name)?.verb.toUpperCase() ?? service.state, ink: inkOf(service) };
    case "FOR":
      return { text: span(model.now - instant(service.since)), ink: "text" };
    case "RST":
      return service.restarts === 0
        ? { text: looks.signs.up, ink: "rule" }
        : { text: String(service.restarts), ink: "warn" };
    case "CPU": {
      const cpu = usage?.cpuPercent ?? null;
      if (cpu === null || service.pid === null) return { text: "", ink: "dim" };
      return { text: percent(cpu), ink: cpu < 0.05 ? "dim" : "text" };
    }
    case "MEM":
      return { text: usage === undefined || service.pid === null ? "" : size(usage.memoryBytes), ink: "text" };
    case "GPU": {
      const held = gpuMemoryOf(service.name, model);
      return { text: held === null ? "" : size(held), ink: "text" };
    }
    case "PID":
      return { text: service.pid === null ? "" : String(service.pid), ink: "dim" };
    case "PORT":
      return { text: portOf(model, service.name) ?? "", ink: "text" };
    case "HEALTH":
      return service.health === null
        ? { text: looks.signs.up, ink: "rule" }
        : {
            text: service.health === "healthy" ? "ok" : service.health,
            ink: service.health === "unhealthy" ? "bad" : "good",
          };
    default:
      return { text: service.file.note ?? service.description, ink: service.file.note === null ? "dim" : "warn" };
  }
}

/** What stands in the way, or comes next; with a bar where a start tells how far it is. */
function reasonOf(service: ServiceStatus, model: Model, room: number, looks: Looks): Piece[] {
  const { state, why, phase, health, restarts } = service;
  const next = nextOf(service, model);
  const { ink, signs } = looks;
  if (state === "STARTING" || (state === "RUNNING" && health === "starting")) {
    const text = phase ?? why;
    const progress = progressOf(service) ?? progressIn(text);
    const barColumns = progress === null || room < 30 ? 0 : 10;
    const words = { text: cut(text, room - (barColumns > 0 ? barColumns + 1 : 0), signs.more), attr: ink.dim };
    return barColumns > 0 ? [...bar(progress!, barColumns, looks, "busy"), { text: " " }, words] : [words];
  }
  const loud = inkOf(service);
  if (state === "RUNNING") return [{ text: cut(`unhealthy: ${phase ?? why}`, room, signs.more), attr: ink[loud] }];
  const tries = restarts > 0 && state === "BACKOFF" ? `${counted(restarts, "restart")}; ` : "";
  const tail = state === "BACKOFF" || state === "WAITING" || state === "FATAL" ? `; ${next}` : "";
  return [{ text: cut(`${tries}${why}${tail}`, room, signs.more), attr: isProblem(service) ? ink[loud] : ink.dim }];
}

function gpuMemoryOf(name: string, { gpus }: Model): number | null {
  if (gpus === null || typeof gpus === "string") return null;
  const held = gpus.flatMap(({ holders }) => holders).filter((holder) => holder.name === name);
  return held.length === 0 ? null : held.reduce((sum, { memoryBytes }) => sum + (memoryBytes ?? 0), 0);
}

/** As its `phases:` tell; null: they do not. */
function progressOf(service: ServiceStatus): number | null {
  const { done, total, percent } = service.progress ?? {};
  if (typeof done === "number" && typeof total === "number" && total > 0) return Math.min(1, done / total);
  return typeof percent === "number" ? Math.min(1, percent / 100) : null;
}

export function nextOf({ name, next }: ServiceStatus, { heardAt, now }: Model): string {
  return after(next, now - (heardAt.get(name) ?? now));
}

/** What ended with an error has not simply ended. */
export function signOf(service: ServiceStatus, { signs }: Looks): string {
  if (service.state === "EXITED" && isProblem(service)) return signs.state.FATAL;
  return signs.state[service.state] ?? "?";
}

export function inkOf(service: ServiceStatus): InkName {
  if (service.state === "RUNNING" && service.health === "unhealthy") return "bad";
  if (service.state === "EXITED" && isProblem(service)) return "warn";
  return inkOfState(service.state);
}

export function spinnerOf(model: Model, { signs }: Looks): string {
  return signs.spinner[Math.floor(model.now / 200) % signs.spinner.length]!;
}
