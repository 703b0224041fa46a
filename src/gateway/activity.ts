/**
 * When each service was last asked for something, in a small file that anybody may read: `run/gateway.activity.json`.
 *
 *   {"services": {"vllm": {"lastRequestAt": "2026-11-24T22:10:05.123Z", "underWay": 2, "requests": 1042}}}
 *
 * Who decides that a service is idle reads it: `underWay` above 0 means busy, whatever the time says. It is written at most
 * once in two seconds, beside its place and renamed, and only when something has changed.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";

interface Seen {
  lastRequestMs: number;
  underWay: number;
  requests: number;
}

const WRITE_EVERY_MS = 2_000;

export class Activity {
  readonly #path: string;
  readonly #onTrouble: (why: string) => void;
  readonly #seen = new Map<string, Seen>();
  #timer: NodeJS.Timeout | null = null;

  constructor(path: string, onTrouble: (why: string) => void) {
    this.#path = path;
    this.#onTrouble = onTrouble;
    try {
      for (const [service, { lastRequestAt, requests }] of Object.entries(
        JSON.parse(readFileSync(path, "utf8")).services as ReturnType<Activity["facts"]>,
      )) {
        // What was under way ended with the one that wrote it.
        this.#seen.set(service, { lastRequestMs: Date.parse(lastRequestAt) || 0, underWay: 0, requests });
      }
      this.#soon();
    } catch {
      // None yet.
    }
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
    try {
      writeFileSync(`${this.#path}.new`, `${JSON.stringify({ services: this.facts() })}\n`, { mode: 0o644 });
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#onTrouble((error as Error).message);
    }
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => this.write(), WRITE_EVERY_MS);
  }
}
