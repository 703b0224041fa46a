/** What an action does, once it is known which: the other end of the keymap and of the palette. */
import { layout, listRows, paneRows } from "../view/layout.ts";
import { THEMES } from "../view/looks.ts";
import { addressOf } from "./address.ts";
import { question } from "./blast.ts";
import type { Command, Deed } from "./command.ts";
import { isProblem, itemsOf, moved, servicesShown, subjects } from "./items.ts";
import type { Binding } from "./keymap.ts";
import { hasPane } from "./keymap.ts";
import { actOnLog, openLog } from "./log-actions.ts";
import type { ListPlace, Model, Pane, SortKey, ViewName } from "./model.ts";

export type Outcome = [Model, Command[]];

export function act(model: Model, binding: Binding): Outcome {
  if (binding.acts && model.isReadOnly) return said(model, "you may only look here", "bad");
  const { action } = binding;
  if (binding.in === "log" || binding.in === "one log") return actOnLog(model, action);
  if (binding.in === "page") return [onPage(model, action), []];
  if (binding.in === "list") return onList(model, action);
  switch (action) {
    case "start":
      return doTo(model, { kind: "start" });
    case "start hard":
      return doTo(model, { kind: "enable" }, [{ do: "act", deed: { kind: "start" }, names: subjects(model) }]);
    case "stop":
      return doTo(model, { kind: "stop" });
    case "kill":
      return doTo(model, { kind: "kill" });
    case "restart":
      return doTo(model, { kind: "restart" });
    case "restart hard":
      return doTo(model, { kind: "hard restart" });
    case "reload":
      return doTo(model, { kind: "reload" });
    case "enable": {
      const names = subjects(model);
      const isDisabled = model.services.some(({ name, enabled }) => names.includes(name) && !enabled);
      return doTo(model, { kind: isDisabled ? "enable" : "disable" });
    }
    case "clear":
      return doTo(model, { kind: "clear" });
    case "signal": {
      const names = subjects(model);
      return names.length === 0 ? nothing(model) : [{ ...model, overlay: { is: "signals", names, chosen: 0 } }, []];
    }
    case "run":
      return doTo(model, { kind: "run", isForced: false });
    case "run hard":
      return doTo(model, { kind: "run", isForced: true });
    case "end runs":
      return doTo(model, { kind: "end runs" });
    case "pause": {
      const names = subjects(model);
      const isPaused = model.jobs.some(({ name, paused }) => names.includes(name) && paused);
      return doTo(model, { kind: isPaused ? "resume" : "pause" });
    }
    case "log":
      return openLog(model);
    case "describe":
      return pane(model, "why");
    case "config":
      return pane(model, "config");
    case "tree": {
      const names = model.services.map(({ name }) => name).filter((name) => !model.details.has(name));
      const [next] = pane(model, "tree");
      return [next, [{ do: "ask", question: { about: "details", names } }]];
    }
    case "runs":
      return pane(model, "runs");
    case "edit":
      return edit(model);
    case "address":
      return address(model);
    case "problem":
      return problem(model);
    case "go":
      return go(model);
    case "focus":
      return hasPane(model)
        ? [{ ...model, focus: model.focus === "list" || model.isFull ? "pane" : "list" }, []]
        : [model, []];
    case "zoom":
      return hasPane(model)
        ? [{ ...model, isFull: !model.isFull, focus: model.isFull ? "list" : "pane" }, []]
        : [model, []];
    case "more list":
      return [{ ...model, split: Math.min(model.split + 1, model.rows) }, []];
    case "less list":
      return [{ ...model, split: Math.max(model.split - 1, -model.rows) }, []];
    case "palette":
      return [{ ...model, overlay: { is: "palette", text: "", chosen: 0 } }, []];
    case "help":
      return [{ ...model, overlay: { is: "help", top: 0 } }, []];
    case "theme": {
      const theme = THEMES[(THEMES.indexOf(model.theme) + 1) % THEMES.length]!;
      return said({ ...model, theme }, `theme: ${theme} (keep it with \`theme: ${theme}\` in tui.yaml)`, "quiet");
    }
    case "mouse":
      return [
        {
          ...model,
          hasMouse: !model.hasMouse,
          notice: notice(model, `mouse ${model.hasMouse ? "off: the terminal selects text" : "on"}`, "quiet"),
        },
        [{ do: "mouse", on: !model.hasMouse }],
      ];
    case "redraw":
      return [model, [{ do: "redraw" }]];
    case "back":
      return [back(model), []];
    case "quit":
      return [model, [{ do: "quit" }]];
    default: {
      const view = /^view (.*)$/.exec(action)?.[1] as ViewName | undefined;
      return view === undefined ? [model, []] : [viewed(model, view), []];
    }
  }
}

