/** What an action does, once it is known which: the other end of the keymap and of the palette. */
import { listRows } from "../view/layout.ts";
import { THEMES } from "../view/looks.ts";
import { addressOf } from "./address.ts";
import { question } from "./blast.ts";
import type { Command, Deed } from "./command.ts";
import { isProblem, itemsOf, moved, servicesShown, subjects } from "./items.ts";
import type { Binding } from "./keymap.ts";
import { hasPane } from "./keymap.ts";
import { changedChoice, onList, onPage, withList } from "./list-actions.ts";
import { actOnLog, openLog } from "./log-actions.ts";
import type { Model, Pane, ViewName } from "./model.ts";

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
  const url = addressOf(model, name ?? "");
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
