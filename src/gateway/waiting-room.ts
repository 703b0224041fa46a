/**
 * Requests that wait for a service to become ready. Nothing of them is read meanwhile, so one that waits costs its connection
 * and nothing else; there is room for so many, and each knows until when.
 */
export type Look = "go" | "wait" | "give up";

interface Waiter {
  readonly look: () => Look;
  readonly until: number;
  readonly done: (isReady: boolean) => void;
  /** Since when there is no hope; null: there is. */
  hopelessSince: number | null;
}

/** A restart passes through states that look like an end. */
const HOPELESS_MS = 3_000;
const LOOK_EVERY_MS = 500;

export class WaitingRoom {
  readonly #most: number;
  readonly #waiters = new Set<Waiter>();
  #timer: NodeJS.Timeout | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** null: the room is full. Else a function that leaves it. `done` is called at most once, never at once. */
  enter(look: () => Look, forMs: number, done: (isReady: boolean) => void): (() => void) | null {
    if (this.#waiters.size >= this.#most) return null;
    const waiter: Waiter = { look, until: performance.now() + forMs, done, hopelessSince: null };
    this.#waiters.add(waiter);
    this.#timer ??= setInterval(() => this.look(), LOOK_EVERY_MS);
    return () => this.#leave(waiter);
  }

  /** Something has changed. */
  look(): void {
    const now = performance.now();
    for (const waiter of [...this.#waiters]) {
      const seen = waiter.look();
      if (seen === "wait") waiter.hopelessSince = null;
      if (seen === "give up") waiter.hopelessSince ??= now;
      const isHopeless = waiter.hopelessSince !== null && now - waiter.hopelessSince >= HOPELESS_MS;
      if (seen !== "go" && !isHopeless && now < waiter.until) continue;
      this.#leave(waiter);
      waiter.done(seen === "go");
    }
  }

  close(): void {
    for (const waiter of [...this.#waiters]) {
      this.#leave(waiter);
      waiter.done(false);
    }
  }

  #leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
