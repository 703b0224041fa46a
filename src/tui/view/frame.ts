/** What stands around every view: the line above with the machine and its problems, the tabs, and the keys that matter now. */

import { isProblem, jobFailed } from "../model/items.ts";
import { type Binding, bindingsNow, hasPane, type Keymap, keyLabel } from "../model/keymap.ts";
import type { Model } from "../model/model.ts";
import { cut, width } from "../text/columns.ts";
import { instant } from "../text/instant.ts";
import { inkOfShare } from "./bars.ts";
import type { Canvas, Piece } from "./canvas.ts";
import { layout, tabsOf } from "./layout.ts";
import type { InkName, Looks } from "./looks.ts";
import { counted, percent, span } from "./words.ts";

export function drawHeader(canvas: Canvas, model: Model, { ink, signs }: Looks): void {
  canvas.fill(0, 0, model.columns, " ", ink.bar);
  const right = condition(model, signs.more);
  const room = model.columns - width(right.text);
  const pieces = facts(model, { ink, signs });
  let at = canvas.put(0, 0, " svcd ", ink.barStrong);
  for (const [label, text, name] of pieces) {
    const columns = label.length + width(text) + (label === "" ? 2 : 3);
    if (at + columns > room - 1) break;
    if (label !== "") at = canvas.put(0, at + 1, ` ${label}`, ink.barDim);
    else at++;
    at = canvas.put(0, at, ` ${text}`, ink[name]);
  }
  canvas.put(0, room, right.text, ink[right.ink]);
}

/** The first ones stay where there is little room. */
function facts(model: Model, { signs }: Looks): [label: string, text: string, ink: InkName][] {
  const { machine, machineCpu } = model;
  if (machine === null) return [];
  const { memory, disks, load } = machine;
  const used = memory.usedBytes / memory.totalBytes;
  const loud = (share: number): InkName => (inkOfShare(share, "good") === "good" ? "bar" : "barBad");
  // The fullest: a box dies of that one.
  const disk = [...disks].sort((a, b) => a.freeBytes / a.totalBytes - b.freeBytes / b.totalBytes)[0];
  const diskUsed = disk === undefined ? 0 : 1 - disk.freeBytes / disk.totalBytes;
  return [
    ["", cut(machine.host, 24, signs.more), "barStrong"],
    ["load", load.map((one) => one.toFixed(2)).join(" "), "bar"],
    ["mem", percent(used * 100), loud(used)],
    ...(disk === undefined ? [] : [["disk", percent(diskUsed * 100), loud(diskUsed)] as [string, string, InkName]]),
    ...(machineCpu === null ? [] : [["cpu", percent(machineCpu), "bar"] as [string, string, InkName]]),
  ];
}

/** At the right edge: svcd away, or how many problems there are. */
function condition(model: Model, more: string): { readonly text: string; readonly ink: InkName } {
  if (model.connection === "lost") {
    return { text: ` reconnecting${more} ${span(model.now - model.lostAt)} `, ink: "barBad" };
  }
  if (model.health === null) return { text: ` connecting${more} `, ink: "barDim" };
  if (model.health.status === "stopping") return { text: " svcd is stopping ", ink: "barBad" };
  const problems = problemCount(model);
  const countdown = countdownOf(model);
  if (countdown !== null && problems === 0) return { text: ` ${countdown} `, ink: "barStrong" };
  if (countdown !== null) return { text: ` ${countdown}  ${counted(problems, "problem")} `, ink: "barBad" };
  return problems === 0
    ? { text: " all well ", ink: "barDim" }
    : { text: ` ${counted(problems, "problem")} `, ink: "barBad" };
}

/** What is about to be done because nobody uses it: the next one. */
function countdownOf({ idle, now }: Model): string | null {
  const due = (idle?.idle ?? []).flatMap(({ service, action, dueAt, dryRun }) =>
    dueAt === null || dryRun ? [] : [{ service, action, at: instant(dueAt) }],
  );
  const [next] = due.sort((a, b) => a.at - b.at);
  if (next === undefined) return null;
  const what =
    next.service === null ? "idle machine acts" : `idle ${next.service} ${next.action === "stop" ? "stops" : "acts"}`;
  return next.at <= now ? `${what} now` : `${what} in ${span(next.at - now)}`;
}

