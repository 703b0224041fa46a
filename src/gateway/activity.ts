/**
 * When each service was last asked for something, in a small file that anybody may read: `run/gateway.activity.json`.
 *
 *   {"pid": 4711, "startTicks": 123456, "services": {"vllm": {"lastRequestAt": "2026-11-24T22:10:05.123Z", "underWay": 2, "requests": 1042}}}
 *
 * Who decides that a service is idle reads it: `underWay` above 0 means busy, whatever the time says, while the process that wrote
 * it is there. It is written when the gateway starts, then at most once in two seconds and only when something has changed, beside its
 * place and renamed. Two workers write it for a moment while one follows the other: the later time of each service counts.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";

interface Seen {
  lastRequestMs: number;
  underWay: number;
  requests: number;
}

const WRITE_EVERY_MS = 2_000;
/** With the pid it says who wrote the file (proc(5), field 22 of stat). */
const OWN_START_TICKS = Number(
  readFileSync("/proc/self/stat", "latin1")
    .replace(/^.*\) /s, "")
    .split(" ")[19],
);

/** Asking whether a service is well is no use of it. */
export function isUse(url: string | undefined): boolean {
  return !/^\/(health|ping|metrics|version|load)\/?(\?|$)/.test(url ?? "");
}

export class Activity {
  readonly #path: string;
  readonly #onTrouble: (why: string) => void;
  readonly #seen = new Map<string, Seen>();
  #timer: NodeJS.Timeout | null = null;

  constructor(path: string, onTrouble: (why: string) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    for (const [service, { lastRequestAt, requests }] of Object.entries(written(path))) {
      // What was under way ended with the one that wrote it.
      this.#seen.set(service, { lastRequestMs: Date.parse(lastRequestAt) || 0, underWay: 0, requests });
    }
    this.#soon();
  }

  began(service: string): void {
    const seen = this.#seen.get(service) ?? { lastRequestMs: 0, underWay: 0, requests: 0 };
    this.#seen.set(service, seen);
    seen.underWay++;
    seen.requests++;
    seen.lastRequestMs = Date.now();
    this.#soon();
  }

  ended(service: string): void {
    const seen = this.#seen.get(service);
    if (seen === undefined) return;
    seen.underWay--;
    seen.lastRequestMs = Date.now();
    this.#soon();
  }

  facts(): Record<string, { lastRequestAt: string; underWay: number; requests: number }> {
    return Object.fromEntries(
      [...this.#seen].map(([service, { lastRequestMs, underWay, requests }]) => [
        service,
        { lastRequestAt: new Date(lastRequestMs).toISOString(), underWay, requests },
      ]),
    );
  }

  write(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [service, { lastRequestAt }] of Object.entries(written(this.#path))) {
      const seen = this.#seen.get(service) ?? { lastRequestMs: 0, underWay: 0, requests: 0 };
      seen.lastRequestMs = Math.max(seen.lastRequestMs, Date.parse(lastRequestAt) || 0);
      this.#seen.set(service, seen);
    }
    const text = JSON.stringify({ pid: process.pid, startTicks: OWN_START_TICKS, services: this.facts() });
    try {
      writeFileSync(`${this.#path}.new`, `${text}\n`, { mode: 0o644 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#onTrouble((error as Error).message);
    }
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => this.write(), WRITE_EVERY_MS);
  }
}

/** What stands in the file; nothing, if it is not there or not whole. */
function written(path: string): ReturnType<Activity["facts"]> {
  try {
    return JSON.parse(readFileSync(path, "utf8")).services ?? {};
  } catch {
    return {};
  }
}
