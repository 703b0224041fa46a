/** Bytes, rates and times as one reads them at a glance; sizes count in thousands, as disks and networks do. */
import { formatDuration } from "../plan/units.ts";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `1.2 GB`, `640 kB`, `17 B`. */
export function inBytes(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 9.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** `2m10s`, `3.4s`, `45ms`. */
export function inTime(ms: number): string {
  if (ms >= 10_000) return formatDuration(Math.round(ms / 1000) * 1000);
  return formatDuration(ms >= 1000 ? Math.round(ms / 100) * 100 : Math.round(ms));
}
