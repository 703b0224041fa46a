/** What svcd tells of GPUs, as far as a screen shows it. */
import type { GpuDevice, GpuReport } from "../../control/daemon.ts";
import type { GpuFacts, Gpus } from "../model/model.ts";

/** Of one that is older than this question. */
export const NOT_TOLD = "this svcd does not tell about GPUs";

export function gpusIn({ state, why, devices }: GpuReport): Gpus {
  if (devices.length === 0)
    return why ?? (state === "none" ? "no GPUs on this machine" : "nothing is known of GPUs yet");
  return devices.map((device) => factsOf(device, state === "trouble" ? why : null));
}

function factsOf(device: GpuDevice, trouble: string | null): GpuFacts {
  const { name, memoryUsedBytes, memoryTotalBytes, utilization, powerW, powerLimitW, temperatureC } = device;
  const flaw = device.isGone ? "gone" : (device.notForUse ?? (trouble === null ? null : `as seen before: ${trouble}`));
  return {
    name,
    flaw,
    memoryUsedBytes,
    memoryTotalBytes,
    usePercent: utilization,
    watts: powerW,
    wattsLimit: powerLimitW,
    celsius: temperatureC,
    leases: device.leases.map(({ by }) => by),
    holders: device.holders.map((holder) => ({
      name: holder.name,
      what: holder.name ?? holder.command ?? `pid ${holder.pid}`,
      memoryBytes: holder.memoryBytes,
    })),
  };
}
