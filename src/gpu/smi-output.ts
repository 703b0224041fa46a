/**
 * What nvidia-smi prints, read without trust: rows of `--format=csv,noheader,nounits`, where any value may be `[N/A]`,
 * `[Not Supported]` or `[Unknown Error]`, and anything at all may stand between the rows.
 *
 * Names come last in a row, because they are the only field that may hold a comma (there is no quoting).
 */
import type { Device } from "./device.ts";

/** `--query-gpu=`. */
export const GPU_FIELDS = [
  "index",
  "uuid",
  "memory.total",
  "memory.used",
  "utilization.gpu",
  "temperature.gpu",
  "power.draw",
  "power.limit",
  "mig.mode.current",
  "name",
] as const;
/** For drivers that do not know one of the others: what a decision rests on. */
export const GPU_FIELDS_OF_OLD_DRIVERS = ["index", "uuid", "memory.total", "memory.used", "name"] as const;
/** `--query-compute-apps=`. */
export const APP_FIELDS = ["gpu_uuid", "pid", "used_memory", "process_name"] as const;

export type DevicesAnswer =
  | { readonly kind: "devices"; readonly devices: readonly Device[] }
  /** It works, and there is nothing. */
  | { readonly kind: "none" }
  /** This driver does not know one of the fields. */
  | { readonly kind: "unknown field" }
  | { readonly kind: "trouble"; readonly why: string };

/** What is known of a process before anybody has looked who it is. */
export interface SmiProcess {
  readonly uuid: string;
  readonly pid: number;
  readonly usedBytes: number | null;
  readonly name: string;
}

const MIB = 1024 ** 2;
/** More than any machine has; garbage is not to fill the memory. */
const MOST_DEVICES = 256;
const MOST_PROCESSES = 4096;

/** `exit`: of the program; null: a signal ended it. */
export function readDevices(text: string, exit: number | null, fields: readonly string[]): DevicesAnswer {
  if (/No devices were found/i.test(text)) return { kind: "none" };
  if (/is not a valid field to query/.test(text)) return { kind: "unknown field" };
  const devices = new Map<string, Device>();
  for (const line of text.split("\n")) {
    const device = deviceOf(line, fields);
    if (device !== null && devices.size < MOST_DEVICES) devices.set(device.uuid, device);
  }
  if (devices.size > 0) return { kind: "devices", devices: [...devices.values()].sort((a, b) => a.index - b.index) };
  return { kind: "trouble", why: troubleOf(text, exit) };
}

function troubleOf(text: string, exit: number | null): string {
  const said = text
    .split("\n")
    .map((line) => line.replace(/[^\x20-\x7e]+/g, " ").trim())
    .find((line) => line !== "");
  const words = said === undefined ? "it said nothing" : said.length > 160 ? `${said.slice(0, 159)}\u2026` : said;
  if (exit === null) return `nvidia-smi was killed: ${words}`;
  return exit === 0 ? `nvidia-smi says what nobody understands: ${words}` : `nvidia-smi fails (exit ${exit}): ${words}`;
}

function deviceOf(line: string, fields: readonly string[]): Device | null {
  const values = valuesOf(line, fields);
  if (values === null) return null;
  const { index = "", uuid = "", name = "" } = values;
  if (!/^\d{1,4}$/.test(index) || !/^GPU-[0-9a-f-]{8,64}$/i.test(uuid)) return null;
  const total = numberIn(values["memory.total"]);
  const used = numberIn(values["memory.used"]);
  return {
    index: Number(index),
    uuid,
    name: name.replace(/[^\x20-\x7e]+/g, " "),
    totalBytes: total === null ? null : total * MIB,
    usedBytes: used === null ? null : used * MIB,
    utilization: numberIn(values["utilization.gpu"]),
    temperatureC: numberIn(values["temperature.gpu"]),
    powerW: numberIn(values["power.draw"]),
    powerLimitW: numberIn(values["power.limit"]),
    notForUse:
      values["mig.mode.current"] === "Enabled" ? "it is split by MIG, and svcd gives whole devices only" : null,
  };
}

export function readProcesses(text: string): SmiProcess[] {
  const processes: SmiProcess[] = [];
  for (const line of text.split("\n")) {
    const values = valuesOf(line, APP_FIELDS);
    const { gpu_uuid: uuid = "", pid = "", used_memory: used, process_name: name = "" } = values ?? {};
    if (!/^GPU-/i.test(uuid) || !/^\d{1,9}$/.test(pid) || processes.length >= MOST_PROCESSES) continue;
    const mib = numberIn(used);
    processes.push({ uuid, pid: Number(pid), usedBytes: mib === null ? null : mib * MIB, name });
  }
  return processes;
}

/** null: it is no such row. */
function valuesOf(line: string, fields: readonly string[]): Record<string, string> | null {
  const parts = line.split(",").map((part) => part.trim());
  if (parts.length < fields.length) return null;
  const last = parts.splice(fields.length - 1).join(", ");
  return Object.fromEntries(fields.map((field, at) => [field, parts[at] ?? last]));
}

/** null: it is not known, in whichever of nvidia-smi's words. */
function numberIn(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,12}(\.\d{1,6})?$/.test(text) ? Number(text) : null;
}
