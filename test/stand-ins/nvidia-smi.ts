/**
 * A stand-in for nvidia-smi: prints what the real one would about the devices and processes that a JSON file describes, and
 * misbehaves as that file says. It understands `--query-gpu=…`, `--query-compute-apps=…` with `--format=csv[,noheader][,nounits]`
 * and `-L`. `stand-in-gpus.ts` puts it on the PATH of a test.
 *
 *     node nvidia-smi.ts STATE.json --query-gpu=index,uuid --format=csv,noheader,nounits
 *
 * STATE.json, all of it optional but `gpus`:
 *
 *     {
 *       "driver": "570.86.15",
 *       "gpus": [{
 *         "uuid": "GPU-…",            // made from the index where it is not given
 *         "name": "NVIDIA H100 80GB HBM3",
 *         "memoryTotalMiB": 81559,
 *         "memoryUsedMiB": 4,          // by nobody in particular; what processes hold comes on top
 *         "utilization": 0,            // %
 *         "temperature": 31,           // °C
 *         "powerDraw": 68.5,           // W
 *         "powerLimit": 700,           // W
 *         "mig": "Disabled",           // or "Enabled", "[N/A]"
 *         "isLost": true               // fallen off the bus: it is missing in every answer
 *       }],
 *       "processes": [HOLDER],
 *       "hangs": true,                 // never answers, until it is killed
 *       "slowMs": 500,                 // answers so much later
 *       "says": "garbage\n",           // prints this instead of an answer (to stdout)
 *       "exit": 9                      // and ends with this
 *     }
 *
 * Any value of a device may be a string, which is printed as it is: "[N/A]", "[Not Supported]", "[Unknown Error]".
 *
 * HOLDER is a process that holds memory: {"gpu": 0 or "GPU-…", "pid": 4711, "memoryMiB": 1000 or "[N/A]", "name": "python3",
 * "isOrphan": true, "isHidden": true}. The memory of a process that is dead is free again, unless it `isOrphan` (memory that
 * the driver has not given back). What `isHidden` counts in the used memory and stands in no list, as a process outside of a
 * container does. A program registers itself by writing such an object to STATE.json.holders/ANYTHING.json (written beside
 * and renamed, so that nobody reads half); `hold-gpu-memory` does that.
 *
 * Each call appends a line with its pid and arguments to STATE.json.calls, when that file is there.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync } from "node:fs";

export interface StandInState {
  driver?: string;
  gpus: StandInGpu[];
  processes?: StandInHolder[];
  hangs?: boolean;
  slowMs?: number;
  says?: string;
  exit?: number;
}

type Said<T> = T | string;

export interface StandInGpu {
  uuid?: string;
  name?: string;
  memoryTotalMiB?: Said<number>;
  memoryUsedMiB?: Said<number>;
  utilization?: Said<number>;
  temperature?: Said<number>;
  powerDraw?: Said<number>;
  powerLimit?: Said<number>;
  mig?: string;
  isLost?: boolean;
}

export interface StandInHolder {
  gpu: number | string;
  pid: number;
  memoryMiB: Said<number>;
  name?: string;
  isOrphan?: boolean;
  isHidden?: boolean;
}

export const NO_DEVICES = "No devices were found";
export const NO_DRIVER =
  "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n";

/** As nvidia-smi would say it. */
export function uuidOf(index: number): string {
  return `GPU-${String(index).padStart(8, "0")}-1111-2222-3333-444444444444`;
}

if (process.argv[1] === import.meta.filename) main(process.argv[2] ?? "", process.argv.slice(3));

function main(stateFile: string, args: readonly string[]): void {
  if (existsSync(`${stateFile}.calls`)) appendFileSync(`${stateFile}.calls`, `${process.pid} ${args.join(" ")}\n`);
  const state = JSON.parse(readFileSync(stateFile, "utf8")) as StandInState;
  if (state.hangs) {
    process.on("SIGTERM", () => {});
    setInterval(() => {}, 1_000_000);
    return;
  }
  setTimeout(() => answer(stateFile, state, args), state.slowMs ?? 0);
}

function answer(stateFile: string, state: StandInState, args: readonly string[]): void {
  const say = (text: string, exit: number): void => {
    process.stdout.write(text);
    process.exitCode = exit;
  };
  if (state.says !== undefined) return say(state.says, state.exit ?? 0);
  if (state.exit !== undefined) return say("", state.exit);
  const holders = [...(state.processes ?? []), ...registered(stateFile)].filter(holds);
  const devices = state.gpus.flatMap((gpu, place) => (gpu.isLost ? [] : [{ gpu, place }]));
  if (devices.length === 0) return say(`${NO_DEVICES}\n`, 6);
  const format = (args.find((arg) => arg.startsWith("--format=")) ?? "").slice("--format=".length).split(",");
  const table = (columns: readonly Column[], rows: readonly (readonly unknown[])[]): void => {
    const header = columns.map(({ name, unit }) => (unit === "" ? name : `${name} [${unit}]`));
    const cell = (value: unknown, at: number): string => {
      const isNumber = typeof value === "number";
      const unit = columns[at]!.unit;
      return isNumber && unit !== "" && !format.includes("nounits") ? `${value} ${unit}` : String(value);
    };
    const lines = [...(format.includes("noheader") ? [] : [header]), ...rows.map((row) => row.map(cell))];
    say(lines.map((line) => `${line.join(", ")}\n`).join(""), 0);
  };
  const asked = (option: string): string[] | null =>
    args
      .find((arg) => arg.startsWith(`${option}=`))
      ?.slice(option.length + 1)
      .split(",") ?? null;
  const ofGpu = asked("--query-gpu");
  if (ofGpu !== null) {
    const columns = ofGpu.map((name) => GPU_COLUMNS[name]);
    const unknown = columns.indexOf(undefined);
    if (unknown >= 0) return say(notAField(ofGpu[unknown]!), 2);
    const known = columns as GpuColumn[];
    return table(
      known,
      devices.map(({ gpu, place }, index) =>
        known.map(({ of }) => of({ gpu, index, place, state, usedMiB: usedMiB(gpu, place, holders) })),
      ),
    );
  }
  const ofApps = asked("--query-compute-apps");
  if (ofApps !== null) {
    const columns = ofApps.map((name) => APP_COLUMNS[name]);
    const unknown = columns.indexOf(undefined);
    if (unknown >= 0) return say(notAField(ofApps[unknown]!), 2);
    const known = columns as AppColumn[];
    const rows = devices.flatMap(({ gpu, place }) =>
      holders
        .filter((holder) => !holder.isHidden && isOn(holder, gpu, place))
        .map((holder) => known.map(({ of }) => of(holder, gpu.uuid ?? uuidOf(place)))),
    );
    return table(known, rows);
  }
  if (args.includes("-L")) {
    const lines = devices.map(
      ({ gpu, place }, index) => `GPU ${index}: ${gpu.name ?? NAME} (UUID: ${gpu.uuid ?? uuidOf(place)})\n`,
    );
    return say(lines.join(""), 0);
  }
  say(`Invalid combination of input arguments. Please run 'nvidia-smi -h' for help.\n\n`, 2);
}

