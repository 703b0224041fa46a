/**
 * All that may become idle, at once: which of them are due now, and what is said of each. Decides; whoever looks carries out.
 */
import { formatDuration } from "../plan/units.ts";
import type { Instant } from "../service/life.ts";
import { type Idleness, isDue, lookAgain, type Reading } from "./idle.ts";
import type { IdleRule } from "./rule.ts";

export interface Subject {
  /** Of the service; null: the machine. */
  readonly name: string | null;
  readonly rule: IdleRule;
  readonly upSince: Instant;
  readonly readings: readonly Reading[];
}

export interface IdleNews {
  readonly subject: Subject;
  /** act: carry out what the rule says. soon: little time is left. back: it was used again after that was said. */
  readonly what: "act" | "soon" | "back";
  /** "nobody has used vllm for 20m" */
  readonly why: string;
}

interface Watched {
  readonly idleness: Idleness;
  readonly subject: Subject;
  /** The quiet time that was warned of, and that was acted on; so each is said once. */
  readonly warnedOf: Instant | null;
  readonly actedOn: Instant | null;
  readonly actedAt: Instant;
}

/** What should have stopped the machine, and has not, is run again: an idle machine costs money by the hour. */
const AGAIN_MS = 10 * 60_000;
/** People hear of it so long before; of a rule with less time than twice that, half of it. */
const WARN_MS = 5 * 60_000;

export class IdleWatch {
  #watched = new Map<string | null, Watched>();

  /** `subjects`: all that are up now and have a rule. */
  look(subjects: readonly Subject[], now: Instant, awakeUntil: Instant | null): IdleNews[] {
    const news: IdleNews[] = [];
    const watched = new Map<string | null, Watched>();
    for (const subject of subjects) {
      const before = this.#watched.get(subject.name) ?? null;
      const { rule, upSince, readings } = subject;
      const look = { now, afterMs: rule.afterMs, upSince, readings, awakeUntil };
      const idleness = lookAgain(before === null ? null : before.idleness, look);
      const [next, what] = this.#whatIsNew(
        { warnedOf: null, actedOn: null, actedAt: now, ...before, idleness, subject },
        now,
      );
      watched.set(subject.name, next);
      if (what === null) continue;
      const quiet = formatDuration(Math.floor((now - idleness.quietSince) / 1000) * 1000);
      news.push({ subject, what, why: `nobody has used ${subject.name ?? "this machine"} for ${quiet}` });
    }
    this.#watched = watched;
    return news;
  }

  /** Of the service; null: of the machine. undefined: it is not watched, or not looked at yet. */
  of(name: string | null): { readonly idleness: Idleness; readonly rule: IdleRule } | undefined {
    const watched = this.#watched.get(name);
    return watched && { idleness: watched.idleness, rule: watched.subject.rule };
  }

  #whatIsNew(watched: Watched, now: Instant): [Watched, IdleNews["what"] | null] {
    const { idleness, subject, warnedOf, actedOn } = watched;
    const { quietSince, dueAt } = idleness;
    const isAgain = subject.name === null && now - watched.actedAt >= AGAIN_MS;
    if (isDue(idleness, now) && (actedOn !== quietSince || isAgain)) {
      return [{ ...watched, actedOn: quietSince, actedAt: now }, "act"];
    }
    if (actedOn === quietSince) return [watched, null];
    const warnMs = Math.min(WARN_MS, subject.rule.afterMs / 2);
    if (dueAt !== null && dueAt - now <= warnMs && warnedOf !== quietSince) {
      return [{ ...watched, warnedOf: quietSince }, "soon"];
    }
    if (warnedOf !== null && warnedOf !== quietSince) return [{ ...watched, warnedOf: null }, "back"];
    return [watched, null];
  }
}
