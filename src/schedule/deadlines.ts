/**
 * Who needs to be looked at when: one heap for all, so that a thousand services or jobs cost one alarm and no scan. Setting
 * a deadline anew leaves the old entry in the heap; it is recognised as stale and dropped when it comes up.
 */

/** Milliseconds of whichever clock; one heap has one. */
type Instant = number;

interface Entry {
  readonly at: Instant;
  readonly name: string;
}

export class Deadlines {
  readonly #current = new Map<string, Instant>();
  #heap: Entry[] = [];

  set(name: string, at: Instant | null): void {
    if (at === null) {
      this.#current.delete(name);
      return;
    }
    if (this.#current.get(name) === at) return;
    this.#current.set(name, at);
    this.#push({ at, name });
    if (this.#heap.length > 2 * this.#current.size + 64) this.#rebuild();
  }

  /** The earliest deadline; null: none. */
  next(): Instant | null {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#current.get(first.name) === first.at) return first.at;
      this.#pop();
    }
    return null;
  }

  /** Takes out and returns the names whose deadline is not after `now`, earliest first. */
  due(now: Instant): string[] {
    const names: string[] = [];
    for (let at = this.next(); at !== null && at <= now; at = this.next()) {
      const { name } = this.#pop();
      this.#current.delete(name);
      names.push(name);
    }
    return names;
  }

  #rebuild(): void {
    this.#heap = [];
    for (const [name, at] of this.#current) this.#push({ at, name });
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]!.at <= entry.at) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (heap[child]!.at >= last.at) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}
