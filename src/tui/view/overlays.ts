/** Boxes that lie over a view: help, palette, signals, questions, and what an edited file would change. */
import { type Binding, bindingsNow, type Keymap, keyLabel, type Place, placesNow } from "../model/keymap.ts";
import type { Draft, Model, Overlay } from "../model/model.ts";
import { SIGNALS } from "../model/overlay.ts";
import { entriesOf } from "../model/palette.ts";
import { cut, padded, width, wrapped } from "../text/columns.ts";
import type { Box, Canvas, Piece } from "./canvas.ts";
import type { Looks } from "./looks.ts";
import { counted } from "./words.ts";

type Over<Is extends Overlay["is"]> = Extract<Overlay, { is: Is }>;

export function drawOverlay(canvas: Canvas, model: Model, keymap: Keymap, looks: Looks): void {
  const { overlay } = model;
  switch (overlay?.is) {
    case "help":
      return drawHelp(canvas, model, overlay, keymap, looks);
    case "palette":
      return drawPalette(canvas, model, overlay, keymap, looks);
    case "signals":
      return drawSignals(canvas, model, overlay, looks);
    case "confirm":
      return drawConfirm(canvas, model, overlay, looks);
    case "review":
      return drawReview(canvas, model, overlay, looks);
    case undefined:
      return;
  }
}

/** A framed box in the middle; answers with its inside. */
function frame(
  canvas: Canvas,
  model: Model,
  columns: number,
  rows: number,
  title: string,
  { ink, signs }: Looks,
  rule = ink.rule,
): Box {
  const wide = Math.min(columns, model.columns - 4);
  const high = Math.min(rows, model.rows - 2);
  const box = {
    top: Math.floor((model.rows - high) / 2),
    left: Math.floor((model.columns - wide) / 2),
    rows: high,
    columns: wide,
  };
  canvas.clear(box);
  const [topLeft, topRight, bottomLeft, bottomRight] = signs.corners;
  canvas.fill(box.top, box.left, wide, signs.rule, rule);
  canvas.fill(box.top + high - 1, box.left, wide, signs.rule, rule);
  for (let row = box.top + 1; row < box.top + high - 1; row++) {
    canvas.put(row, box.left, signs.down, rule);
    canvas.put(row, box.left + wide - 1, signs.down, rule);
  }
  canvas.put(box.top, box.left, topLeft, rule);
  canvas.put(box.top, box.left + wide - 1, topRight, rule);
  canvas.put(box.top + high - 1, box.left, bottomLeft, rule);
  canvas.put(box.top + high - 1, box.left + wide - 1, bottomRight, rule);
  canvas.put(box.top, box.left + 2, ` ${cut(title, wide - 6, signs.more)} `, ink.title);
  return { top: box.top + 1, left: box.left + 2, rows: high - 2, columns: wide - 4 };
}

const PLACE_TITLES: Readonly<Record<Place, string>> = {
  services: "this service, or all that are marked",
  jobs: "this job, or all that are marked",
  events: "this event",
  list: "the list",
  page: "this page",
  log: "the log",
  "one log": "runs and times",
  everywhere: "everywhere",
};

export function helpLines(model: Model, keymap: Keymap, { ink }: Looks): Piece[][] {
  const now = bindingsNow(keymap, model);
  const wide = Math.min(26, Math.max(...now.map((binding) => width(labelsOf(binding, model.hasUnicode)))));
  return placesNow(model).flatMap((place, index): Piece[][] => {
    const bindings = now.filter((binding) => binding.in === place);
    if (bindings.length === 0) return [];
    return [
      ...(index === 0 ? [] : [[]]),
      [{ text: PLACE_TITLES[place], attr: ink.title }],
      ...bindings.map((binding): Piece[] => [
        { text: padded(labelsOf(binding, model.hasUnicode), wide), attr: ink.key },
        { text: ` ${binding.says}`, attr: binding.acts && model.isReadOnly ? ink.dim : ink.text },
      ]),
    ];
  });
}

function labelsOf({ keys }: Binding, hasUnicode: boolean): string {
  return keys.map((key) => keyLabel(key, hasUnicode)).join(" ");
}

