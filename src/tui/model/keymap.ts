/**
 * Every key and what it does, as data: the keys that work, the help, the palette, the footer and the page in docs/ are all made
 * from it.
 */
import type { Model } from "./model.ts";

/** Where a key means something. `list`: any list; `page`: the pane, when it is in front and is no log. `one log`: a log that
 * is not several merged. */
export type Place = "everywhere" | "list" | "services" | "jobs" | "events" | "page" | "log" | "one log";

export interface Binding {
  readonly action: string;
  readonly keys: readonly string[];
  readonly in: Place;
  /** A phrase for the help and the palette. */
  readonly says: string;
  /** A word for the footer; absent: it is not shown there. */
  readonly short?: string;
  /** Changes something on the machine: not for people who may only look. */
  readonly acts?: true;
}

export const BINDINGS: readonly Binding[] = [
  { action: "start", keys: ["s", "f7"], in: "services", says: "start", short: "start", acts: true },
  { action: "start hard", keys: ["S"], in: "services", says: "start, also what was disabled", acts: true },
  { action: "stop", keys: ["x", "f9"], in: "services", says: "stop; it stays down", short: "stop", acts: true },
  { action: "kill", keys: ["X"], in: "services", says: "stop at once, with KILL", acts: true },
  { action: "restart", keys: ["r", "C-r"], in: "services", says: "restart", short: "restart", acts: true },
  { action: "restart hard", keys: ["R"], in: "services", says: "restart, with KILL instead of patience", acts: true },
  { action: "signal", keys: ["K", "C-k"], in: "services", says: "send a signal", acts: true },
  { action: "reload", keys: ["u"], in: "services", says: "reload its own settings", acts: true },
  { action: "enable", keys: ["E"], in: "services", says: "enable or disable on this machine", acts: true },
  { action: "log", keys: ["l", "f4"], in: "services", says: "its log, on the whole screen", short: "log" },
  {
    action: "describe",
    keys: ["d", "enter", "f3"],
    in: "services",
    says: "why, history, probes, environment",
    short: "why",
  },
  { action: "config", keys: ["y"], in: "services", says: "effective configuration" },
  { action: "tree", keys: ["g"], in: "services", says: "tree of dependencies" },
  {
    action: "edit",
    keys: ["e", "C-e"],
    in: "services",
    says: "edit its file, check it, apply it",
    short: "edit",
    acts: true,
  },
  { action: "clear", keys: ["D"], in: "services", says: "empty its log files", acts: true },
  { action: "address", keys: ["w"], in: "services", says: "copy its address (OSC 52), and say it" },
  { action: "problem", keys: ["!"], in: "services", says: "go to the next problem" },

  {
    action: "run",
    keys: ["s", "f7"],
    in: "jobs",
    says: "run now, as its overlap allows",
    short: "run now",
    acts: true,
  },
  { action: "run hard", keys: ["S"], in: "jobs", says: "run now, whatever its overlap says", acts: true },
  { action: "end runs", keys: ["x", "f9"], in: "jobs", says: "end what runs of it", short: "end", acts: true },
  { action: "pause", keys: ["p"], in: "jobs", says: "pause or resume", short: "pause", acts: true },
  {
    action: "log",
    keys: ["l", "enter", "f4"],
    in: "jobs",
    says: "output of the chosen run, else of the last",
    short: "output",
  },
  { action: "runs", keys: ["h"], in: "jobs", says: "its last runs" },
  { action: "describe", keys: ["d", "f3"], in: "jobs", says: "why, last lines, what to do", short: "why" },
  { action: "config", keys: ["y"], in: "jobs", says: "effective configuration" },
  {
    action: "edit",
    keys: ["e", "C-e"],
    in: "jobs",
    says: "edit its file, check it, apply it",
    short: "edit",
    acts: true,
  },

  { action: "go", keys: ["enter"], in: "events", says: "go to the service or job", short: "go there" },

  { action: "up", keys: ["k", "up"], in: "list", says: "up" },
  { action: "down", keys: ["j", "down"], in: "list", says: "down" },
  { action: "page up", keys: ["pageup", "C-b", "C-u"], in: "list", says: "a page up" },
  { action: "page down", keys: ["pagedown", "C-f", "C-d"], in: "list", says: "a page down" },
  { action: "top", keys: ["home", "<"], in: "list", says: "first" },
  { action: "bottom", keys: ["G", "end", ">"], in: "list", says: "last" },
  {
    action: "filter",
    keys: ["/"],
    in: "list",
    says: "filter: letters in order, !not, state:fatal, ns:group",
    short: "filter",
  },
  { action: "mark", keys: [" "], in: "list", says: "mark; actions go to all that are marked" },
  { action: "mark all", keys: ["*"], in: "list", says: "mark all that are shown, or none" },
  { action: "sort name", keys: ["N"], in: "list", says: "sort by name; again: the other way round" },
  { action: "sort state", keys: ["A"], in: "list", says: "sort by state, worst first" },
  { action: "sort uptime", keys: ["U"], in: "list", says: "sort by time in its state; of jobs by next" },
  { action: "sort cpu", keys: ["C"], in: "list", says: "sort by processor use" },
  { action: "sort memory", keys: ["B"], in: "list", says: "sort by memory" },
  { action: "sort restarts", keys: ["F"], in: "list", says: "sort by restarts" },

  { action: "scroll up", keys: ["k", "up"], in: "page", says: "up" },
  { action: "scroll down", keys: ["j", "down"], in: "page", says: "down" },
  { action: "page up", keys: ["pageup", "C-b", "C-u"], in: "page", says: "a page up" },
  { action: "page down", keys: ["pagedown", "C-f", "C-d", " "], in: "page", says: "a page down" },
  { action: "top", keys: ["g", "home"], in: "page", says: "to the beginning" },
  { action: "bottom", keys: ["G", "end"], in: "page", says: "to the end" },

  { action: "scroll up", keys: ["k", "up"], in: "log", says: "a line up; following ends" },
  { action: "scroll down", keys: ["j", "down"], in: "log", says: "a line down" },
  { action: "page up", keys: ["pageup", "C-b", "C-u"], in: "log", says: "a page up" },
  { action: "page down", keys: ["pagedown", "C-d", " "], in: "log", says: "a page down" },
  { action: "top", keys: ["g", "home"], in: "log", says: "to the beginning" },
  { action: "bottom", keys: ["G", "end"], in: "log", says: "to the end, and follow" },
  { action: "follow", keys: ["f", "f5"], in: "log", says: "follow or stay", short: "follow" },
  {
    action: "search",
    keys: ["/", "C-f"],
    in: "log",
    says: "search; with / around it as a regular expression",
    short: "search",
  },
  { action: "next hit", keys: ["n", "C-n"], in: "log", says: "next hit, downwards" },
  { action: "previous hit", keys: ["N", "C-p"], in: "log", says: "previous hit, upwards" },
  { action: "wrap", keys: ["w", "f6"], in: "log", says: "wrap long lines, or cut them", short: "wrap" },
  { action: "times", keys: ["t"], in: "log", says: "when lines came, as far as we were there", short: "times" },
  { action: "left", keys: ["left", "h"], in: "log", says: "to the left, where lines are cut" },
  { action: "right", keys: ["right"], in: "log", says: "to the right, where lines are cut" },
  { action: "previous run", keys: ["p"], in: "one log", says: "the run before", short: "previous run" },
  { action: "next run", keys: ["P"], in: "one log", says: "the run after" },
  { action: "marker", keys: ["m"], in: "log", says: "draw a line here", short: "mark" },
  { action: "copy", keys: ["c"], in: "log", says: "copy what is shown (OSC 52)", short: "copy" },
  { action: "copy line", keys: ["y"], in: "log", says: "copy the line that was found, else the last one" },
  { action: "range tail", keys: ["0"], in: "one log", says: "everything that is here, from the end" },
  { action: "range 1m", keys: ["1"], in: "one log", says: "what came in the last minute" },
  { action: "range 5m", keys: ["2"], in: "one log", says: "what came in the last 5 minutes" },
  { action: "range 1h", keys: ["3"], in: "one log", says: "what came in the last hour" },
  { action: "range run", keys: ["4"], in: "one log", says: "the present run, from its start" },
  { action: "range all", keys: ["5"], in: "one log", says: "all that is kept of the log" },

  { action: "view services", keys: ["1"], in: "everywhere", says: "services" },
  { action: "view jobs", keys: ["2"], in: "everywhere", says: "jobs" },
  {
    action: "view logs",
    keys: ["3"],
    in: "everywhere",
    says: "logs of all services, or of those that are marked, merged",
  },
  { action: "view machine", keys: ["4"], in: "everywhere", says: "GPUs and the machine" },
  { action: "view events", keys: ["5"], in: "everywhere", says: "events" },
  { action: "view tunnels", keys: ["6"], in: "everywhere", says: "tunnels and doors" },
  { action: "focus", keys: ["tab", "S-tab"], in: "everywhere", says: "to the pane, and back to the list" },
  { action: "zoom", keys: ["z"], in: "everywhere", says: "the pane on the whole screen, and back", short: "zoom" },
  { action: "more list", keys: ["+"], in: "everywhere", says: "more room for the list" },
  { action: "less list", keys: ["-"], in: "everywhere", says: "less room for the list" },
  { action: "palette", keys: [":", "f8"], in: "everywhere", says: "every action, by its name", short: "all" },
  { action: "help", keys: ["?", "f1"], in: "everywhere", says: "this help", short: "help" },
  { action: "theme", keys: ["T"], in: "everywhere", says: "colours: dark, light, the terminal's own" },
  { action: "mouse", keys: ["M"], in: "everywhere", says: "mouse on or off; off, the terminal selects text" },
  { action: "redraw", keys: ["C-l"], in: "everywhere", says: "draw the screen anew; in a log, clear the view" },
  { action: "back", keys: ["esc"], in: "everywhere", says: "one level up; never leaves" },
  { action: "quit", keys: ["q", "f10", "C-c"], in: "everywhere", says: "leave; services stay", short: "leave" },
];

