/**
 * What tells whether somebody uses a service or this machine. Each source remembers when it last saw a use, so that the answer does
 * not move while nothing happens, and gives a reading within its time limit, whatever it asked.
 */
import { readdirSync, statSync } from "node:fs";
import type { Reading } from "../idle/idle.ts";
import { formatDuration } from "../plan/units.ts";
import type { Instant } from "../service/life.ts";
import { fetchText } from "./http-get.ts";

export interface IdleSource {
  /** `onReading` is called once, perhaps before this returns. null: there is no such source here now. */
  read(now: Instant, onReading: (reading: Reading | null) => void): void;
}

const TIMEOUT_MS = 5_000;
/** vLLM's own page is some 100 kB. */
const LARGEST_PAGE_BYTES = 4 * 1024 * 1024;

/**
 * The counters of requests on a Prometheus page. One that has grown is a use, and so is any request that runs or waits now.
 * Names: vLLM's (`vllm:num_requests_running`, `vllm:request_success_total`), and what servers usually call them (`http_requests_total`).
 */
export class RequestMetrics implements IdleSource {
  readonly #url: string;
  #counted: number | null = null;
  #lastUsedAt: Instant | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  read(now: Instant, onReading: (reading: Reading) => void): void {
    fetchText(this.#url, { timeoutMs: TIMEOUT_MS, mostBytes: LARGEST_PAGE_BYTES }, (answer) => {
      if (!answer.ok) return onReading(unknown("requests", `${this.#url}: ${answer.cause}`));
      const page = requestsOn(answer.text);
      if (page === null) return onReading(unknown("requests", `${this.#url} counts no requests`));
      if (page.open > 0 || (this.#counted !== null && page.counted !== this.#counted)) this.#lastUsedAt = now;
      this.#counted = page.counted;
      const open = page.open > 0 ? `${page.open} open now` : lastUse(this.#lastUsedAt, now, "none since svcd looks");
      onReading({ source: "requests", lastUsedAt: this.#lastUsedAt, what: `${open}, ${page.counted} in all` });
    });
  }
}

/** null: nothing on the page counts requests. Health checks and the page itself are no use. */
export function requestsOn(text: string): { readonly counted: number; readonly open: number } | null {
  let counted = 0;
  let open = 0;
  let found = false;
  for (const line of text.split("\n")) {
    const sample = /^([A-Za-z_:][\w:]*)(\{[^}]*\})?\s+([-+\d.eE]+)/.exec(line);
    if (sample === null) continue;
    const [, name = "", labels = "", value = ""] = sample;
    const isOpen = /(^|[:_])num_requests_(running|waiting)$|(^|[:_])requests_(in_progress|in_flight|inprogress)$/.test(
      name,
    );
    const isCount = /(^|[:_])requests?(_success)?_total$/.test(name);
    if ((!isOpen && !isCount) || /"\/(health|metrics|ping|version|load)\/?"/.test(labels)) continue;
    found = true;
    if (isOpen) open += Number(value);
    else counted += Number(value);
  }
  return found ? { counted, open } : null;
}

/** A Jupyter server: kernels that work, and its own word when it was last used (https://jupyter-server.readthedocs.io, /api/status). */
export class JupyterActivity implements IdleSource {
  readonly #url: string;
  readonly #wallNow: () => number;
  #said = "";
  #lastUsedAt: Instant | null = null;

  constructor(url: string, wallNow: () => number = Date.now) {
    this.#url = url.replace(/\/+$/, "");
    this.#wallNow = wallNow;
  }

  read(now: Instant, onReading: (reading: Reading) => void): void {
    const limits = { timeoutMs: TIMEOUT_MS, mostBytes: LARGEST_PAGE_BYTES };
    fetchText(`${this.#url}/api/status`, limits, (answer) => {
      if (!answer.ok) return onReading(unknown("notebook", `${this.#url}: ${answer.cause}`));
      fetchText(`${this.#url}/api/kernels`, limits, (kernels) => {
        onReading(this.#reading(answer.text, kernels.ok ? kernels.text : "[]", now));
      });
    });
  }

  #reading(status: string, kernels: string, now: Instant): Reading {
    const said = fieldsOf(status)?.["last_activity"];
    if (typeof said !== "string" || Number.isNaN(Date.parse(said))) {
      return unknown("notebook", `${this.#url}/api/status does not say when it was last used`);
    }
    if (said !== this.#said) {
      this.#said = said;
      this.#lastUsedAt = now - Math.max(0, this.#wallNow() - Date.parse(said));
    }
    const busy = busyKernels(kernels);
    if (busy > 0) this.#lastUsedAt = now;
    const what =
      busy > 0 ? `${busy} busy kernel${busy === 1 ? "" : "s"}` : lastUse(this.#lastUsedAt, now, "never used");
    return { source: "notebook", lastUsedAt: this.#lastUsedAt, what };
  }
}

function busyKernels(text: string): number {
  try {
    const kernels: unknown = JSON.parse(text);
    if (!Array.isArray(kernels)) return 0;
    return kernels.filter((kernel) => (kernel as { execution_state?: unknown }).execution_state === "busy").length;
  } catch {
    return 0;
  }
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/**
 * Terminals of this machine (SSH, tmux, a console): when something was last typed into one or printed to it, as w(1) reads it. The
 * kernel keeps these times to within eight seconds.
 */
export class Terminals implements IdleSource {
  readonly #folder: string;
  readonly #wallNow: () => number;
  #latestMs = 0;
  #lastUsedAt: Instant | null = null;

  constructor(folder = "/dev/pts", wallNow: () => number = Date.now) {
    this.#folder = folder;
    this.#wallNow = wallNow;
  }

  read(now: Instant, onReading: (reading: Reading) => void): void {
    const times = this.#times();
    const latestMs = Math.max(0, ...times);
    if (latestMs > this.#latestMs) {
      this.#latestMs = latestMs;
      this.#lastUsedAt = now - Math.max(0, this.#wallNow() - latestMs);
    }
    const open = times.length === 0 ? "none is open" : `${times.length} open`;
    const last = this.#lastUsedAt === null ? "" : `, ${lastUse(this.#lastUsedAt, now, "")}`;
    onReading({ source: "terminals", lastUsedAt: this.#lastUsedAt, what: `${open}${last}` });
  }

  #times(): number[] {
    try {
      return readdirSync(this.#folder).flatMap((name) => {
        if (!/^\d+$/.test(name)) return [];
        const stat = statSync(`${this.#folder}/${name}`, { throwIfNoEntry: false });
        return stat === undefined ? [] : [Math.max(stat.atimeMs, stat.mtimeMs)];
      });
    } catch {
      return []; // No pseudo-terminals on this machine.
    }
  }
}

function unknown(source: string, what: string): Reading {
  return { source, lastUsedAt: null, what, isUnknown: true };
}

function lastUse(at: Instant | null, now: Instant, never: string): string {
  if (at === null) return never;
  const agoMs = Math.floor((now - at) / 1000) * 1000;
  return agoMs < 1000 ? "used now" : `last used ${formatDuration(agoMs)} ago`;
}