export function viewed(model: Model, view: ViewName): Model {
  if (view === model.view) return model;
  const pane: Pane = view === "jobs" ? "runs" : "log";
  return {
    ...model,
    view,
    pane,
    paneBehind: null,
    paneTop: 0,
    focus: "list",
    isFull: false,
    askedLog: null,
    chosenRun: null,
  };
}

export function notice(model: Model, text: string, weight: "good" | "bad" | "quiet") {
  return { text, weight, until: weight === "bad" ? Number.POSITIVE_INFINITY : model.now + 5_000 };
}

export function said(model: Model, text: string, weight: "good" | "bad" | "quiet"): Outcome {
  return [{ ...model, notice: notice(model, text, weight) }, []];
}

function nothing(model: Model): Outcome {
  return said(model, "nothing is chosen", "quiet");
}

/** Asks first, where it hurts. */
function doTo(model: Model, deed: Deed, then: readonly Command[] = []): Outcome {
  const names = subjects(model);
  if (names.length === 0) return nothing(model);
  const confirm = question(model, deed, names);
  if (confirm === null) return begun(model, [{ do: "act", deed, names }, ...then]);
  return [
    { ...model, overlay: { ...confirm, commands: [...confirm.commands, ...then] } },
    // Who depends on them may not be known yet.
    [{ do: "ask", question: { about: "details", names: names.filter((name) => !model.details.has(name)) } }],
  ];
}

/** The person sees at once that something is under way. */
export function begun(model: Model, commands: readonly Command[]): Outcome {
  const pending = new Map(model.pending);
  for (const command of commands) {
    if (command.do !== "act" || /^(clear|signal|enable|pause|resume)$/.test(command.deed.kind)) continue;
    for (const name of command.names) pending.set(name, { verb: command.deed.kind, since: model.now });
  }
  const view = model.lists[model.view];
  const lists =
    view.marks.size === 0 ? model.lists : { ...model.lists, [model.view]: { ...view, marks: new Set<string>() } };
  return [{ ...model, pending, lists, overlay: null }, [...commands]];
}

function pane(model: Model, what: Pane): Outcome {
  const { chosen } = model.lists[model.view];
  if (chosen === null) return nothing(model);
  // A second time leads back to what is there by itself.
  const isThere = model.pane === what;
  const usual: Pane = model.view === "jobs" ? "runs" : "log";
  return [{ ...model, pane: isThere ? usual : what, paneTop: 0, askedLog: null }, []];
}

function edit(model: Model): Outcome {
  const { chosen } = model.lists[model.view];
  const status = [...model.services, ...model.jobs].find(({ name }) => name === chosen);
  if (status === undefined) return nothing(model);
  if (!model.canEdit) return said(model, "no editor can be opened in this session; use svctl on the machine", "bad");
  return [model, [{ do: "edit", file: status.file.path, line: status.file.line, subject: status.name }]];
}

function address(model: Model): Outcome {
  const { chosen: name } = model.lists.services;
  const url = addressOf(model.details.get(name ?? ""));
  if (url === null) return said(model, `${name ?? "nothing"}: its file does not say where it can be reached`, "quiet");
  return [
    { ...model, notice: notice(model, `${url} sent to the clipboard (OSC 52)`, "good") },
    [{ do: "copy", text: url }],
  ];
}

function problem(model: Model): Outcome {
  const items = servicesShown(model);
  const from = items.findIndex(({ name }) => name === model.lists.services.chosen);
  const next = [...items.slice(from + 1), ...items.slice(0, from + 1)].find(isProblem);
  if (next === undefined) return said(model, "no problems", "good");
  return [chosen(model, next.name), []];
}

/** From an event to whom it is about. */
function go(model: Model): Outcome {
  const line = model.events.find(({ id }) => id === model.lists.events.chosen);
  if (line === undefined) return nothing(model);
  if (model.services.some(({ name }) => name === line.subject))
    return [chosen(viewed(model, "services"), line.subject), []];
  if (model.jobs.some(({ name }) => name === line.subject)) return [chosen(viewed(model, "jobs"), line.subject), []];
  return said(model, `${line.subject} is not there any more`, "quiet");
}

/** Chosen, and seen: a filter that hides it is taken away. */
export function chosen(model: Model, name: string): Model {
  const place = model.lists[model.view];
  const isShown = itemsOf(model).includes(name);
  const shown: Model = isShown ? model : withList(model, { filter: "" });
  const items = itemsOf(shown);
  const by = items.indexOf(name) - Math.max(0, items.indexOf(place.chosen ?? ""));
  return changedChoice(model, withList(shown, moved(shown.lists[shown.view], items, by, listRows(shown))));
}

