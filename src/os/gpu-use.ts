/**
 * Use of GPUs as a sign that somebody needs a service or the machine. nvidia-smi tells how busy a device was in the last second or
 * so; a glance every few seconds sees work that goes on, not each short request (those are counted elsewhere).
 */
import { type GpuView, indexesInWords } from "../gpu/device.ts";
import type { Reading } from "../idle/idle.ts";
import { formatDuration } from "../plan/units.ts";
import type { Instant } from "../service/life.ts";
import type { IdleSource } from "./idle-sources.ts";

/** Percent. A monitoring program makes a device busy for a moment, too. */
const LEAST_USE = 5;
/** A hung nvidia-smi must not hold up what is read of other sources. */
const WITHIN_MS = 5_000;

export class GpuUse implements IdleSource {
  readonly #refresh: (withinMs: number) => Promise<GpuView>;
  readonly #isConcerned: (uuid: string) => boolean;
  #lastUsedAt: Instant | null = null;

  /** `isConcerned`: devices that count. */
  constructor(refresh: (withinMs: number) => Promise<GpuView>, isConcerned: (uuid: string) => boolean) {
    this.#refresh = refresh;
    this.#isConcerned = isConcerned;
  }

  read(now: Instant, onReading: (reading: Reading) => void): void {
    void this.#refresh(WITHIN_MS).then((view) => onReading(this.#readingOf(view, now)));
  }

  #readingOf(view: GpuView, now: Instant): Reading {
    if (view.kind === "none") return { source: "GPU", lastUsedAt: this.#lastUsedAt, what: view.why };
    if (view.kind !== "seen") return unknown(view.kind === "trouble" ? view.why : "nvidia-smi was not asked yet");
    const devices = view.look.devices.filter(({ uuid }) => this.#isConcerned(uuid));
    const silent = devices.filter(({ utilization }) => utilization === null);
    if (silent.length > 0) {
      const which = indexesInWords(silent.map(({ index }) => index));
      return unknown(`${which}: nvidia-smi does not tell its use; \`gpu: false\` leaves it out`);
    }
    const busy = devices.filter(({ utilization }) => (utilization ?? 0) >= LEAST_USE);
    if (busy.length > 0) this.#lastUsedAt = now;
    const use = devices.map(({ index, utilization }) => `GPU ${index} at ${utilization} %`).join(", ");
    const last = busy.length > 0 || this.#lastUsedAt === null ? "" : `, busy ${ago(now - this.#lastUsedAt)}`;
    return { source: "GPU", lastUsedAt: this.#lastUsedAt, what: `${use || "it has none now"}${last}` };
  }
}

function ago(ms: number): string {
  return `${formatDuration(Math.max(Math.floor(ms / 1000) * 1000, 1000))} ago`;
}

function unknown(what: string): Reading {
  return { source: "GPU", lastUsedAt: null, what, isUnknown: true };
}
