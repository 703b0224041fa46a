/**
 * All that the screen is made from: what svcd told, where the person is, and what they are in the middle of. Plain data, but for
 * the texts of logs, which only grow.
 *
 *   messages (keys, answers, events, ticks) ─▶ update(model, message) ─▶ next model and commands ─▶ the edge
 *                                                                  └──▶ draw(model) ─▶ cells ─▶ the terminal
 */
import type {
  DaemonEvent,
  ExposedRoute,
  HealthReport,
  IdleOverview,
  JobStatus,
  JobWhyReport,
  MachineReport,
  PlanReport,
  RunRecord,
  RunStart,
  ServiceDetail,
  ServiceStatus,
  WhyReport,
} from "../../control/daemon.ts";
import type { TerminalText } from "../text/terminal-text.ts";
import type { Depth, Theme } from "../view/looks.ts";
import type { Confirm, Overlay, Prompt } from "./overlay.ts";

export const VIEWS = ["services", "jobs", "logs", "machine", "events", "tunnels"] as const;
export type ViewName = (typeof VIEWS)[number];
export type Pane = "log" | "why" | "config" | "tree" | "runs";
export type SortKey = "name" | "state" | "uptime" | "cpu" | "memory" | "restarts" | "next";

/** Where the person is in a list. The choice is an item, never a row: what comes and goes around it does not move it. */
export interface ListPlace {
  readonly chosen: string | null;
  /** Index of the first row that is shown. */
  readonly top: number;
  readonly filter: string;
  readonly marks: ReadonlySet<string>;
  readonly sort: SortKey;
  readonly isDescending: boolean;
}

export interface LogPlace {
  /** At the end, and staying there. */
  readonly follows: boolean;
  /** Number of the first line that is shown, where it does not follow. */
  readonly top: number;
  readonly wraps: boolean;
  readonly showsTimes: boolean;
  /** Columns to the left of what is shown, where it does not wrap. */
  readonly shift: number;
  readonly search: Search | null;
  /** Only lines that came after this (milliseconds of the wall clock); null: all. */
  readonly range: LogRange;
  /** Lines before this one are not shown: the view was cleared. */
  readonly from: number;
}

export type LogRange = "tail" | "1m" | "5m" | "1h" | "run" | "all";

export interface Search {
  readonly text: string;
  readonly isRegex: boolean;
  /** The line that was found last. */
  readonly at: number | null;
}

/** A log that is open, or was a moment ago. */
export interface OpenLog {
  readonly key: string;
  readonly source: LogSource;
  readonly text: TerminalText;
  readonly place: LogPlace;
  /** Position after the last byte that came; null: none has. */
  readonly position: number | null;
  /** Why nothing comes; null: it comes. */
  readonly flaw: string | null;
  readonly isOver: boolean;
}

export type Beginning = { readonly lines: number } | { readonly bytes: number } | { readonly from: number };

export type LogSource =
  /** `run`: one of the runs before, or the present one from its start; null: the log as it is. `until`: where the next run begins. */
  | {
      readonly kind: "service";
      readonly name: string;
      readonly run: number | null;
      readonly begin: Beginning;
      readonly until: number | null;
    }
  | { readonly kind: "job"; readonly name: string; readonly run: number }
  /** Several, by whole lines. */
  | { readonly kind: "merged"; readonly names: readonly string[] };

export interface Usage {
  /** Of one processor; null: only one look was taken so far. */
  readonly cpuPercent: number | null;
  readonly memoryBytes: number;
  readonly processes: number;
  readonly run: number;
  readonly cpuMs: number;
}

export interface EventLine {
  /** Grows. */
  readonly id: string;
  readonly at: string;
  readonly subject: string;
  readonly text: string;
  readonly weight: "quiet" | "good" | "warn" | "bad";
  readonly event: DaemonEvent;
}

export interface Pending {
  readonly verb: string;
  readonly since: number;
}

export interface Notice {
  readonly text: string;
  readonly weight: "good" | "bad" | "quiet";
  /** A bad one stays until a key is pressed. */
  readonly until: number;
}

/** A file that is being changed: what was there, and what shall be. */
export interface Draft {
  readonly file: string;
  readonly line: number;
  readonly subject: string;
  /** Where the text is while it is not in its place. */
  readonly copy: string;
  readonly report: PlanReport | null;
  /** Why it cannot be checked. */
  readonly flaw: string | null;
}

/** What `GET /v1/gpus` answers, as far as a screen shows it. */
export interface GpuFacts {
  readonly name: string;
  /** Why it is not as it should be: gone, not for use, or seen long ago; null: it is. */
  readonly flaw: string | null;
  readonly memoryUsedBytes: number | null;
  readonly memoryTotalBytes: number | null;
  readonly usePercent: number | null;
  readonly watts: number | null;
  readonly wattsLimit: number | null;
  readonly celsius: number | null;
  /** Services, and runs of jobs, that it is given to. */
  readonly leases: readonly string[];
  /** Who holds memory of it; `name`: a service or job, null: a stranger. */
  readonly holders: readonly {
    readonly name: string | null;
    readonly what: string;
    readonly memoryBytes: number | null;
  }[];
}