function withList(model: Model, changes: Partial<ListPlace>): Model {
  return { ...model, lists: { ...model.lists, [model.view]: { ...model.lists[model.view], ...changes } } };
}

/** Another item: its pane begins anew. */
function changedChoice(before: Model, after: Model): Model {
  if (before.lists[after.view].chosen === after.lists[after.view].chosen) return after;
  return { ...after, paneTop: 0, chosenRun: null, askedLog: null };
}

function onList(model: Model, action: string): Outcome {
  const place = model.lists[model.view];
  const items = itemsOf(model);
  const rows = listRows(model);
  const by = (steps: number): Outcome => [changedChoice(model, withList(model, moved(place, items, steps, rows))), []];
  switch (action) {
    case "up":
      return by(-1);
    case "down":
      return by(1);
    case "page up":
      return by(-rows);
    case "page down":
      return by(rows);
    case "top":
      return by(-items.length);
    case "bottom":
      return by(items.length);
    case "filter":
      return [{ ...model, prompt: { for: "filter", text: place.filter, before: place.filter } }, []];
    case "mark": {
      if (place.chosen === null) return nothing(model);
      const marks = new Set(place.marks);
      if (!marks.delete(place.chosen)) marks.add(place.chosen);
      const next = withList(model, { marks });
      return [changedChoice(model, withList(next, moved(next.lists[next.view], items, 1, rows))), []];
    }
    case "mark all":
      return [
        withList(model, { marks: items.every((item) => place.marks.has(item)) ? new Set() : new Set(items) }),
        [],
      ];
    default: {
      const sort = /^sort (.*)$/.exec(action)?.[1] as SortKey | undefined;
      if (sort === undefined) return [model, []];
      return [sortedBy(model, sort), []];
    }
  }
}

export function sortedBy(model: Model, sort: SortKey): Model {
  const place = model.lists[model.view];
  const isAgain = place.sort === sort;
  const next = withList(model, { sort, isDescending: isAgain && !place.isDescending });
  const items = itemsOf(next);
  // To a person who sorts, the order is the answer: the choice goes along, the top is shown.
  return withList(next, moved({ ...next.lists[next.view], top: 0 }, items, 0, listRows(next)));
}

function onPage(model: Model, action: string): Model {
  const rows = paneRows(model);
  const to = (top: number): Model => ({ ...model, paneTop: Math.max(0, top) });
  if (model.view === "jobs" && model.pane === "runs" && !/page|top|bottom/.test(action)) {
    return chooseRun(model, action === "scroll up" ? -1 : 1);
  }
  switch (action) {
    case "scroll up":
      return to(model.paneTop - 1);
    case "scroll down":
      return to(model.paneTop + 1);
    case "page up":
      return to(model.paneTop - rows + 1);
    case "page down":
      return to(model.paneTop + rows - 1);
    case "top":
      return to(0);
    case "bottom":
      return to(Number.MAX_SAFE_INTEGER);
    default:
      return model;
  }
}

/** Among the runs of a job, newest first. */
function chooseRun(model: Model, by: number): Model {
  const { chosen: job } = model.lists.jobs;
  const status = model.jobs.find(({ name }) => name === job);
  const live = [...(status?.runs ?? [])].reverse().map(({ run }) => run);
  const over = (model.histories.get(job ?? "") ?? []).flatMap(({ run }) => (run === null ? [] : [run]));
  const runs = [...new Set([...live, ...over])];
  if (runs.length === 0) return model;
  const at = model.chosenRun === null ? -1 : runs.indexOf(model.chosenRun);
  const index = Math.min(Math.max(at + by, 0), runs.length - 1);
  const room = (layout(model).pane?.rows ?? 2) - 1;
  const paneTop = Math.min(Math.max(model.paneTop, index - room + 1), index);
  return { ...model, chosenRun: runs[index]!, paneTop };
}

function back(model: Model): Model {
  const place = model.lists[model.view];
  if (model.isFull) {
    const pane = model.paneBehind ?? model.pane;
    return { ...model, isFull: false, focus: "list", askedLog: null, pane, paneBehind: null };
  }
  if (model.focus === "pane") return { ...model, focus: "list" };
  if (place.marks.size > 0) return withList(model, { marks: new Set() });
  if (place.filter !== "") return withList(model, { filter: "" });
  const usual: Pane = model.view === "jobs" ? "runs" : "log";
  if (hasPane(model) && model.pane !== usual) return { ...model, pane: usual, paneTop: 0 };
  return model.view === "services" ? model : viewed(model, "services");
}