interface Column {
  readonly name: string;
  readonly unit: string;
}

interface GpuFacts {
  readonly gpu: StandInGpu;
  /** Among those that are there. */
  readonly index: number;
  readonly place: number;
  readonly state: StandInState;
  readonly usedMiB: Said<number>;
}

type GpuColumn = Column & { readonly of: (facts: GpuFacts) => unknown };
type AppColumn = Column & { readonly of: (holder: StandInHolder, uuid: string) => unknown };

const NAME = "NVIDIA H100 80GB HBM3";
const TOTAL_MIB = 81559;

const GPU_COLUMNS: Readonly<Record<string, GpuColumn>> = {
  index: { name: "index", unit: "", of: ({ index }) => String(index) },
  uuid: { name: "uuid", unit: "", of: ({ gpu, place }) => gpu.uuid ?? uuidOf(place) },
  "pci.bus_id": {
    name: "pci.bus_id",
    unit: "",
    of: ({ place }) => `00000000:${(0x18 + 8 * place).toString(16).toUpperCase().padStart(2, "0")}:00.0`,
  },
  name: { name: "name", unit: "", of: ({ gpu }) => gpu.name ?? NAME },
  driver_version: { name: "driver_version", unit: "", of: ({ state }) => state.driver ?? "570.86.15" },
  "memory.total": { name: "memory.total", unit: "MiB", of: ({ gpu }) => gpu.memoryTotalMiB ?? TOTAL_MIB },
  "memory.used": { name: "memory.used", unit: "MiB", of: ({ usedMiB }) => usedMiB },
  "utilization.gpu": { name: "utilization.gpu", unit: "%", of: ({ gpu }) => gpu.utilization ?? 0 },
  "temperature.gpu": { name: "temperature.gpu", unit: "", of: ({ gpu }) => gpu.temperature ?? 31 },
  "power.draw": { name: "power.draw", unit: "W", of: ({ gpu }) => twoDigits(gpu.powerDraw ?? 68.5) },
  "power.limit": { name: "power.limit", unit: "W", of: ({ gpu }) => twoDigits(gpu.powerLimit ?? 700) },
  "mig.mode.current": { name: "mig.mode.current", unit: "", of: ({ gpu }) => gpu.mig ?? "Disabled" },
};

const APP_COLUMNS: Readonly<Record<string, AppColumn>> = {
  gpu_uuid: { name: "gpu_uuid", unit: "", of: (_, uuid) => uuid },
  pid: { name: "pid", unit: "", of: ({ pid }) => String(pid) },
  used_memory: { name: "used_gpu_memory", unit: "MiB", of: ({ memoryMiB }) => memoryMiB },
  used_gpu_memory: { name: "used_gpu_memory", unit: "MiB", of: ({ memoryMiB }) => memoryMiB },
  process_name: { name: "process_name", unit: "", of: ({ name }) => name ?? "python3" },
  name: { name: "process_name", unit: "", of: ({ name }) => name ?? "python3" },
};

function twoDigits(value: Said<number>): string {
  return typeof value === "number" ? value.toFixed(2) : value;
}

function notAField(name: string): string {
  return `Field "${name}" is not a valid field to query.\n\n`;
}

function registered(stateFile: string): StandInHolder[] {
  const folder = `${stateFile}.holders`;
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => JSON.parse(readFileSync(`${folder}/${file}`, "utf8")) as StandInHolder);
}

function holds({ pid, isOrphan, isHidden }: StandInHolder): boolean {
  if (isOrphan || isHidden) return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

function isOn({ gpu: of }: StandInHolder, gpu: StandInGpu, place: number): boolean {
  return typeof of === "number" ? of === place : of === (gpu.uuid ?? uuidOf(place));
}

function usedMiB(gpu: StandInGpu, place: number, holders: readonly StandInHolder[]): Said<number> {
  const own = gpu.memoryUsedMiB ?? 4;
  if (typeof own === "string") return own;
  const held = holders
    .filter((holder) => isOn(holder, gpu, place))
    .map(({ memoryMiB }) => (typeof memoryMiB === "number" ? memoryMiB : 0));
  return held.reduce((sum, one) => sum + one, own);
}
