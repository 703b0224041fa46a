/**
 * The GPUs of this machine as they were seen at one moment: plain facts, of which any may be missing, because nvidia-smi says
 * `[N/A]` for whatever a card, a driver or a container does not tell.
 */
import type { Instant } from "../service/streak.ts";

export interface Device {
  /** nvidia-smi's number, in the order of the PCI bus. It moves when another device falls off the bus. */
  readonly index: number;
  /** Stays the same for the life of the card. */
  readonly uuid: string;
  readonly name: string;
  readonly totalBytes: number | null;
  readonly usedBytes: number | null;
  /** 0 to 100. */
  readonly utilization: number | null;
  readonly temperatureC: number | null;
  readonly powerW: number | null;
  readonly powerLimitW: number | null;
  /** Why svcd gives it to nobody ("it is split by MIG"); null: it does. */
  readonly notForUse: string | null;
}

/** A process that holds memory of a device. */
export interface Holder {
  readonly uuid: string;
  readonly pid: number;
  readonly usedBytes: number | null;
  /** What it is called; null: it cannot be seen from here (it is outside of this container). */
  readonly command: string | null;
  /** The run of ours that it is of, over or not; null: of none. */
  readonly run: { readonly name: string; readonly run: number } | null;
}

/** One look that was answered. */
export interface Look {
  /** When nvidia-smi was asked, and when it had answered: what it says is from in between. */
  readonly begunAt: Instant;
  readonly at: Instant;
  /** By index. */
  readonly devices: readonly Device[];
  readonly holders: readonly Holder[];
  /** Seen before by this core, and missing in this look: fallen off the bus. */
  readonly gone: readonly Device[];
}

/** What is known now. */
export type GpuView =
  /** Nobody has looked yet. */
  | { readonly kind: "unknown" }
  /** This machine has none. `why`: "nvidia-smi is not installed". */
  | { readonly kind: "none"; readonly why: string }
  /** nvidia-smi is there and does not answer as it should; `last`: what it said before. */
  | { readonly kind: "trouble"; readonly why: string; readonly last: Look | null }
  | { readonly kind: "seen"; readonly look: Look };

/** What was seen last, however long ago. */
export function lastLook(view: GpuView): Look | null {
  if (view.kind === "seen") return view.look;
  return view.kind === "trouble" ? view.last : null;
}

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

/** "61 GiB", "1.5 GiB", "400 MiB": as precise as anybody needs to decide something. */
export function memoryInWords(bytes: number): string {
  if (bytes >= 9.95 * GIB) return `${Math.round(bytes / GIB)} GiB`;
  if (bytes >= GIB) return `${Math.round((bytes / GIB) * 10) / 10} GiB`;
  return `${Math.round(bytes / MIB)} MiB`;
}

/** "GPU 0", "GPU 0 and 1", "GPU 0, 1 and 3". */
export function indexesInWords(indexes: readonly number[]): string {
  const all = [...indexes].sort((a, b) => a - b);
  const last = all.pop();
  return all.length === 0 ? `GPU ${last}` : `GPU ${all.join(", ")} and ${last}`;
}
