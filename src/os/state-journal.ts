/**
 * What the supervisor observed and decided, kept for the next core: one checked JSON line for each change, appended before
 * the change has an effect. A line that does not match its checksum (torn by a crash, a foreign file) counts for nothing.
 *
 * No fsync: it must survive the core, not the machine. The boot id in the first line makes it worthless after a boot.
 */
import { CheckedJournal } from "../checked-journal.ts";
import type { JobDefinition } from "../plan/job.ts";
import type { DaemonSettings, Service } from "../plan/plan.ts";
import { type Held, nothingHeld } from "../plan/vanished.ts";
import type { GoodRun, JobMemory, Journal, JournalEntry, Memory } from "../ports.ts";
import type { WallTime } from "../schedule/schedule.ts";
import type { Life } from "../service/life.ts";

type Line = JournalEntry | { readonly kind: "boot"; readonly id: string };

/** Above this size the journal is written anew with the last word about each service and job. */
const COMPACT_ABOVE_BYTES = 4 * 1_048_576;

export class StateJournal implements Journal {
  readonly #boot: string;
  readonly #journal: CheckedJournal<Line>;
  readonly #lives = new Map<string, Life>();
  readonly #services = new Map<string, Service>();
  readonly #good = new Map<string, GoodRun>();
  readonly #jobs = new Map<string, JobMemory>();
  readonly #jobDefinitions = new Map<string, JobDefinition>();
  readonly #lastRuns = new Map<string, number>();
  #lookedAt: WallTime | null = null;
  readonly #removed = new Set<string>();
  #aside: readonly string[] = [];
  #held: Held = nothingHeld;
  #settings: DaemonSettings | null = null;
  /** What is written together, later. */
  #gathered: JournalEntry[] | null = null;

  constructor(path: string, boot: string, say: (line: string) => void) {
    this.#boot = boot;
    this.#journal = new CheckedJournal<Line>({
      path,
      compactAboveBytes: COMPACT_ABOVE_BYTES,
      essence: () => this.#essence(),
      // Supervision goes on from memory; a core that dies now knows less.
      onFailure: (file, why) => say(`cannot write the journal ${file}: ${why}`),
    });
    this.#read();
    this.#journal.compact();
  }

  /** What was known when it was opened. */
  memory(): Memory {
    return {
      lives: new Map(this.#lives),
      services: new Map(this.#services),
      good: new Map(this.#good),
      jobs: new Map(this.#jobs),
      jobDefinitions: new Map(this.#jobDefinitions),
      lookedAt: this.#lookedAt,
      lastRuns: new Map(this.#lastRuns),
      removed: [...this.#removed],
      aside: this.#aside,
      held: this.#held,
      settings: this.#settings,
    };
  }

  /** Why the next core would know less than this one; null: it would not. */
  get failing(): string | null {
    return this.#journal.failing;
  }

  tryAgain(): void {
    this.#journal.tryAgain();
  }

  record(entry: JournalEntry): void {
    this.#apply(entry);
    if (this.#gathered === null) this.#journal.append(entry);
    else this.#gathered.push(entry);
  }

  together(act: () => void): void {
    if (this.#gathered !== null) return act();
    const gathered: JournalEntry[] = [];
    this.#gathered = gathered;
    try {
      act();
    } finally {
      this.#gathered = null;
      this.#journal.appendAll(gathered);
    }
  }

  #apply(entry: JournalEntry): void {
    switch (entry.kind) {
      case "life":
        this.#lives.set(entry.service, entry.life);
        return;
      case "service":
        this.#services.set(entry.service.name, entry.service);
        this.#removed.delete(entry.service.name);
        return;
      case "removed":
        this.#removed.add(entry.name);
        return;
      case "good":
        this.#good.set(entry.name, entry.good);
        return;
      case "gone":
        this.#lastRuns.set(entry.name, entry.lastRun);
        this.#lives.delete(entry.name);
        this.#services.delete(entry.name);
        this.#good.delete(entry.name);
        this.#removed.delete(entry.name);
        this.#jobs.delete(entry.name);
        this.#jobDefinitions.delete(entry.name);
        return;
      case "job":
        this.#jobs.set(entry.name, entry.memory);
        return;
      case "job definition":
        this.#jobDefinitions.set(entry.definition.name, entry.definition);
        return;
      case "looked":
        this.#lookedAt = entry.at;
        return;
      case "aside":
        this.#aside = entry.names;
        return;
      case "held":
        this.#held = entry.held;
        return;
      case "settings":
        this.#settings = entry.settings;
        return;
      case "left":
        for (const [name, { lastRun }] of this.#lives) this.#lastRuns.set(name, lastRun);
        this.#lives.clear();
        this.#services.clear();
        for (const [name, { job }] of this.#jobs) this.#lastRuns.set(name, job.lastRun);
        this.#jobs.clear();
        this.#jobDefinitions.clear();
        this.#removed.clear();
        this.#aside = [];
        this.#held = nothingHeld;
    }
  }

  #read(): void {
    const [first, ...entries] = this.#journal.read();
    if (first?.kind !== "boot" || first.id !== this.#boot) return;
    for (const entry of entries) if (entry.kind !== "boot") this.#apply(entry);
  }

  #essence(): Line[] {
    const lines: Line[] = [{ kind: "boot", id: this.#boot }];
    for (const [name, lastRun] of this.#lastRuns) lines.push({ kind: "gone", name, lastRun });
    for (const service of this.#services.values()) lines.push({ kind: "service", service });
    for (const [service, life] of this.#lives) lines.push({ kind: "life", service, life });
    for (const definition of this.#jobDefinitions.values()) lines.push({ kind: "job definition", definition });
    for (const [name, memory] of this.#jobs) lines.push({ kind: "job", name, memory });
    if (this.#lookedAt !== null) lines.push({ kind: "looked", at: this.#lookedAt });
    for (const [name, good] of this.#good) lines.push({ kind: "good", name, good });
    for (const name of this.#removed) lines.push({ kind: "removed", name });
    if (this.#aside.length > 0) lines.push({ kind: "aside", names: this.#aside });
    if (this.#held.files.length > 0) lines.push({ kind: "held", held: this.#held });
    if (this.#settings !== null) lines.push({ kind: "settings", settings: this.#settings });
    return lines;
  }
}
