/**
 * The last events, numbered, for everyone who listens now or comes back later. Ids are `EPOCH-N`: the epoch tells one core
 * from the next, so that a client of an earlier core learns that it must look at everything anew.
 */
import type { DaemonEvent, Numbered } from "./daemon.ts";

/** Some minutes of a busy box: 1,000 services that all start make about 3,000. Some 500 bytes each. */
const KEPT = 4_096;

export class EventLog {
  readonly #epoch: string;
  readonly #listeners = new Set<(event: Numbered) => void>();
  /** A ring: event N stands at N modulo its length. */
  readonly #ring: Numbered[] = [];
  #last = 0;

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  add(event: DaemonEvent): void {
    const numbered: Numbered = { id: `${this.#epoch}-${++this.#last}`, event };
    this.#ring[this.#last % KEPT] = numbered;
    for (const listener of this.#listeners) listener(numbered);
  }

  lastId(): string {
    return `${this.#epoch}-${this.#last}`;
  }

  /** What `since` accepts to get all that are kept. */
  oldestId(): string {
    return `${this.#epoch}-${Math.max(0, this.#last - KEPT)}`;
  }

  /** null: they are no longer kept, or the id is not one of ours. */
  since(id: string): readonly Numbered[] | null {
    const [epoch, text] = splitId(id);
    const number = Number(text);
    const isOurs = epoch === this.#epoch && Number.isInteger(number) && number >= 0 && number <= this.#last;
    if (!isOurs || this.#last - number > KEPT) return null;
    const events: Numbered[] = [];
    for (let next = number + 1; next <= this.#last; next++) events.push(this.#ring[next % KEPT]!);
    return events;
  }

  subscribe(listener: (event: Numbered) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function splitId(id: string): [epoch: string, number: string] {
  const dash = id.lastIndexOf("-");
  return [id.slice(0, dash), id.slice(dash + 1) || "x"];
}
