/**
 * Looks again and again whether anybody uses what has an `idle:` rule, and carries out what follows. It looks only while there is
 * such a rule and something it is about is up: idle is idle.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Reading } from "../idle/idle.ts";
import type { IdleRule } from "../idle/rule.ts";
import { type IdleNews, IdleWatch, type Subject } from "../idle/watch.ts";
import type { Template } from "../plan/plan.ts";
import type { Instant } from "../service/life.ts";
import { type IdleSource, JupyterActivity, RequestMetrics, Terminals } from "./idle-sources.ts";

/** What has a rule and is up now. */
export interface Idler {
  /** Of the service; null: the machine. */
  readonly name: string | null;
  readonly rule: IdleRule;
  readonly upSince: Instant;
  /** What its sources are made from: another one, and they begin anew (its run, whether it is exposed, its devices). */
  readonly sourcesKey: string;
}

export interface IdleOptions {
  readonly now: () => Instant;
  /** Names this start of the machine: leases are in its monotonic time. */
  readonly boot: string;
  /** Holds until when the machine is kept awake; outlives the core. */
  readonly awakeFile: string;
  readonly idlers: () => readonly Idler[];
  /** What is under way that counts as use of the machine: "job backup runs", "vllm is starting". */
  readonly work: () => readonly string[];
  /** Sources beside those that the rule names: GPUs, the gateway. */
  readonly sourcesFor?: (idler: Idler) => readonly IdleSource[];
  /** A template in the environment of the service; null: it cannot be filled in, or is empty. */
  readonly filled: (name: string | null, template: Template) => string | null;
  readonly onNews: (news: IdleNews) => void;
}

/** Often enough for a countdown in minutes. */
const LOOK_EVERY_MS = 10_000;
const LEAST_MS = 250;
/** A source that never answers, whatever its own limit, costs its reading and nothing else. */
const ANSWER_WITHIN_MS = 12_000;

interface Made {
  readonly key: string;
  /** Nothing is known of what was before. */
  readonly at: Instant;
  readonly sources: readonly IdleSource[];
}

export class IdleKeeper {
  readonly #options: IdleOptions;
  readonly #watch = new IdleWatch();
  readonly #terminals = new Terminals();
  readonly #sources = new Map<string | null, Made>();
  #timer: NodeJS.Timeout | null = null;
  #isLooking = false;
  #awakeUntil: Instant | null;
  #workedAt: Instant | null = null;

  constructor(options: IdleOptions) {
    this.#options = options;
    this.#awakeUntil = this.#readLease();
  }

