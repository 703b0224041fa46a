/**
 * The GPUs in Prometheus' text format. A scrape is a look: nvidia-smi is asked for it, and not waited for for long. Where there
 * is none nothing is written.
 */
import type { GpuDevice, GpuReport } from "./daemon.ts";
import type { Page } from "./metrics-page.ts";

const GAUGES: readonly (readonly [name: string, says: string, of: (device: GpuDevice) => number | null])[] = [
  ["svcd_gpu_memory_total_bytes", "Memory of the GPU.", ({ memoryTotalBytes }) => memoryTotalBytes],
  ["svcd_gpu_memory_used_bytes", "Memory of the GPU in use.", ({ memoryUsedBytes }) => memoryUsedBytes],
  [
    "svcd_gpu_utilization_ratio",
    "Share of the time in which the GPU was busy.",
    ({ utilization }) => (utilization === null ? null : utilization / 100),
  ],
  ["svcd_gpu_temperature_celsius", "Temperature of the GPU.", ({ temperatureC }) => temperatureC],
  ["svcd_gpu_power_watts", "What the GPU draws.", ({ powerW }) => powerW],
];

export function writeGpus(page: Page, { state, devices }: GpuReport): void {
  if (state === "none") return;
  page.family("svcd_gpu_answers", "gauge", "1: nvidia-smi answers; 0: it does not, and no values of GPUs are told.");
  page.sample("svcd_gpu_answers", {}, state === "seen" ? 1 : 0);
  if (state !== "seen") return; // Values of an hour ago would look like those of now.
  for (const [name, says, of] of GAUGES) {
    page.family(name, "gauge", says);
    for (const device of devices) {
      const value = of(device);
      if (value !== null && !device.isGone) page.sample(name, labels(device), value);
    }
  }
  page.family("svcd_gpu_leased", "gauge", "1 for each service or run of a job that has the GPU.");
  for (const device of devices) {
    for (const { by } of device.leases) page.sample("svcd_gpu_leased", { ...labels(device), by }, 1);
  }
}

function labels({ index, uuid }: GpuDevice): Record<string, string> {
  return { gpu: String(index), uuid };
}
