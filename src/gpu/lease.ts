/**
 * What a run was given: devices that are its own from the decision to start it until nothing of it is left. A lease stands in
 * the life of a service, or in the run of a job, so the journal has it in the same line as the start.
 */
import { indexesInWords, memoryInWords } from "./device.ts";

export interface Lease {
  /** By index; at least one. */
  readonly devices: readonly LeasedDevice[];
  /** What of each of them is promised to it; null: the whole device. */
  readonly memoryBytes: number | null;
  readonly isShared: boolean;
}

export interface LeasedDevice {
  readonly uuid: string;
  /** As it was when it was given. */
  readonly index: number;
}

/** A lease and who has it. */
export interface Held {
  /** "vllm", "train/7". */
  readonly by: string;
  /** null: it runs and asked for GPUs, and what it was given is not known any more (a line of the journal was lost). */
  readonly lease: Lease | null;
  /** It does not run, but is about to run again, and keeps what it had; weak: unless whoever asks could not start otherwise. */
  readonly isClaim?: "firm" | "weak";
}

/** "GPU 0 and 1", "20 GiB of GPU 0". */
export function leaseInWords({ devices, memoryBytes, isShared }: Lease): string {
  const names = indexesInWords(devices.map(({ index }) => index));
  return isShared && memoryBytes !== null ? `${memoryInWords(memoryBytes)} of ${names}` : names;
}

/** Other than the default (the fastest first) it is nvidia-smi's. */
const BY_BUS = "PCI_BUS_ID";

/**
 * How CUDA learns which devices it may see. By number, in the order of the bus, because vLLM and others read the variable too
 * and fail on a UUID (vllm#20939); by UUID only where somebody wants CUDA to count in another order.
 */
export function gpuVariables({ devices }: Lease, env: Readonly<Record<string, string>>): Record<string, string> {
  const order = env["CUDA_DEVICE_ORDER"] || BY_BUS;
  const names = devices.map(({ uuid, index }) => (order === BY_BUS ? String(index) : uuid));
  return { CUDA_DEVICE_ORDER: order, CUDA_VISIBLE_DEVICES: names.join(",") };
}

/**
 * `GPU_COUNT`, which many boxes have for all devices of the machine: never more than were given, and what somebody has set to
 * less stays.
 */
export function gpuCount({ devices }: Lease, env: Readonly<Record<string, string>>): string {
  const set = env["GPU_COUNT"] ?? "";
  const isLess = /^\d{1,4}$/.test(set) && Number(set) >= 1 && Number(set) <= devices.length;
  return isLess ? set : String(devices.length);
}

/** For the environment of the run, from which it is read again should the journal have lost it. */
export function leaseText({ devices, memoryBytes, isShared }: Lease): string {
  const names = devices.map(({ uuid, index }) => `${index}=${uuid}`).join(",");
  return `${names};${memoryBytes ?? ""};${isShared ? "shared" : ""}`;
}

/** null: it is no such text. */
export function leaseFrom(text: string): Lease | null {
  const [names = "", memory = "", shared = ""] = text.split(";");
  const devices = names.split(",").map((name) => {
    const [, index, uuid] = /^(\d{1,4})=(GPU-[0-9a-f-]+)$/i.exec(name) ?? [];
    return index === undefined || uuid === undefined ? null : { uuid, index: Number(index) };
  });
  const isWhole = devices.every((device) => device !== null) && /^\d{0,16}$/.test(memory);
  if (!isWhole) return null;
  return { devices, memoryBytes: memory === "" ? null : Number(memory), isShared: shared === "shared" };
}
