/**
 * CUDA_VISIBLE_DEVICES of svcd's own environment: whoever started svcd has limited it to some devices, and its services with it.
 *
 * CUDA takes numbers, UUIDs and beginnings of UUIDs, and stops at the first entry that is no device. Numbers are taken in the
 * order of the bus here; CUDA's own order, the fastest first, is the same on machines whose devices are alike.
 */
import type { Device } from "./device.ts";

/** UUIDs of the devices it names; null: it is not set, and limits nothing. */
export function visibleIn(
  variable: string | undefined,
  devices: readonly Pick<Device, "index" | "uuid">[],
): ReadonlySet<string> | null {
  if (variable === undefined) return null;
  const visible = new Set<string>();
  for (const entry of variable.split(",").map((one) => one.trim())) {
    const device = deviceNamed(/^\d{1,4}$/.test(entry) ? Number(entry) : entry, devices);
    if (device === null || visible.has(device.uuid)) break;
    visible.add(device.uuid);
  }
  return visible;
}

/** The one with this number or this beginning of a UUID; null: none, or several. */
export function deviceNamed<D extends Pick<Device, "index" | "uuid">>(
  name: number | string,
  devices: readonly D[],
): D | null {
  if (typeof name === "number") return devices.find(({ index }) => index === name) ?? null;
  if (!/^GPU-/i.test(name)) return null;
  const fitting = devices.filter(({ uuid }) => uuid.toLowerCase().startsWith(name.toLowerCase()));
  return fitting.length === 1 ? fitting[0]! : null;
}
