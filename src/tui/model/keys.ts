/** A key, to whoever has the keys now: an overlay, the line that is typed, else the keymap. */
import { act, begun, chosen, type Outcome, viewed } from "./act.ts";
import { question } from "./blast.ts";
import { actionFor, type Keymap } from "./keymap.ts";
import { clearedView } from "./log-actions.ts";
import { hitFrom, jumpedTo, logNow, searchOf, withPlace } from "./logs.ts";
import type { Model, Overlay, Prompt } from "./model.ts";
import { SIGNALS } from "./overlay.ts";
import { entriesOf } from "./palette.ts";

type Over<Is extends Overlay["is"]> = Extract<Overlay, { is: Is }>;

export function withKey(model: Model, key: string, keymap: Keymap): Outcome {
  const heard: Model = model.notice?.weight === "bad" ? { ...model, notice: null } : model;
  const { overlay, prompt } = heard;
  if (overlay !== null) return inOverlay(heard, overlay, key, keymap);
  if (prompt !== null) return [inPrompt(heard, prompt, key), []];
  const binding = actionFor(keymap, key, heard);
  if (binding === null) return [heard, []];
  const [next, commands] = act(heard, binding);
  // In a log it clears the view as well, as in a shell.
  return binding.action === "redraw" && logIsInFront(heard) ? [clearedView(next), commands] : [next, commands];
}

function logIsInFront(model: Model): boolean {
  return model.view === "logs" || (model.pane === "log" && model.focus === "pane");
}

export function withPaste(model: Model, text: string): Outcome {
  const line = text.replaceAll(/[\r\n]+/g, " ");
  if (model.overlay?.is === "palette") {
    return [{ ...model, overlay: { ...model.overlay, text: model.overlay.text + line, chosen: 0 } }, []];
  }
  // Whatever is on the clipboard are no commands.
  return model.prompt === null ? [model, []] : [typed(model, model.prompt, model.prompt.text + line), []];
}

// The line at the foot

function inPrompt(model: Model, prompt: Prompt, key: string): Model {
  if (key === "esc" || key === "C-c")
    return { ...typed(model, prompt, prompt.for === "filter" ? "" : prompt.before), prompt: null };
  if (key === "enter") return entered(model, prompt);
  if (/^(up|down|tab)$/.test(key) && prompt.for === "filter") return { ...model, prompt: null };
  const text = edited(prompt.text, key);
  return text === null ? model : typed(model, prompt, text);
}

/** A filter works while it is typed, and so does a search. */
function typed(model: Model, prompt: Prompt, text: string): Model {
  const next = { ...model, prompt: { ...prompt, text } };
  if (prompt.for === "filter") {
    return { ...next, lists: { ...model.lists, [model.view]: { ...model.lists[model.view], filter: text } } };
  }
  const log = logNow(model);
  if (log === null) return next;
  return withPlace(next, log, { search: text === "" ? null : { ...searchOf(text), at: null } });
}

function entered(model: Model, prompt: Prompt): Model {
  const next: Model = { ...model, prompt: null };
  if (prompt.for === "filter") return next;
  const log = logNow(model);
  // Nothing typed: the search before is taken up again, as in less.
  const text = prompt.text === "" ? prompt.before : prompt.text;
  if (log === null || text === "") return next;
  const search = searchOf(text);
  const line = hitFrom(log, search, log.text.end - 1, -1, model.now);
  return jumpedTo(next, log, search, line);
}

/** null: the key writes nothing. */
function edited(text: string, key: string): string | null {
  if (key === "backspace") return [...text].slice(0, -1).join("");
  if (key === "C-u") return "";
  if (key === "C-w") return text.replace(/\S+\s*$/, "");
  return [...key].length === 1 ? text + key : null;
}

// Overlays

function inOverlay(model: Model, overlay: Overlay, key: string, keymap: Keymap): Outcome {
  if (key === "C-c") return [{ ...model, overlay: null }, []];
  switch (overlay.is) {
    case "help":
      return [inHelp(model, overlay, key), []];
    case "palette":
      return inPalette(model, overlay, key, keymap);
    case "signals":
      return inSignals(model, overlay, key);
    case "confirm":
      return inConfirm(model, overlay, key);
    case "review":
      return inReview(model, overlay, key);
  }
}

