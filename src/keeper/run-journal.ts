/**
 * The keeper's own memory of what runs, so that the next keeper can adopt it: one checked JSON line for each fact, appended
 * before a spawn ("about to") and after it ("is"). It is a hint; /proc is the truth.
 *
 * No fsync: it must survive the keeper, not the machine (the boot id makes it worthless after a boot).
 */
import { CheckedJournal } from "../checked-journal.ts";
import type { LiveRun, RunName, ServiceLogs } from "./messages.ts";

export type RunFact =
  /** A keeper of this boot keeps this journal: if this line is missing, what else was here is missing too. */
  | { readonly fact: "kept"; readonly boot: string }
  | (RunName & {
      readonly fact: "about to";
      readonly boot: string;
      readonly at: number;
      readonly logs: ServiceLogs;
      /** What it is to be born in. */
      readonly enclosure: string | null;
    })
  | (LiveRun & { readonly fact: "is"; readonly enclosure: string | null })
  /** Its main process ended and nothing is left of it. */
  | (RunName & { readonly fact: "over" })
  /** The core that was started last. It leaves when its keeper dies, but one that hangs cannot. */
  | (CoreIdentity & { readonly fact: "core"; readonly boot: string });

export interface CoreIdentity {
  readonly pid: number;
  readonly startTicks: number;
}

/** A run that was begun and is not known to be over. `live` is null when the keeper died between the two words. */
export interface BegunRun extends RunName {
  readonly at: number;
  readonly logs: ServiceLogs;
  readonly live: LiveRun | null;
  readonly enclosure: string | null;
}

/** Above this size the journal is written anew with what still matters. */
const COMPACT_ABOVE_BYTES = 1_048_576;

export class RunJournal {
  readonly #boot: string;
  readonly #journal: CheckedJournal<RunFact>;
  readonly #begun = new Map<string, Extract<RunFact, { fact: "about to" }>>();
  readonly #live = new Map<string, Extract<RunFact, { fact: "is" }>>();

  #core: CoreIdentity | null = null;

  /** Reads what an earlier keeper of this boot left; facts of another boot and torn lines count for nothing. */
  constructor(path: string, boot: string) {
    this.#boot = boot;
    this.#journal = new CheckedJournal<RunFact>({
      path,
      compactAboveBytes: COMPACT_ABOVE_BYTES,
      essence: () => this.#essence(),
      // A full disk must not stop a service from starting; an adoption may then find less.
      onFailure: () => {},
    });
    for (const fact of this.#journal.read()) this.#apply(fact, boot);
    this.#journal.open();
    this.#journal.compact();
  }

  begun(): BegunRun[] {
    return [...this.#begun.entries()].map(([key, { service, run, at, logs, enclosure }]) => {
      const is = this.#live.get(key);
      if (is === undefined) return { service, run, at, logs, live: null, enclosure };
      const live = { service, run, pid: is.pid, startTicks: is.startTicks, startedAt: is.startedAt };
      return { service, run, at, logs, live, enclosure: is.enclosure };
    });
  }

  /** Of this keeper, or of the one before. */
  get core(): CoreIdentity | null {
    return this.#core;
  }

  record(fact: RunFact): void {
    this.#apply(fact, "boot" in fact ? fact.boot : "");
    this.#journal.append(fact);
    this.#journal.tryAgain(); // What a full disk has refused is what keeps the next keeper from starting a second copy.
  }

  #apply(fact: RunFact, boot: string): void {
    if (fact.fact === "kept") return;
    if (fact.fact === "core") {
      if (fact.boot === boot) this.#core = fact;
      return;
    }
    const key = `${fact.service}#${fact.run}`;
    if (fact.fact === "about to" && fact.boot === boot) this.#begun.set(key, fact);
    if (fact.fact === "is" && this.#begun.has(key)) this.#live.set(key, fact);
    if (fact.fact === "over") {
      this.#begun.delete(key);
      this.#live.delete(key);
    }
  }

  #essence(): RunFact[] {
    const runs = [...this.#begun.entries()].flatMap(([key, begun]): RunFact[] => {
      const live = this.#live.get(key);
      return live === undefined ? [begun] : [begun, live];
    });
    const core: RunFact[] = this.#core === null ? [] : [{ ...this.#core, fact: "core", boot: this.#boot }];
    return [{ fact: "kept", boot: this.#boot }, ...core, ...runs];
  }
}