export function problemCount(model: Model): number {
  return (
    model.services.filter(isProblem).length + model.jobs.filter(jobFailed).length + model.mistakes + model.troubles
  );
}

export function drawTabs(canvas: Canvas, model: Model, { ink }: Looks): void {
  const row = layout(model).tabs;
  let end = 0;
  for (const { view, text, column } of tabsOf(model)) {
    end = canvas.put(row, column, text, view === model.view ? ink.tab : ink.dim);
  }
  const right = state(model);
  const at = model.columns - width(right) - 1;
  if (at > end) canvas.put(row, at, right, ink.dim);
}

function state(model: Model): string {
  const { marks, filter } = model.lists[model.view];
  if (marks.size > 0) return `${marks.size} marked`;
  if (filter !== "") return `/${filter}`;
  if (model.view === "jobs") return counted(model.jobs.length, "job");
  if (model.view !== "services") return "";
  const up = model.services.filter(({ state: word }) => word === "RUNNING").length;
  return `${up} of ${model.services.length} up`;
}

export function drawFooter(canvas: Canvas, model: Model, keymap: Keymap, { ink, signs }: Looks): void {
  const row = layout(model).footer;
  const { prompt, notice } = model;
  if (prompt !== null) {
    const hint =
      prompt.for === "filter"
        ? "Enter keeps it, Esc takes it away; !not state:fatal ns:group"
        : "Enter searches; /…/ is a regular expression";
    const at = canvas.put(row, 0, " /", ink.key);
    const text = canvas.put(row, at, prompt.text, ink.strong);
    canvas.put(row, text, " ", ink.chosen === ink.text ? ink.strong : (ink.button as number));
    canvas.put(row, Math.max(text + 3, model.columns - width(hint) - 1), hint, ink.dim);
    return;
  }
  if (notice !== null) {
    const name = notice.weight === "bad" ? "bad" : notice.weight === "good" ? "good" : "dim";
    canvas.put(row, 1, cut(notice.text, model.columns - 2, signs.more), ink[name]);
    return;
  }
  const keys = footerKeys(model, keymap);
  canvas.putAll(
    row,
    1,
    keys.flatMap(({ key, short }): Piece[] => [
      { text: key, attr: ink.key },
      { text: ` ${short}  `, attr: ink.dim },
    ]),
    model.columns - 2,
  );
}

/** As many as there is room for: what can be done here first, and always the way to everything else. */
export function footerKeys(model: Model, keymap: Keymap): readonly { readonly key: string; readonly short: string }[] {
  const now = bindingsNow(keymap, model).filter(
    ({ short, keys, acts }) => short !== undefined && keys.length > 0 && !(acts && model.isReadOnly),
  );
  const always = now.filter(({ action }) => /^(palette|help|quit)$/.test(action));
  const others = now.filter((binding) => !always.includes(binding) && !isBeside(binding, model));
  const shown = ({ keys, short }: Binding) => ({ key: keyLabel(keys[0]!, model.hasUnicode), short: short! });
  const columns = (entry: { readonly key: string; readonly short: string }): number =>
    entry.key.length + entry.short.length + 3;
  let room = model.columns - 2 - always.map(shown).reduce((sum, entry) => sum + columns(entry), 0);
  const back = model.focus === "pane" || model.isFull ? [{ key: keyLabel("esc"), short: "back" }] : [];
  const chosen = [...back, ...others.map(shown)].filter((entry) => {
    room -= columns(entry);
    return room >= 0;
  });
  return [...chosen, ...always.map(shown)];
}

/** In a log the keys of the service work too; those of the log are told. */
function isBeside({ in: place, action }: Binding, model: Model): boolean {
  if (action === "zoom" && !hasPane(model)) return true;
  return model.focus === "pane" && place === "services";
}
