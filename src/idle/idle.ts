/**
 * Whether something (a service, the machine) is idle, from what its sources say: how long ago it was last used.
 *
 * A source that cannot be read now proves nothing, so nothing is done meanwhile and the time counts anew from then. Where no
 * source has anything to say, nobody knows, and nothing is ever done. All times are of the monotonic clock: a machine that was
 * suspended was not idle in that time.
 */
import type { Instant } from "../service/life.ts";

export interface Reading {
  /** "requests", "GPU", "terminals", "jobs", "notebook" */
  readonly source: string;
  /** When it was last in use, as far as this source has seen. null: not as long as it looks back. */
  readonly lastUsedAt: Instant | null;
  /** For people: "last request 3 min ago", "GPU 0 at 0 %". */
  readonly what: string;
  /** It could not be read: nothing is known now. */
  readonly isUnknown?: true;
}

export interface Idleness {
  /** Since when nobody has used it, as far as is known. */
  readonly quietSince: Instant;
  readonly readings: readonly Reading[];
  /** When it will have been quiet for long enough; null: not foreseeable (`heldBy`). */
  readonly dueAt: Instant | null;
  /** What keeps it: "GPU: nvidia-smi does not answer", "svctl keep-awake until 14:30". null: nothing. */
  readonly heldBy: string | null;
}

export interface Look {
  readonly now: Instant;
  readonly afterMs: number;
  /** It is up since; what was before it does not count. */
  readonly upSince: Instant;
  readonly readings: readonly Reading[];
  /** Somebody keeps it awake until then; null: nobody does. */
  readonly awakeUntil: Instant | null;
}

/** `before` null: it was not looked at yet. */
export function lookAgain(before: Idleness | null, look: Look): Idleness {
  const { now, afterMs, upSince, readings } = look;
  const uses = readings.flatMap(({ lastUsedAt, isUnknown }) =>
    isUnknown ? [now] : lastUsedAt === null ? [] : [Math.min(lastUsedAt, now)],
  );
  const awake = look.awakeUntil !== null && look.awakeUntil > now;
  // The end of a lease counts as a use: who kept it awake gets the whole time after it.
  const lease = look.awakeUntil === null ? [] : [Math.min(look.awakeUntil, now)];
  const quietSince = Math.max(upSince, before?.quietSince ?? upSince, ...uses, ...lease);
  const heldBy = holderOf(readings, awake);
  return { quietSince, readings, heldBy, dueAt: heldBy === null ? quietSince + afterMs : null };
}

/** It has been quiet for long enough. */
export function isDue({ dueAt }: Idleness, now: Instant): boolean {
  return dueAt !== null && now >= dueAt;
}

function holderOf(readings: readonly Reading[], awake: boolean): string | null {
  if (awake) return "kept awake by svctl keep-awake";
  const unknown = readings.find(({ isUnknown }) => isUnknown);
  if (unknown !== undefined) return `${unknown.source}: ${unknown.what}`;
  return readings.length === 0 ? "nothing here tells whether it is used" : null;
}
