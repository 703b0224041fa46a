/** Devices, looks and asks for the tests of this folder: everything as usual but what is named. */
import type { GpuAsk, GpuChoice } from "./ask.ts";
import type { Device, GpuView, Holder, Look } from "./device.ts";
import type { Held } from "./lease.ts";

export const GIB = 1024 ** 3;

export function device(index: number, changes: Partial<Device> = {}): Device {
  return {
    index,
    uuid: uuid(index),
    name: "H100",
    totalBytes: 80 * GIB,
    usedBytes: 0,
    utilization: 0,
    temperatureC: 30,
    powerW: 70,
    powerLimitW: 700,
    notForUse: null,
    ...changes,
  };
}

export function uuid(index: number): string {
  return `GPU-${index}${index}${index}${index}${index}${index}${index}${index}`;
}

/** Seen now, at 1000. */
export function seen(devices: readonly Device[], changes: Partial<Look> = {}): GpuView {
  return { kind: "seen", look: { begunAt: 900, at: 1000, devices, holders: [], gone: [], ...changes } };
}

export function ask(which: "all" | number | readonly (number | string)[], changes: Partial<GpuAsk> = {}): GpuAsk {
  const choice: GpuChoice =
    which === "all"
      ? { kind: "all" }
      : typeof which === "number"
        ? { kind: "count", count: which }
        : { kind: "these", devices: which };
  return { which: choice, memoryBytes: null, share: false, waitForMemory: true, ...changes };
}

/** `shares`: GiB that are promised of each; not given: the whole device. */
export function holds(by: string, indexes: readonly number[], shares?: number): Held {
  const devices = indexes.map((index) => ({ uuid: uuid(index), index }));
  const memoryBytes = shares === undefined ? null : shares * GIB;
  return { by, lease: { devices, memoryBytes, isShared: shares !== undefined } };
}

export function holder(index: number, gib: number, changes: Partial<Holder> = {}): Holder {
  return { uuid: uuid(index), pid: 4711, usedBytes: gib * GIB, command: "python3", run: null, ...changes };
}
