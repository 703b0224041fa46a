/**
 * What outlives a core: its journal (of which lines can be missing) and what people asked (which is kept or told not to be).
 */
import type { Service } from "../plan/plan.ts";
import { nothingHeld } from "../plan/vanished.ts";
import {
  type GoodRun,
  type JournalEntry,
  type Memory,
  noWish,
  OperatorError,
  type Wish,
  type Wishes,
} from "../ports.ts";
import type { Life, RunNumber } from "../service/life.ts";

/** Above this the journal is written anew with the last word about each service, as the real one is by its size. */
const COMPACT_ABOVE_LINES = 2_000;

export class SimJournal {
  /** A line was lost or torn off: what a core knows may be older than what was. */
  isHurt = false;
  #lines: JournalEntry[] = [];

  get length(): number {
    return this.#lines.length;
  }

  append(entry: JournalEntry): void {
    this.#lines.push(entry);
    if (this.#lines.length > COMPACT_ABOVE_LINES) this.#lines = essence(this.memory());
  }

  /** What is left of it when a core reads it: the first `lines`. */
  cutTo(lines: number): void {
    if (lines >= this.#lines.length) return;
    this.#lines.length = Math.max(lines, 0);
    this.isHurt = true;
  }

  memory(): Memory {
    const lives = new Map<string, Life>();
    const services = new Map<string, Service>();
    const good = new Map<string, GoodRun>();
    const lastRuns = new Map<string, RunNumber>();
    const removed = new Set<string>();
    let aside: readonly string[] = [];
    let held = nothingHeld;
    for (const entry of this.#lines) {
      switch (entry.kind) {
        case "life":
          lives.set(entry.service, entry.life);
          break;
        case "service":
          services.set(entry.service.name, entry.service);
          removed.delete(entry.service.name);
          break;
        case "removed":
          removed.add(entry.name);
          break;
        case "good":
          good.set(entry.name, entry.good);
          break;
        case "gone":
          lastRuns.set(entry.name, entry.lastRun);
          lives.delete(entry.name);
          services.delete(entry.name);
          good.delete(entry.name);
          removed.delete(entry.name);
          break;
        case "aside":
          aside = entry.names;
          break;
        case "held":
          held = entry.held;
          break;
        case "settings":
          break;
        case "left":
          for (const [name, { lastRun }] of lives) lastRuns.set(name, lastRun);
          lives.clear();
          services.clear();
          removed.clear();
          aside = [];
          held = nothingHeld;
      }
    }
    const noJobs = { jobs: new Map(), jobDefinitions: new Map(), lookedAt: null };
    return { lives, services, good, ...noJobs, lastRuns, removed: [...removed], aside, held, settings: null };
  }
}

function essence({ lives, services, good, lastRuns, removed, aside, held }: Memory): JournalEntry[] {
  return [
    ...[...lastRuns].map(([name, lastRun]): JournalEntry => ({ kind: "gone", name, lastRun })),
    ...[...services.values()].map((service): JournalEntry => ({ kind: "service", service })),
    ...[...lives].map(([service, life]): JournalEntry => ({ kind: "life", service, life })),
    ...[...good].map(([name, run]): JournalEntry => ({ kind: "good", name, good: run })),
    ...removed.map((name): JournalEntry => ({ kind: "removed", name })),
    { kind: "aside", names: aside },
    { kind: "held", held },
  ];
}

export class SimWishes {
  /** What the next core will read. */
  durable: ReadonlyMap<string, Wish> = new Map();

  /** As one core holds them: a wish that could not be made durable holds while that core lives. */
  open(fails: (service: string) => boolean): Wishes {
    const held = new Map(this.durable);
    return {
      of: (service) => held.get(service) ?? noWish,
      save: (changes) => {
        let isKept = true;
        for (const [service, wish] of changes) {
          held.set(service, wish);
          if (fails(service)) isKept = false;
        }
        if (!isKept) throw new OperatorError("disk full", "/state", "make room");
        this.durable = new Map(held);
      },
    };
  }
}