function drawHelp(canvas: Canvas, model: Model, { top }: Over<"help">, keymap: Keymap, looks: Looks): void {
  const lines = helpLines(model, keymap, looks);
  const inside = frame(canvas, model, 78, lines.length + 2, "keys", looks);
  const from = Math.max(0, Math.min(top, lines.length - inside.rows));
  for (let row = 0; row < inside.rows; row++)
    canvas.putAll(inside.top + row, inside.left, lines[from + row] ?? [], inside.columns);
  const below = lines.length - from - inside.rows;
  if (below > 0) {
    const text = ` ${looks.signs.descending} ${below} more `;
    canvas.put(inside.top + inside.rows, inside.left + inside.columns - width(text), text, looks.ink.dim);
  }
}

const PALETTE_ROWS = 16;

function drawPalette(
  canvas: Canvas,
  model: Model,
  { text, chosen }: Over<"palette">,
  keymap: Keymap,
  looks: Looks,
): void {
  const { ink, signs } = looks;
  const entries = entriesOf(model, keymap, text);
  const inside = frame(canvas, model, 76, PALETTE_ROWS + 2, "do", looks);
  const at = canvas.put(inside.top, inside.left, ": ", ink.key);
  canvas.put(inside.top, canvas.put(inside.top, at, text, ink.strong, inside.columns - 3), " ", ink.button);
  const rows = inside.rows - 1;
  const top = Math.max(0, Math.min(chosen - rows + 1, entries.length - rows));
  for (let row = 0; row < rows; row++) {
    const entry = entries[top + row];
    if (entry === undefined) break;
    const y = inside.top + 1 + row;
    const isOff = entry.binding?.acts === true && model.isReadOnly;
    canvas.put(y, inside.left + 1, padded(cut(entry.title, 20, signs.more), 20), isOff ? ink.dim : ink.strong);
    canvas.put(y, inside.left + 23, cut(entry.says, inside.columns - 34, signs.more), ink.dim);
    const keys = entry.binding === null ? signs.more : keyLabel(entry.binding.keys[0] ?? "", model.hasUnicode);
    canvas.put(y, inside.left + inside.columns - width(keys) - 1, keys, ink.key);
    if (top + row === chosen) canvas.choose(y, inside.left, inside.columns, ink.chosen);
  }
  if (entries.length === 0) canvas.put(inside.top + 1, inside.left + 1, "nothing is called so", ink.dim);
}

const SIGNAL_SAYS: Readonly<Record<(typeof SIGNALS)[number], string>> = {
  TERM: "asks it to end",
  INT: "as Ctrl-C does",
  HUP: "reload, for many",
  QUIT: "end, with a core dump",
  USR1: "its own meaning",
  USR2: "its own meaning",
  WINCH: "size of the terminal",
  STOP: "holds it until CONT",
  CONT: "lets it go on",
  ABRT: "abort, with a core dump",
  KILL: "ends it at once",
};

function drawSignals(canvas: Canvas, model: Model, { names, chosen }: Over<"signals">, looks: Looks): void {
  const title = `signal to ${names.length === 1 ? names[0]! : counted(names.length, "service")}`;
  const inside = frame(canvas, model, Math.max(40, title.length + 8), SIGNALS.length + 2, title, looks);
  const top = Math.max(0, Math.min(chosen - inside.rows + 1, SIGNALS.length - inside.rows));
  for (let row = 0; row < inside.rows; row++) {
    const signal = SIGNALS[top + row];
    if (signal === undefined) break;
    canvas.put(inside.top + row, inside.left + 1, signal.padEnd(6), looks.ink.strong);
    canvas.put(inside.top + row, inside.left + 8, SIGNAL_SAYS[signal], looks.ink.dim);
    if (top + row === chosen) canvas.choose(inside.top + row, inside.left, inside.columns, looks.ink.chosen);
  }
}

function buttons(
  canvas: Canvas,
  row: number,
  left: number,
  labels: readonly string[],
  chosen: number,
  { ink }: Looks,
): void {
  let at = left;
  labels.forEach((label, index) => {
    at = canvas.put(row, at, ` ${label} `, index === chosen ? ink.button : ink.dim) + 2;
  });
}