/** null: not asked yet. A text: why there is nothing. */
export type Gpus = readonly GpuFacts[] | string | null;

export interface Model {
  /** Milliseconds of the wall clock. */
  readonly now: number;
  readonly columns: number;
  readonly rows: number;
  readonly depth: Depth;
  readonly hasUnicode: boolean;
  readonly theme: Theme;
  readonly hasMouse: boolean;
  /** It may only look. */
  readonly isReadOnly: boolean;
  /** No editor can be shown in this terminal. */
  readonly canEdit: boolean;
  readonly connection: "first" | "there" | "lost";
  readonly lostAt: number;
  readonly view: ViewName;
  readonly lists: Readonly<Record<ViewName, ListPlace>>;
  readonly pane: Pane;
  /** What the pane showed before a log took the whole screen: Esc leads back there. */
  readonly paneBehind: Pane | null;
  /** First line of a page in the pane that is no log. */
  readonly paneTop: number;
  /** In the list of runs of a job: which. */
  readonly chosenRun: number | null;
  readonly focus: "list" | "pane";
  /** The pane has all the room. */
  readonly isFull: boolean;
  /** How many rows more (or less) the list has than by itself. */
  readonly split: number;
  readonly overlay: Overlay | null;
  readonly prompt: Prompt | null;
  readonly notice: Notice | null;
  /** Rows of the screen that the mouse is drawn over, in a log; copied when it is let go. */
  readonly drawn: { readonly from: number; readonly to: number } | null;
  readonly pending: ReadonlyMap<string, Pending>;

  readonly health: HealthReport | null;
  readonly services: readonly ServiceStatus[];
  /** When a service was told of last: “in 54s” counts from there. */
  readonly heardAt: ReadonlyMap<string, number>;
  readonly jobs: readonly JobStatus[];
  readonly mistakes: number;
  readonly troubles: number;
  readonly machine: MachineReport | null;
  /** Of all processors together; null: not known yet. */
  readonly machineCpu: number | null;
  readonly loads: readonly number[];
  readonly usage: ReadonlyMap<string, Usage>;
  readonly usageAt: number | null;
  readonly gpus: Gpus;
  readonly idle: IdleOverview | null;
  readonly details: ReadonlyMap<string, ServiceDetail>;
  /** What services expose, filled in as svcd does it. */
  readonly routes: readonly ExposedRoute[];
  readonly whys: ReadonlyMap<string, WhyReport>;
  readonly jobWhys: ReadonlyMap<string, JobWhyReport>;
  readonly jobDefinitions: ReadonlyMap<string, unknown>;
  readonly histories: ReadonlyMap<string, readonly RunRecord[]>;
  readonly runStarts: ReadonlyMap<string, readonly RunStart[]>;
  readonly events: readonly EventLine[];
  readonly logs: ReadonlyMap<string, OpenLog>;
  /** Another run, or all of a log, asked for while reading it. */
  readonly askedLog: LogSource | null;
  /** Another run was asked for before it was known where runs begin. */
  readonly askedRun: "previous run" | "next run" | null;
  /** Of several logs that are merged, each: its lines, and the position after them. */
  readonly parts: ReadonlyMap<string, { readonly text: TerminalText; readonly position: number }>;
}

export type { Confirm, Overlay, Prompt };

const NOWHERE: ListPlace = {
  chosen: null,
  top: 0,
  filter: "",
  marks: new Set(),
  sort: "name",
  isDescending: false,
};

export const AT_THE_END: LogPlace = {
  follows: true,
  top: 0,
  wraps: true,
  showsTimes: false,
  shift: 0,
  search: null,
  range: "tail",
  from: 0,
};

export interface Surroundings {
  readonly now: number;
  readonly columns: number;
  readonly rows: number;
  readonly depth: Depth;
  readonly hasUnicode: boolean;
  readonly theme: Theme;
  readonly hasMouse: boolean;
  readonly isReadOnly: boolean;
  readonly canEdit: boolean;
}

export function firstModel(around: Surroundings): Model {
  return {
    ...around,
    connection: "first",
    lostAt: around.now,
    view: "services",
    lists: Object.fromEntries(VIEWS.map((view) => [view, NOWHERE])) as Record<ViewName, ListPlace>,
    pane: "log",
    paneBehind: null,
    paneTop: 0,
    chosenRun: null,
    focus: "list",
    isFull: false,
    split: 0,
    overlay: null,
    prompt: null,
    notice: null,
    drawn: null,
    pending: new Map(),
    health: null,
    services: [],
    heardAt: new Map(),
    jobs: [],
    mistakes: 0,
    troubles: 0,
    machine: null,
    machineCpu: null,
    loads: [],
    usage: new Map(),
    usageAt: null,
    gpus: null,
    idle: null,
    details: new Map(),
    routes: [],
    whys: new Map(),
    jobWhys: new Map(),
    jobDefinitions: new Map(),
    histories: new Map(),
    runStarts: new Map(),
    events: [],
    logs: new Map(),
    askedLog: null,
    askedRun: null,
    parts: new Map(),
  };
}