  /** A plan was taken up, or a service changed its state. Costs nothing where nothing has a rule. */
  wake(): void {
    if (this.#timer !== null || this.#isLooking) return;
    const idlers = this.#options.idlers();
    if (idlers.length === 0) return;
    const shortestMs = Math.min(...idlers.map(({ rule }) => rule.afterMs));
    const delayMs = Math.max(LEAST_MS, Math.min(LOOK_EVERY_MS, shortestMs / 4));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#look();
    }, delayMs);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#isLooking = true; // Whatever is still under way comes to nothing.
  }

  /** What is known of a service, or of the machine (null); undefined: it has no rule, is not up, or was not looked at yet. */
  of(name: string | null): ReturnType<IdleWatch["of"]> {
    return this.#watch.of(name);
  }

  get awakeUntil(): Instant | null {
    return this.#awakeUntil !== null && this.#awakeUntil > this.#options.now() ? this.#awakeUntil : null;
  }

  /** 0: no longer. Throws when it cannot be written down; it holds all the same while this core lives. */
  keepAwake(ms: number): void {
    this.#awakeUntil = ms === 0 ? null : this.#options.now() + ms;
    const { awakeFile, boot } = this.#options;
    if (this.#awakeUntil === null) return rmSync(awakeFile, { force: true });
    writeFileSync(`${awakeFile}.next`, JSON.stringify({ boot, until: this.#awakeUntil }), { mode: 0o600 });
    renameSync(`${awakeFile}.next`, awakeFile);
  }

  #readLease(): Instant | null {
    try {
      const { boot, until } = JSON.parse(readFileSync(this.#options.awakeFile, "utf8")) as Record<string, unknown>;
      return boot === this.#options.boot && typeof until === "number" ? until : null;
    } catch {
      return null;
    }
  }

  #look(): void {
    const idlers = this.#options.idlers();
    this.#forgetAllBut(idlers);
    this.#isLooking = true;
    const subjects: Subject[] = [];
    let open = idlers.length;
    const whenAll = (): void => {
      this.#isLooking = false;
      const now = this.#options.now();
      for (const news of this.#watch.look(withEverybodys(subjects), now, this.#awakeUntil)) this.#options.onNews(news);
      this.wake();
    };
    if (open === 0) return whenAll();
    for (const idler of idlers) {
      const { at } = this.#madeFor(idler);
      this.#read(idler, (readings) => {
        subjects.push({ name: idler.name, rule: idler.rule, upSince: Math.max(idler.upSince, at), readings });
        if (--open === 0) whenAll();
      });
    }
  }

  #read(idler: Idler, onReadings: (readings: readonly Reading[]) => void): void {
    const now = this.#options.now();
    const { sources } = this.#madeFor(idler);
    const readings: (Reading | null | undefined)[] = sources.map(() => undefined);
    let isOver = false;
    const finish = (): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(limit);
      const silent: Reading = { source: "a source", lastUsedAt: null, what: "does not answer", isUnknown: true };
      const own = readings.flatMap((reading) => (reading === null ? [] : [reading ?? silent]));
      onReadings(idler.name === null ? [...own, this.#workReading(now)] : own);
    };
    const limit = setTimeout(finish, ANSWER_WITHIN_MS);
    if (sources.length === 0) return finish();
    for (const [index, source] of sources.entries()) {
      source.read(now, (reading) => {
        readings[index] = reading;
        if (readings.every((one) => one !== undefined)) finish();
      });
    }
  }

  #workReading(now: Instant): Reading {
    const work = this.#options.work();
    if (work.length > 0) this.#workedAt = now;
    const shown = work.length > 3 ? [...work.slice(0, 3), `${work.length - 3} more`] : work;
    return { source: "work", lastUsedAt: this.#workedAt, what: work.length === 0 ? "no job runs" : shown.join(", ") };
  }

  #madeFor(idler: Idler): Made {
    const { name, rule, sourcesKey } = idler;
    const key = `${sourcesKey} ${JSON.stringify(rule)}`;
    const known = this.#sources.get(name);
    if (known?.key === key) return known;
    const { filled, sourcesFor } = this.#options;
    const made = <T extends IdleSource>(template: Template | null, make: (url: string) => T): T[] => {
      const url = template === null ? null : filled(name, template);
      return url === null ? [] : [make(url)];
    };
    const sources: IdleSource[] = [
      ...made(rule.metrics, (url) => new RequestMetrics(url)),
      ...made(rule.jupyter, (url) => new JupyterActivity(url)),
      ...(sourcesFor?.(idler) ?? []),
      ...(name === null ? [this.#terminals] : []),
    ];
    const entry: Made = { key, at: this.#options.now(), sources };
    this.#sources.set(name, entry);
    return entry;
  }

  #forgetAllBut(idlers: readonly Idler[]): void {
    const names = new Set(idlers.map(({ name }) => name));
    for (const name of this.#sources.keys()) if (!names.has(name)) this.#sources.delete(name);
  }
}

/** Who uses a service uses the machine. */
function withEverybodys(subjects: readonly Subject[]): Subject[] {
  return subjects.map((subject) => {
    if (subject.name !== null) return subject;
    const others = subjects.flatMap(({ name, readings }) =>
      name === null ? [] : readings.map((reading) => ({ ...reading, source: `${name} ${reading.source}` })),
    );
    return { ...subject, readings: [...subject.readings, ...others] };
  });
}
