/**
 * How things look, on the terminal that there is: signs in Unicode or in ASCII, colours of 256, of 16 or none. One calm scheme:
 * text in the terminal's own colour, what is less important dimmed, and only problems loud.
 */
import type { JobStateWord, RunResult, StateWord } from "../../control/daemon.ts";
import { type Attr, attr, type Look } from "../text/attr.ts";

export type Depth = 256 | 16 | 0;
export const THEMES = ["dark", "light", "terminal"] as const;
/** `terminal`: the 16 colours that the person has chosen for their terminal. */
export type Theme = (typeof THEMES)[number];

export interface Looks {
  readonly ink: Ink;
  readonly signs: Signs;
}

export type InkName =
  | "text"
  | "dim"
  | "strong"
  | "title"
  | "good"
  | "busy"
  | "warn"
  | "bad"
  | "bar"
  | "barDim"
  | "barBad"
  | "barStrong"
  | "tab"
  | "chosen"
  | "chosenIdle"
  | "rule"
  | "key"
  | "found"
  | "button";
export type Ink = Readonly<Record<InkName, Attr>>;

const DARK: Record<InkName, Look> = {
  text: {},
  dim: { fg: 245 },
  strong: { bold: true },
  title: { fg: 110, bold: true },
  good: { fg: 108 },
  busy: { fg: 110 },
  warn: { fg: 179 },
  bad: { fg: 203, bold: true },
  bar: { fg: 252, bg: 236 },
  barDim: { fg: 246, bg: 236 },
  barBad: { fg: 231, bg: 160, bold: true },
  barStrong: { fg: 255, bg: 236, bold: true },
  tab: { fg: 231, bg: 61, bold: true },
  chosen: { bg: 238 },
  chosenIdle: { bg: 235 },
  rule: { fg: 240 },
  key: { fg: 110 },
  found: { fg: 16, bg: 179 },
  button: { fg: 231, bg: 61, bold: true },
};

const LIGHT: Record<InkName, Look> = {
  ...DARK,
  dim: { fg: 243 },
  title: { fg: 25, bold: true },
  good: { fg: 28 },
  busy: { fg: 25 },
  warn: { fg: 130 },
  bad: { fg: 160, bold: true },
  bar: { fg: 236, bg: 253 },
  barDim: { fg: 242, bg: 253 },
  barStrong: { fg: 232, bg: 253, bold: true },
  chosen: { bg: 252 },
  chosenIdle: { bg: 254 },
  rule: { fg: 249 },
  key: { fg: 25 },
  found: { fg: 16, bg: 222 },
};

/** Also for terminals that know no others. No bright black on the bar: on some it cannot be seen. */
const SIXTEEN: Record<InkName, Look> = {
  text: {},
  dim: { fg: 8 },
  strong: { bold: true },
  title: { fg: 6, bold: true },
  good: { fg: 2 },
  busy: { fg: 6 },
  warn: { fg: 3 },
  bad: { fg: 1, bold: true },
  bar: { inverse: true },
  barDim: { inverse: true },
  barBad: { fg: 7, bg: 1, bold: true },
  barStrong: { inverse: true, bold: true },
  tab: { fg: 7, bg: 4, bold: true },
  chosen: { inverse: true },
  chosenIdle: { underline: true },
  rule: { fg: 8 },
  key: { fg: 6 },
  found: { fg: 0, bg: 3 },
  button: { fg: 7, bg: 4, bold: true },
};

const COLOURLESS: Record<InkName, Look> = {
  text: {},
  dim: {},
  strong: { bold: true },
  title: { bold: true },
  good: {},
  busy: {},
  warn: { bold: true },
  bad: { bold: true },
  bar: { inverse: true },
  barDim: { inverse: true },
  barBad: { inverse: true, bold: true },
  barStrong: { inverse: true, bold: true },
  tab: { bold: true, underline: true },
  chosen: { inverse: true },
  chosenIdle: { underline: true },
  rule: {},
  key: { bold: true },
  found: { inverse: true },
  button: { inverse: true },
};