function inHelp(model: Model, overlay: Over<"help">, key: string): Model {
  const by = {
    j: 1,
    down: 1,
    k: -1,
    up: -1,
    pagedown: 10,
    " ": 10,
    pageup: -10,
    home: -1e6,
    end: 1e6,
    g: -1e6,
    G: 1e6,
  }[key];
  if (by === undefined) return /^(esc|q|\?|f1|enter)$/.test(key) ? { ...model, overlay: null } : model;
  return { ...model, overlay: { ...overlay, top: Math.max(0, overlay.top + by) } };
}

function inPalette(model: Model, overlay: Over<"palette">, key: string, keymap: Keymap): Outcome {
  const entries = entriesOf(model, keymap, overlay.text);
  const move = { down: 1, up: -1, "C-n": 1, "C-p": -1, tab: 1, "S-tab": -1, pagedown: 10, pageup: -10 }[key];
  if (key === "esc") return [{ ...model, overlay: null }, []];
  if (move !== undefined) {
    const at = Math.min(Math.max(overlay.chosen + move, 0), Math.max(0, entries.length - 1));
    return [{ ...model, overlay: { ...overlay, chosen: at } }, []];
  }
  if (key === "enter") {
    const entry = entries[overlay.chosen];
    const closed: Model = { ...model, overlay: null };
    if (entry === undefined) return [model, []];
    if (entry.binding !== null) {
      const [next, commands] = act(closed, entry.binding);
      return [next, commands];
    }
    return [chosen(viewed(closed, entry.view), entry.name), []];
  }
  const text = edited(overlay.text, key);
  return text === null ? [model, []] : [{ ...model, overlay: { ...overlay, text, chosen: 0 } }, []];
}

function inSignals(model: Model, overlay: Over<"signals">, key: string): Outcome {
  const move = { j: 1, down: 1, k: -1, up: -1, home: -99, end: 99 }[key];
  if (key === "esc" || key === "q") return [{ ...model, overlay: null }, []];
  if (move !== undefined) {
    const at = Math.min(Math.max(overlay.chosen + move, 0), SIGNALS.length - 1);
    return [{ ...model, overlay: { ...overlay, chosen: at } }, []];
  }
  if (key !== "enter") return [model, []];
  const deed = { kind: "signal", signal: SIGNALS[overlay.chosen]! } as const;
  const confirm = question(model, deed, overlay.names);
  if (confirm !== null) return [{ ...model, overlay: confirm }, []];
  return begun(model, [{ do: "act", deed, names: overlay.names }]);
}

function inConfirm(model: Model, overlay: Over<"confirm">, key: string): Outcome {
  if (/^(esc|n|N|q)$/.test(key) || (key === "enter" && !overlay.onYes)) return [{ ...model, overlay: null }, []];
  if (key === "y" || key === "Y" || (key === "enter" && overlay.onYes)) return begun(model, overlay.commands);
  if (/^(tab|S-tab|left|right|h|l)$/.test(key))
    return [{ ...model, overlay: { ...overlay, onYes: !overlay.onYes } }, []];
  return [model, []];
}

function inReview(model: Model, overlay: Over<"review">, key: string): Outcome {
  const { draft, button, top } = overlay;
  const closed: Model = { ...model, overlay: null };
  const again: Outcome = [closed, [{ do: "edit again", draft }]];
  const discard: Outcome = [closed, [{ do: "discard", draft }]];
  const install: Outcome = [closed, [{ do: "install", draft }]];
  switch (key) {
    case "e":
      return again;
    case "a":
    case "y":
      return install;
    case "esc":
    case "n":
    case "q":
      return discard;
    case "enter":
      return button === 0 ? again : button === 1 ? discard : install;
    case "tab":
    case "right":
    case "l":
      return [{ ...model, overlay: { ...overlay, button: ((button + 1) % 3) as 0 | 1 | 2 } }, []];
    case "S-tab":
    case "left":
    case "h":
      return [{ ...model, overlay: { ...overlay, button: ((button + 2) % 3) as 0 | 1 | 2 } }, []];
    case "down":
    case "j":
      return [{ ...model, overlay: { ...overlay, top: top + 1 } }, []];
    case "up":
    case "k":
      return [{ ...model, overlay: { ...overlay, top: Math.max(0, top - 1) } }, []];
    default:
      return [model, []];
  }
}