function drawConfirm(canvas: Canvas, model: Model, { title, lines, does, onYes }: Over<"confirm">, looks: Looks): void {
  const columns = 66;
  const text = lines.flatMap((line) => wrapped(line, Math.min(columns, model.columns - 4) - 4));
  const inside = frame(canvas, model, columns, text.length + 5, title, looks, looks.ink.warn);
  text.slice(0, inside.rows - 2).forEach((line, row) => {
    canvas.put(inside.top + row, inside.left, line, looks.ink.text);
  });
  const row = inside.top + inside.rows - 1;
  buttons(canvas, row, inside.left, ["Cancel", does], onYes ? 1 : 0, looks);
  const hint = "y does it, Enter takes the button";
  canvas.put(row, inside.left + inside.columns - width(hint), hint, looks.ink.dim);
}

function drawReview(canvas: Canvas, model: Model, { draft, top, button }: Over<"review">, looks: Looks): void {
  const { ink } = looks;
  const lines = reviewLines(draft, looks);
  const inside = frame(
    canvas,
    model,
    Math.min(100, model.columns - 4),
    lines.length + 5,
    `${draft.subject}: what you wrote`,
    looks,
  );
  const rows = inside.rows - 2;
  const from = Math.max(0, Math.min(top, lines.length - rows));
  for (let row = 0; row < rows; row++)
    canvas.putAll(inside.top + row, inside.left, lines[from + row] ?? [], inside.columns);
  const isFine = draft.flaw === null && (draft.report?.mistakes ?? []).length === 0;
  buttons(canvas, inside.top + inside.rows - 1, inside.left, ["Edit again", "Discard", "Apply"], button, looks);
  const hint = isFine ? "a applies" : "a applies all the same";
  canvas.put(inside.top + inside.rows - 1, inside.left + inside.columns - width(hint), hint, ink.dim);
}

function reviewLines({ report, flaw, file }: Draft, { ink }: Looks): Piece[][] {
  if (report === null) return [[{ text: `it cannot be checked: ${flaw ?? "svcd did not say why"}`, attr: ink.bad }]];
  const lines: Piece[][] = [];
  const mistakes = report.mistakes.filter((mistake) => mistake.file === file);
  const others = report.mistakes.length - mistakes.length;
  for (const { line, column, what, fix, text } of mistakes) {
    lines.push([
      { text: `${line}:${column} `, attr: ink.dim },
      { text: what, attr: ink.bad },
    ]);
    if (text !== "") lines.push([{ text: `     ${text.trimEnd()}`, attr: ink.dim }]);
    lines.push([{ text: `     fix: ${fix}` }], []);
  }
  if (others > 0)
    lines.push([{ text: `${counted(others, "mistake")} in other files: svctl plan`, attr: ink.warn }], []);
  const { added, changed, removed, jobs } = report;
  for (const name of [...added, ...jobs.added])
    lines.push([
      { text: "+ ", attr: ink.good },
      { text: name, attr: ink.strong },
      { text: "  is new", attr: ink.dim },
    ]);
  for (const name of [...removed, ...jobs.removed])
    lines.push([
      { text: "- ", attr: ink.bad },
      { text: name, attr: ink.strong },
      { text: "  goes", attr: ink.dim },
    ]);
  for (const change of [...changed, ...jobs.changed.map((one) => ({ ...one, restart: false }))]) {
    lines.push([
      { text: "~ ", attr: ink.warn },
      { text: change.name, attr: ink.strong },
      { text: change.restart ? "  is restarted" : "  goes on, changed", attr: change.restart ? ink.warn : ink.dim },
    ]);
    for (const { field, before, after } of change.details) {
      lines.push([
        { text: `    ${field}: ` },
        { text: before, attr: ink.dim },
        { text: " → " },
        { text: after, attr: ink.strong },
      ]);
    }
  }
  if (lines.length === 0) lines.push([{ text: "changes nothing of what runs", attr: ink.dim }]);
  return lines;
}
