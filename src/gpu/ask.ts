/**
 * What a service or a job asks of the machine's GPUs: `gpus: all | 2 | [0, 1] | { count: 1, memory: 20G, share: true }`.
 */
import { memoryInWords } from "./device.ts";

export interface GpuAsk {
  readonly which: GpuChoice;
  /** So much must be free on each device; of a shared one it is also what is promised. null: the device is to be empty. */
  readonly memoryBytes: number | null;
  /** Others that share may have the same devices, as long as their memory goes around. */
  readonly share: boolean;
  /** false: it starts whoever still holds memory of its devices. */
  readonly waitForMemory: boolean;
}

export type GpuChoice =
  | { readonly kind: "all" }
  | { readonly kind: "count"; readonly count: number }
  /** By number or by the beginning of a UUID, as written. */
  | { readonly kind: "these"; readonly devices: readonly (number | string)[] };

/** "2 GPUs with 20 GiB each, shared": as in "asks for …" and in what changed in a file. */
export function askInWords({ which, memoryBytes, share, waitForMemory }: GpuAsk): string {
  const memory = memoryBytes === null ? "" : ` with ${memoryInWords(memoryBytes)}${isOne(which) ? "" : " each"}`;
  const shared = share ? ", shared" : "";
  return `${choiceInWords(which)}${memory}${shared}${waitForMemory ? "" : ", whatever holds memory there"}`;
}

function isOne(which: GpuChoice): boolean {
  return which.kind === "count" ? which.count === 1 : which.kind === "these" && which.devices.length === 1;
}

function choiceInWords(which: GpuChoice): string {
  switch (which.kind) {
    case "all":
      return "all GPUs";
    case "count":
      return which.count === 1 ? "1 GPU" : `${which.count} GPUs`;
    case "these":
      return which.devices.map(nameOfChosen).join(", ");
  }
}

export function nameOfChosen(chosen: number | string): string {
  return typeof chosen === "number" ? `GPU ${chosen}` : chosen;
}
