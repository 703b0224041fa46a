/**
 * How earlier starts of each service went, for a word about how long the present one will take: the last ten that went well,
 * in a file for each service. It outlives the machine; a file that is torn or foreign counts as none, and a full disk costs
 * nothing but the forecast.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEPT_STARTS, type PastStart } from "../phase/eta.ts";

/** As many as a start may have phases. */
const MOST_PHASES = 64;

export class StartHistory {
  readonly #folder: string;
  readonly #known = new Map<string, readonly PastStart[]>();

  constructor(stateDir: string) {
    this.#folder = join(stateDir, "starts");
  }

  /** Newest last. */
  of(service: string): readonly PastStart[] {
    const known = this.#known.get(service) ?? read(this.#path(service));
    this.#known.set(service, known);
    return known;
  }

  add(service: string, start: PastStart): void {
    const starts = [...this.of(service), start].slice(-KEPT_STARTS);
    this.#known.set(service, starts);
    const path = this.#path(service);
    try {
      // Not `recursive`: in a place that takes no folders (/proc) Node then tries for ever.
      if (!existsSync(this.#folder)) mkdirSync(this.#folder, { mode: 0o700 });
      writeFileSync(`${path}.new`, `${JSON.stringify({ starts })}\n`, { mode: 0o600 });
      renameSync(`${path}.new`, path);
    } catch {
      rmSync(`${path}.new`, { force: true }); // Half a file on a full disk.
    }
  }

  /** A name may hold letters, digits, `_`, `-`, `.` and `@`. */
  #path(service: string): string {
    return join(this.#folder, `${service}.json`);
  }
}

function read(path: string): readonly PastStart[] {
  try {
    const { starts } = JSON.parse(readFileSync(path, "utf8")) as { starts?: unknown };
    return Array.isArray(starts) ? starts.filter(isPastStart).slice(-KEPT_STARTS) : [];
  } catch {
    return [];
  }
}

function isPastStart(value: unknown): value is PastStart {
  const { phases, totalMs } = (value ?? {}) as Partial<PastStart>;
  if (!isTime(totalMs) || !Array.isArray(phases) || phases.length > MOST_PHASES) return false;
  return phases.every((phase) => typeof phase?.name === "string" && isTime(phase.afterMs) && phase.afterMs <= totalMs);
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
