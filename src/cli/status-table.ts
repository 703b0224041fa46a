/**
 * Services as a table: one line each, the reason last, because it is what may be cut.
 */
import type { ServiceStatus } from "../control/daemon.ts";
import { colourOf, type Ink, signOf } from "./colour.ts";
import { type Cell, table } from "./table.ts";
import { cut, plain } from "./text.ts";
import { sinceThen } from "./time.ts";

export interface TableLook {
  readonly ink: Ink;
  /** null: as wide as it takes. */
  readonly columns: number | null;
  readonly now: Date;
}

export function statusTable(statuses: readonly ServiceStatus[], { ink, columns, now }: TableLook): string[] {
  const title = (text: string): Cell => ({ text, paint: (cell) => ink.paint("grey", cell) });
  const header = ["NAME", "STATE", "PID", "FOR", "RESTARTS", "WHY"].map(title);
  // On a narrow screen the reason is worth more than the end of a long name.
  const longestName = columns === null ? Number.POSITIVE_INFINITY : Math.max(16, Math.floor(columns * 0.28));
  const rows = statuses.map((status): Cell[] => {
    const hasFailed = status.state === "EXITED" && !/^exit 0\b/.test(status.why);
    const colour = status.health === "unhealthy" || hasFailed ? "yellow" : colourOf(status.state);
    const sign = hasFailed ? signOf("FATAL") : signOf(status.state);
    const state = ink.on ? `${sign} ${status.state}` : status.state;
    return [
      { text: cut(plain(status.name), longestName), paint: (cell) => ink.paint("bold", cell) },
      { text: state, paint: (cell) => ink.paint(colour, cell) },
      { text: status.pid === null ? "-" : String(status.pid) },
      { text: sinceThen(status.since, now) },
      { text: String(status.restarts) },
      { text: plain(reasonOf(status)) },
    ];
  });
  return table([header, ...rows], columns);
}

/** Why, and what comes of it where that is still open. */
function reasonOf({ state, why, next, phase, progress }: ServiceStatus): string {
  switch (state) {
    case "STARTING":
      return withTimeLeft(phase ?? why, progress?.left ?? null);
    case "WAITING":
    case "BACKOFF":
    case "STOPPING":
    case "FATAL":
      return `${why}; ${next}`;
    case "STOPPED":
    case "SKIPPED":
    case "RUNNING":
    case "EXITED":
      return why;
  }
}

function withTimeLeft(phase: string, left: string | null): string {
  return left === null ? phase : `${phase}, ${left}`;
}
