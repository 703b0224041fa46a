/**
 * From what a program says while it starts to how far it is. Pure: a line goes in, and out comes what is known now and whether
 * the start has moved on by it.
 *
 * Phases only go forward: a late word of an earlier phase changes nothing. Inside a phase numbers only grow, too, except
 * where a new bar begins (at its beginning, or with another total); several processes may each draw the same bar. A bar
 * that begins anew before it was done is shown, but has moved nothing on before it is farther than it ever was: a download
 * that fails at 40 % again and again stands still.
 */
import { fractionOf, type PhaseRule, type Step } from "./rule.ts";

interface Bar {
  readonly fraction: number;
  /** How far it ever was since it last was done. */
  readonly farthest: number;
  readonly total: number | null;
}

export interface Tracked {
  readonly step: Step | null;
  /** Of the phase under way, by the rule's group `bar`. */
  readonly bars: ReadonlyMap<string, Bar>;
  /** The line without numbers that was heard last in this phase. */
  readonly said: string;
}

export interface Heard {
  readonly tracked: Tracked;
  /** The start has moved on. */
  readonly moved: boolean;
}

export interface Tracker {
  /** One line, or one state of a progress bar, without escape sequences. */
  hear(tracked: Tracked, line: string): Heard;
  /** So many bytes have come into the folder that rule `index` watches, and more than at the last word. */
  grow(tracked: Tracked, index: number, bytes: number): Heard;
  /** In this phase so much silence is no stall; null: as the service says. */
  stallMsOf(phase: string): number | null;
}

/** A core that takes over knows the step from the journal and nothing else. */
export function trackedFrom(step: Step | null): Tracked {
  const bars = new Map<string, Bar>();
  const fraction = step === null ? null : fractionOf(step);
  if (step !== null && fraction !== null) bars.set("", { fraction, farthest: fraction, total: step.total });
  return { step, bars, said: "" };
}

/** What stands beyond this in a line is not looked at: a line can be 64 KiB, and a pattern slow. */
const LOOKED_AT = 1_000;
/** Files of one download that are told apart. */
const MOST_BARS = 512;
/** A bar that says less than it did has begun anew if it says so little. */
const BEGINNING = 0.05;

export function trackerOf(rules: readonly PhaseRule[]): Tracker {
  const order = [...new Set(rules.map(({ name }) => name))];
  const patterns = rules.map(({ match }) => (match === null ? null : new RegExp(match)));
  const place = (phase: string): number => order.indexOf(phase);

  function hear(tracked: Tracked, whole: string): Heard {
    const line = whole.length > LOOKED_AT ? whole.slice(0, LOOKED_AT) : whole;
    const now = tracked.step === null ? -1 : place(tracked.step.phase);
    for (const [index, pattern] of patterns.entries()) {
      const { name } = rules[index]!;
      if (pattern === null || place(name) < now) continue;
      const match = pattern.exec(line);
      if (match === null) continue;
      const groups = match.groups ?? {};
      return take(place(name) > now ? begin(name) : tracked, place(name) > now, line, name, groups);
    }
    return { tracked, moved: false };
  }

  function grow(tracked: Tracked, index: number, bytes: number): Heard {
    const { name } = rules[index]!;
    const { step } = tracked;
    if (step !== null && place(step.phase) > place(name)) return { tracked, moved: false };
    const before = step?.phase === name ? tracked : begin(name);
    return { tracked: { ...before, step: { ...before.step!, bytes } }, moved: true };
  }

  const stallMsOf = (phase: string): number | null => rules.find(({ name }) => name === phase)?.stallMs ?? null;
  return { hear, grow, stallMsOf };
}

function begin(phase: string): Tracked {
  return { step: { phase, done: null, total: null, percent: null, bytes: null }, bars: new Map(), said: "" };
}

type Groups = Readonly<Record<string, string | undefined>>;

function take(tracked: Tracked, isNew: boolean, line: string, phase: string, groups: Groups): Heard {
  const done = numberIn(groups["done"]);
  const total = numberIn(groups["total"]);
  const percent = numberIn(groups["percent"]);
  const fraction =
    done !== null && total !== null && total > 0 ? done / total : percent === null ? null : percent / 100;
  if (fraction === null) return { tracked: { ...tracked, said: line }, moved: isNew || tracked.said !== line };
  if (fraction > 1) return { tracked, moved: isNew }; // Cut off in the middle of a number, or nonsense.
  const of = groups["bar"] ?? "";
  const before = tracked.bars.get(of);
  const bar = next(before, { fraction, total });
  if (bar === null) return { tracked, moved: isNew };
  const bars = new Map(tracked.bars);
  if (bars.has(of) || bars.size < MOST_BARS) bars.set(of, bar);
  const moved =
    isNew || before === undefined || bar.farthest > before.farthest || isNextBar(before, { fraction, total });
  return { tracked: { ...tracked, bars, step: stepOf(phase, bars, numberIn(groups["bars"]), groups, tracked) }, moved };
}

/** null: it says less than we know, and is no new bar. */
function next(before: Bar | undefined, { fraction, total }: Omit<Bar, "farthest">): Bar | null {
  if (before === undefined || isNextBar(before, { fraction, total })) return { fraction, farthest: fraction, total };
  if (fraction >= before.fraction) return { fraction, farthest: Math.max(fraction, before.farthest), total };
  return fraction <= BEGINNING ? { fraction, farthest: before.farthest, total } : null;
}

/** Another bar after one that was done, or of another length. */
function isNextBar(before: Bar, { fraction, total }: Omit<Bar, "farthest">): boolean {
  if (total !== null && before.total !== null && total !== before.total) return true;
  return before.fraction >= 1 && fraction <= BEGINNING;
}

/** One bar is told in its own words; of several, how much all of them are together. */
function stepOf(phase: string, bars: Tracked["bars"], count: number | null, groups: Groups, { step }: Tracked): Step {
  const all = Math.max(bars.size, count ?? 1);
  if (all === 1) {
    const done = numberIn(groups["done"]);
    const total = numberIn(groups["total"]);
    const percent = numberIn(groups["percent"]);
    const isCounted = done !== null && total !== null;
    return { phase, done: isCounted ? done : null, total: isCounted ? total : null, percent, bytes: null };
  }
  let sum = 0;
  for (const { fraction } of bars.values()) sum += fraction;
  const percent = Math.min(100, Math.round((sum / all) * 1_000) / 10);
  const isBack = step?.phase === phase && step.percent !== null && percent < step.percent && count === null;
  return { phase, done: null, total: null, percent: isBack ? step.percent : percent, bytes: null };
}

function numberIn(text: string | undefined): number | null {
  if (text === undefined || text === "") return null;
  const number = Number(text.replaceAll(",", ""));
  return Number.isFinite(number) && number >= 0 ? number : null;
}
