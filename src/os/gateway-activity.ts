/**
 * Requests that came through the gateway, from the file that it keeps in svcd's run directory: when each service was last asked
 * for something, and how much is under way.
 */
import { readFileSync } from "node:fs";
import type { Reading } from "../idle/idle.ts";
import { formatDuration } from "../plan/units.ts";
import type { Instant } from "../service/life.ts";
import type { IdleSource } from "./idle-sources.ts";

export const GATEWAY_ACTIVITY_FILE = "gateway.activity.json";
const SOURCE = "gateway";

export class GatewayActivity implements IdleSource {
  readonly #path: string;
  readonly #service: string | null;
  readonly #wallNow: () => number;

  /** `service` null: any of them is a use of the machine. */
  constructor(path: string, service: string | null, wallNow: () => number = Date.now) {
    this.#path = path;
    this.#service = service;
    this.#wallNow = wallNow;
  }

  read(now: Instant, onReading: (reading: Reading | null) => void): void {
    onReading(this.#reading(now));
  }

  #reading(now: Instant): Reading | null {
    let services: Readonly<Record<string, { readonly lastRequestAt: string; readonly underWay: number }>>;
    let isWriterThere: boolean;
    try {
      const written = JSON.parse(readFileSync(this.#path, "utf8"));
      services = written.services;
      isWriterThere = startTicksOf(written.pid) === written.startTicks;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "ENOENT") return null; // No gateway has run here: that nothing came through it says nothing.
      return { source: SOURCE, lastUsedAt: null, what: `${this.#path}: ${message}`, isUnknown: true };
    }
    const seen = Object.entries(services).filter(([name]) => this.#service === null || name === this.#service);
    // What was under way ended with the one that wrote it.
    const underWay = isWriterThere ? seen.reduce((sum, [, one]) => sum + one.underWay, 0) : 0;
    if (underWay > 0) return { source: SOURCE, lastUsedAt: now, what: `${underWay} requests under way` };
    const latest = Math.max(...seen.map(([, one]) => Date.parse(one.lastRequestAt)).filter((at) => !Number.isNaN(at)));
    if (!Number.isFinite(latest)) return { source: SOURCE, lastUsedAt: null, what: "no request has come through it" };
    // By the wall clock; one that was set back cannot make a use of the future.
    const agoMs = Math.max(0, this.#wallNow() - latest);
    return {
      source: SOURCE,
      lastUsedAt: now - agoMs,
      what: `last request ${formatDuration(Math.floor(agoMs / 1000) * 1000)} ago`,
    };
  }
}

/** Of a process, as the kernel counts (proc(5), field 22 of stat); null: there is none. */
function startTicksOf(pid: unknown): number | null {
  try {
    const stat = readFileSync(`/proc/${Number(pid)}/stat`, "latin1");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return null;
  }
}