export type Keymap = readonly Binding[];

/** What can be given keys in tui.yaml: `services.stop`, `log.follow`, `everywhere.quit`. */
export function nameOf({ in: place, action }: Binding): string {
  return `${place}.${action.replaceAll(" ", "-")}`;
}

/** The places whose keys count now, the nearest first. */
export function placesNow(model: Model): readonly Place[] {
  switch (model.view) {
    case "services":
      if (model.focus === "list") return ["services", "list", "everywhere"];
      // What is done to a service can be done while reading about it, as far as a key is free.
      return model.pane === "log" ? ["one log", "log", "services", "everywhere"] : ["page", "services", "everywhere"];
    case "jobs":
      if (model.focus === "list") return ["jobs", "list", "everywhere"];
      return model.pane === "log" ? ["one log", "log", "everywhere"] : ["page", "jobs", "everywhere"];
    case "events":
      return ["events", "list", "everywhere"];
    case "logs":
      return ["log", "everywhere"];
    case "machine":
    case "tunnels":
      return ["page", "everywhere"];
  }
}

export function hasPane({ view }: Pick<Model, "view">): boolean {
  return view === "services" || view === "jobs";
}

export function actionFor(keymap: Keymap, key: string, model: Model): Binding | null {
  for (const place of placesNow(model)) {
    const found = keymap.find((binding) => binding.in === place && binding.keys.includes(key));
    if (found !== undefined) return found;
  }
  return null;
}