export interface Signs {
  readonly state: Readonly<Record<StateWord, string>>;
  readonly job: Readonly<Record<JobStateWord, string>>;
  readonly result: Readonly<Record<RunResult, string>>;
  readonly trouble: string;
  readonly marked: string;
  readonly cursor: string;
  readonly rule: string;
  readonly down: string;
  readonly branch: string;
  readonly lastBranch: string;
  readonly stem: string;
  readonly up: string;
  readonly full: string;
  readonly empty: string;
  readonly more: string;
  readonly ascending: string;
  readonly descending: string;
  readonly spinner: readonly string[];
  readonly levels: string;
  readonly corners: readonly [string, string, string, string];
}

const RESULTS_OF_RUNS: Signs["result"] = {
  success: "▪",
  failure: "✗",
  timeout: "✗",
  killed: "✗",
  unknown: "✗",
  replaced: "·",
  skipped: "·",
  missed: "·",
};

const UNICODE: Signs = {
  state: {
    STOPPED: "○",
    SKIPPED: "–",
    WAITING: "◌",
    STARTING: "◐",
    RUNNING: "●",
    BACKOFF: "↻",
    STOPPING: "◑",
    EXITED: "✓",
    FATAL: "✗",
  },
  job: { IDLE: "○", WAITING: "◌", RUNNING: "●", STOPPING: "◑", PAUSED: "‖" },
  result: RESULTS_OF_RUNS,
  trouble: "!",
  marked: "▪",
  cursor: "▌",
  rule: "─",
  down: "│",
  branch: "├─ ",
  lastBranch: "└─ ",
  stem: "│  ",
  up: "·",
  full: "█",
  empty: "░",
  more: "…",
  ascending: "▲",
  descending: "▼",
  spinner: ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
  levels: "▁▂▃▄▅▆▇█",
  corners: ["╭", "╮", "╰", "╯"],
};

const ASCII: Signs = {
  state: {
    STOPPED: "o",
    SKIPPED: "-",
    WAITING: ".",
    STARTING: ">",
    RUNNING: "*",
    BACKOFF: "~",
    STOPPING: "<",
    EXITED: "v",
    FATAL: "x",
  },
  job: { IDLE: "o", WAITING: ".", RUNNING: "*", STOPPING: "<", PAUSED: "=" },
  result: Object.fromEntries(
    Object.entries(RESULTS_OF_RUNS).map(([word, sign]) => [word, sign === "▪" ? "+" : sign === "✗" ? "x" : "."]),
  ) as unknown as Signs["result"],
  trouble: "!",
  marked: "*",
  cursor: ">",
  rule: "-",
  down: "|",
  branch: "|- ",
  lastBranch: "`- ",
  stem: "|  ",
  up: ".",
  full: "#",
  empty: ".",
  more: "~",
  ascending: "^",
  descending: "v",
  spinner: ["|", "/", "-", "\\"],
  levels: "_.-=oO0#",
  corners: ["+", "+", "+", "+"],
};

export function looksOf(depth: Depth, theme: Theme, hasUnicode: boolean): Looks {
  const scheme =
    depth === 0 ? COLOURLESS : depth === 16 || theme === "terminal" ? SIXTEEN : theme === "light" ? LIGHT : DARK;
  const ink = Object.fromEntries(Object.entries(scheme).map(([name, look]) => [name, attr(look)])) as unknown as Ink;
  return { ink, signs: hasUnicode ? UNICODE : ASCII };
}

/** A state has one colour everywhere. */
export function inkOfState(state: StateWord): InkName {
  switch (state) {
    case "RUNNING":
      return "good";
    case "WAITING":
    case "STARTING":
    case "STOPPING":
      return "busy";
    case "BACKOFF":
      return "warn";
    case "FATAL":
      return "bad";
    case "STOPPED":
    case "SKIPPED":
    case "EXITED":
      return "dim";
  }
}
