/**
 * The GPUs as people and programs are told of them: each device with what it does, to whom it is leased, and who holds its
 * memory. Shapes only, and how they are put together; the protocol puts them on the wire as they are.
 */
import { type Device, type GpuView, type Holder, lastLook } from "./device.ts";
import type { Held } from "./lease.ts";

export interface GpuReport {
  /** none: this machine has no GPU. trouble: nvidia-smi does not answer as it should, and `devices` are as seen before. */
  readonly state: "seen" | "none" | "trouble";
  /** Why there are none, or what the trouble is; null: all is well. */
  readonly why: string | null;
  /** When nvidia-smi was last heard, ISO 8601; null: it never was. */
  readonly at: string | null;
  readonly devices: readonly GpuDevice[];
}

export interface GpuDevice {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  /** null: it is not told, here and below. */
  readonly memoryTotalBytes: number | null;
  readonly memoryUsedBytes: number | null;
  /** In percent. */
  readonly utilization: number | null;
  readonly temperatureC: number | null;
  readonly powerW: number | null;
  readonly powerLimitW: number | null;
  /** Why svcd gives it to nobody; null: it does. */
  readonly notForUse: string | null;
  /** It was there before, and nvidia-smi lists it no longer. */
  readonly isGone: boolean;
  readonly leases: readonly GpuLease[];
  readonly holders: readonly GpuHolder[];
}

export interface GpuLease {
  /** A service, or a run of a job as JOB/RUN. */
  readonly by: string;
  /** What is promised to it; null: the whole device. */
  readonly memoryBytes: number | null;
  readonly shared: boolean;
}

export interface GpuHolder {
  readonly pid: number;
  /** null: it cannot be seen from here. */
  readonly command: string | null;
  readonly memoryBytes: number | null;
  /** A service or a job of ours that it is of; null: it is a stranger. */
  readonly name: string | null;
  readonly run: number | null;
}

/** `isoAt`: of a moment of the core's clock. */
export function gpuReport(view: GpuView, held: readonly Held[], isoAt: (at: number) => string): GpuReport {
  const look = lastLook(view);
  const devices = look === null ? [] : [...look.devices.map((one) => ({ one, isGone: false })), ...lost(look.gone)];
  return {
    state: view.kind === "unknown" ? "trouble" : view.kind,
    why: view.kind === "unknown" ? "nobody has looked yet" : view.kind === "seen" ? null : view.why,
    at: look === null ? null : isoAt(look.at),
    devices: devices.map(({ one, isGone }) => deviceOf(one, isGone, look?.holders ?? [], held)),
  };
}

function lost(gone: readonly Device[]): { readonly one: Device; readonly isGone: true }[] {
  return gone.map((one) => ({ one, isGone: true }));
}

function deviceOf(device: Device, isGone: boolean, holders: readonly Holder[], held: readonly Held[]): GpuDevice {
  const { totalBytes, usedBytes, ...rest } = device;
  return {
    index: rest.index,
    uuid: rest.uuid,
    name: rest.name,
    memoryTotalBytes: totalBytes,
    memoryUsedBytes: isGone ? null : usedBytes,
    utilization: isGone ? null : rest.utilization,
    temperatureC: isGone ? null : rest.temperatureC,
    powerW: isGone ? null : rest.powerW,
    powerLimitW: rest.powerLimitW,
    notForUse: rest.notForUse,
    isGone,
    leases: held.flatMap(({ by, lease }) =>
      lease?.devices.some(({ uuid }) => uuid === device.uuid)
        ? [{ by, memoryBytes: lease.memoryBytes, shared: lease.isShared }]
        : [],
    ),
    holders: holders
      .filter(({ uuid }) => uuid === device.uuid)
      .map(({ pid, command, usedBytes: memoryBytes, run }) => ({
        pid,
        command,
        memoryBytes,
        name: run?.name.split("!")[0] ?? null,
        run: run?.run ?? null,
      })),
  };
}