/** Everything that can be done now; of two that one key would do, what it does do. */
export function bindingsNow(keymap: Keymap, model: Model): readonly Binding[] {
  const taken = new Set<string>();
  return placesNow(model).flatMap((place) =>
    keymap
      .filter((binding) => binding.in === place)
      .flatMap((binding) => {
        const keys = binding.keys.filter((key) => !taken.has(key));
        for (const key of keys) taken.add(key);
        return keys.length === 0 && binding.keys.length > 0 ? [] : [{ ...binding, keys }];
      }),
  );
}

const SHOWN: Readonly<Record<string, string>> = {
  " ": "Space",
  enter: "Enter",
  esc: "Esc",
  tab: "Tab",
  "S-tab": "Shift-Tab",
  pageup: "PgUp",
  pagedown: "PgDn",
  home: "Home",
  end: "End",
  up: "↑",
  down: "↓",
  left: "←",
  right: "→",
};
const SHOWN_ASCII: Readonly<Record<string, string>> = { up: "Up", down: "Down", left: "Left", right: "Right" };

export function keyLabel(key: string, hasUnicode = true): string {
  if (!hasUnicode && key in SHOWN_ASCII) return SHOWN_ASCII[key]!;
  return SHOWN[key] ?? key.replace(/^C-/, "Ctrl-").replace(/^f(\d+)$/, "F$1");
}
