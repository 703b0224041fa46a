/**
 * Waiting until what was asked for has come true, and telling a person meanwhile what it waits for.
 *
 * Events say at once when something changes. Twice a second svcd is also asked how things are: for the live words on the
 * screen, and so that a lost event costs half a second and not the answer. svcd's core may be replaced meanwhile; that
 * is waited for too.
 */
import type { DaemonEvent, ServiceStatus } from "../control/daemon.ts";
import type { Call } from "./call.ts";
import { CORE_IS_AWAY_MS, ifAnswered, isUnreachable } from "./daemon.ts";
import type { Spinner } from "./spinner.ts";
import { plain } from "./text.ts";
import { span } from "./time.ts";
import { type Awaited, hopeless, progress, type Verdict, verdict } from "./verdict.ts";

const ASK_AGAIN_MS = 500;

/** A question for each that is WAITING: no more than these at a time, the others come when these are settled. */
const LOOKED_AT = 20;

type ByName = ReadonlyMap<string, ServiceStatus>;

export type Settled = Exclude<Verdict, { is: "open" }>;

export interface Wait {
  /** Told once for each, in the order in which they come true. */
  onSettled(awaited: Awaited, settled: Settled): void;
  readonly timeoutMs: number | null;
  readonly spinner: Spinner;
}

export interface Watch {
  /** Resolves when all are settled, the time is up, or the person interrupts. */
  settle(all: readonly Awaited[], wait: Wait): Promise<"settled" | "interrupted">;
  close(): void;
}

/**
 * Opened first, so that nothing of what follows from the request is missed; not waited for, because the request is what
 * somebody waits for. Where there is nobody to ask, the request says so; where only events cannot be had, asking remains.
 */
export function watch(call: Call): Watch {
  let onEvent: (event: DaemonEvent) => void = () => {};
  const listening = call.daemon.events({ since: null, patienceMs: CORE_IS_AWAY_MS }, ({ event }) => {
    if (event.type !== "reset") onEvent(event);
  });
  return {
    close: () => listening.stop(),
    async settle(all, wait) {
      const settling = new Settling(call, all, wait);
      onEvent = (event) => settling.heard(event);
      try {
        return await settling.run();
      } finally {
        onEvent = () => {};
        wait.spinner.stop();
      }
    },
  };
}

class Settling {
  readonly #call: Call;
  readonly #wait: Wait;
  readonly #open: Map<string, Awaited>;
  readonly #total: number;
  readonly #startedAt = performance.now();
  /** Names that waited for something hopeless when we last looked; twice in a row is certain. */
  #doubtful = new Set<string>();
  #isInterrupted = false;
  #wake: () => void = () => {};

  constructor(call: Call, all: readonly Awaited[], wait: Wait) {
    this.#call = call;
    this.#wait = wait;
    this.#open = new Map(all.map((awaited) => [awaited.name, awaited]));
    this.#total = this.#open.size;
  }

  async run(): Promise<"settled" | "interrupted"> {
    const stopListening = this.#call.world.onInterrupt(() => {
      this.#isInterrupted = true;
      this.#wake();
    });
    try {
      while (this.#open.size > 0) {
        if (this.#isInterrupted) return "interrupted";
        await this.#look();
        this.#requireTime();
        if (this.#open.size > 0 && !this.#isInterrupted) await this.#pause();
      }
      return "settled";
    } finally {
      stopListening();
    }
  }

  heard(event: DaemonEvent): void {
    if (event.type === "state") this.#judge(event.service.name, event.service, false);
    if (event.type === "removed") this.#judge(event.name, null, false);
    if (this.#open.size === 0) this.#wake();
  }

  /** Asks how things are and judges them. */
  async #look(): Promise<void> {
    const statuses = await this.#statuses();
    const byName = new Map(statuses.map((status) => [status.name, status]));
    for (const name of [...this.#open.keys()]) this.#judge(name, byName.get(name) ?? null, true);
    await this.#lookForHopeless(byName);
    this.#show(byName);
  }

  async #statuses(): Promise<readonly ServiceStatus[]> {
    const awaySince = performance.now();
    for (;;) {
      try {
        return await this.#call.daemon.services();
      } catch (error) {
        if (!isUnreachable(error) || performance.now() - awaySince > CORE_IS_AWAY_MS || this.#isInterrupted)
          throw error;
        this.#wait.spinner.show("svcd's core is being replaced");
        await this.#pause();
      }
    }
  }

  #judge(name: string, status: ServiceStatus | null, fresh: boolean): void {
    const awaited = this.#open.get(name);
    if (awaited === undefined) return;
    const found = verdict(awaited, status, fresh);
    if (found.is === "open") return;
    this.#settle(awaited, found);
  }

  #settle(awaited: Awaited, settled: Settled): void {
    this.#open.delete(awaited.name);
    this.#wait.spinner.above(() => this.#wait.onSettled(awaited, settled));
  }

  /** Something that waits for a service which will never come is told so instead of waiting for ever. */
  async #lookForHopeless(byName: ByName): Promise<void> {
    const doubtful = new Set<string>();
    const waiting = [...this.#open.values()].filter(
      ({ name, goal }) => goal !== "down" && byName.get(name)?.state === "WAITING",
    );
    for (const awaited of waiting.slice(0, LOOKED_AT)) {
      const reason = await this.#hopelessFor(awaited.name, byName, new Set());
      if (reason === null) continue;
      if (this.#doubtful.has(awaited.name)) this.#settle(awaited, { is: "failed", what: reason });
      else doubtful.add(awaited.name);
    }
    this.#doubtful = doubtful;
  }

  /** What it waits for may itself wait in vain. */
  async #hopelessFor(name: string, byName: ByName, seen: Set<string>): Promise<string | null> {
    seen.add(name);
    const detail = await ifAnswered(this.#call.daemon.service(name));
    for (const { name: needed, condition, met } of detail?.dependsOn ?? []) {
      const status = byName.get(needed);
      if (met || this.#open.has(needed) || seen.has(needed)) continue;
      if (status === undefined) return `it waits for ${needed}, which no file describes`;
      const deeper = status.state === "WAITING" ? await this.#hopelessFor(needed, byName, seen) : null;
      const reason =
        deeper === null ? hopeless({ name: needed, condition, status }) : `it waits for ${needed}: ${deeper}`;
      if (reason !== null) return reason;
    }
    return null;
  }

  #show(byName: ByName): void {
    const waiting = [...this.#open.keys()].map((name) => byName.get(name)).filter((status) => status !== undefined);
    const [first] = waiting;
    if (first === undefined) return;
    const count = this.#total > 1 ? `${this.#total - this.#open.size}/${this.#total} ` : "";
    const words = `${plain(first.name)}: ${plain(progress(first))}`;
    this.#wait.spinner.show(`${count}${words} (${span(performance.now() - this.#startedAt)})`);
  }

  #requireTime(): void {
    const { timeoutMs } = this.#wait;
    if (timeoutMs === null || performance.now() - this.#startedAt < timeoutMs) return;
    for (const awaited of [...this.#open.values()]) {
      const what = `not there after ${span(timeoutMs)}; svcd goes on with it`;
      this.#settle(awaited, { is: "failed", what });
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const left = (this.#wait.timeoutMs ?? Number.POSITIVE_INFINITY) - (performance.now() - this.#startedAt);
      const timer = setTimeout(resolve, Math.max(0, Math.min(ASK_AGAIN_MS, left)));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
