/**
 * The runs that may not start yet, in the order in which they came, each parked at the first thing that it waits for: a
 * service, a lock, a place in a group. When that changes, only those who wait for it are looked at again; of a lock only the
 * first, so that ten thousand jobs with one lock do not all get up each time it is free.
 *
 * A thing is named by a word ("lock db"), a run by the name of its process.
 */
export class JobLine {
  /** To be looked at. */
  readonly #fresh = new Set<string>();
  readonly #parked = new Map<string, Set<string>>();
  readonly #parkedAt = new Map<string, string>();
  /** Perhaps there is room now. */
  readonly #open = new Set<string>();

  get isEmpty(): boolean {
    return this.#fresh.size === 0 && this.#parkedAt.size === 0;
  }

  /** At its end. */
  add(run: string): void {
    if (!this.#parkedAt.has(run)) this.#fresh.add(run);
  }

  remove(run: string): void {
    this.#fresh.delete(run);
    this.#unpark(run);
  }

  park(run: string, at: string): void {
    this.#fresh.delete(run);
    const others = this.#parked.get(at) ?? new Set();
    this.#parked.set(at, others.add(run));
    this.#parkedAt.set(run, at);
  }

  /** There may be room for some of those who wait for it. */
  open(thing: string): void {
    if (this.#parked.has(thing)) this.#open.add(thing);
  }

  /** It is another than before: everybody who waits for it is to be looked at. */
  changed(thing: string): void {
    for (const run of [...(this.#parked.get(thing) ?? [])]) {
      this.#unpark(run);
      this.#fresh.add(run);
    }
  }

  /** Whoever is to be looked at next leaves the line; null: nobody. `hasRoom`: for this run at this thing. */
  next(hasRoom: (thing: string, run: string) => boolean): string | null {
    const run = this.#nextParked(hasRoom) ?? this.#fresh.values().next().value;
    if (run === undefined) return null;
    this.remove(run);
    return run;
  }

  /** Whether `next` has somebody. */
  hasNext(hasRoom: (thing: string, run: string) => boolean): boolean {
    return this.#fresh.size > 0 || this.#nextParked(hasRoom) !== undefined;
  }

  #nextParked(hasRoom: (thing: string, run: string) => boolean): string | undefined {
    for (const thing of this.#open) {
      const first = this.#parked.get(thing)?.values().next().value;
      if (first !== undefined && hasRoom(thing, first)) return first;
      this.#open.delete(thing);
    }
    return undefined;
  }

  #unpark(run: string): void {
    const at = this.#parkedAt.get(run);
    if (at === undefined) return;
    this.#parkedAt.delete(run);
    const others = this.#parked.get(at)!;
    others.delete(run);
    if (others.size === 0) this.#parked.delete(at);
  }
}
