/**
 * What will happen when, in simulated time: a heap by time, first in first out among equals.
 */
export interface Happening {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

export class Agenda {
  now = 1_000;
  #heap: Happening[] = [];
  #order = 0;

  after(ms: number, act: () => void): void {
    const entry: Happening = { at: this.now + ms, order: this.#order++, act };
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  /** Moves the clock to the next happening not after `until` and returns it; null: nothing, and the clock is at `until`. */
  next(until: number): Happening | null {
    const first = this.#heap[0];
    if (first === undefined || first.at > until) {
      this.now = Math.max(this.now, until);
      return null;
    }
    this.now = Math.max(this.now, first.at);
    this.#removeFirst();
    return first;
  }

  get size(): number {
    return this.#heap.length;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(a: Happening, b: Happening): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
