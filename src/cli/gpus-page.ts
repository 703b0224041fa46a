/**
 * The GPUs as two tables: the devices, and the processes that hold their memory.
 *
 *     GPU  USE  MEMORY        TEMP  POWER      LEASED TO  NAME
 *     0    87%  61/80 GiB     64°C  412/700 W  vllm       NVIDIA H100 80GB HBM3
 *
 *     GPU  PID   MEMORY  WHO
 *     0    4711  61 GiB  vllm, run 3 (VLLM::EngineCore)
 */
import type { GpuDevice, GpuHolder, GpuReport } from "../control/daemon.ts";
import type { Ink } from "./colour.ts";
import { type Cell, table } from "./table.ts";
import { plain } from "./text.ts";
import { sinceThen } from "./time.ts";

export interface GpusLook {
  readonly ink: Ink;
  /** null: nothing is cut. */
  readonly columns: number | null;
  readonly now: Date;
}

const GIB = 1024 ** 3;
const NOT_TOLD = "-";

export function gpusPage({ state, why, at, devices }: GpuReport, look: GpusLook): string[] {
  const { ink } = look;
  const lines: string[] = [];
  if (state === "none") return [`no GPU on this machine: ${plain(why ?? "")}`];
  if (state === "trouble") {
    lines.push(ink.paint("red", `trouble: ${plain(why ?? "")}`));
    if (at === null) return lines;
    lines.push(ink.paint("yellow", `what it said last, ${sinceThen(at, look.now)} ago:`));
  }
  lines.push(
    ...table([header(DEVICES, ink), ...devices.map((one) => DEVICES.map(([, cell]) => cell(one, ink)))], look.columns),
  );
  for (const { index, notForUse, isGone } of devices) {
    if (isGone) lines.push(ink.paint("red", `note: GPU ${index} was there before, and nvidia-smi lists it no longer`));
    else if (notForUse !== null)
      lines.push(ink.paint("yellow", `note: svcd gives GPU ${index} to nobody: ${plain(notForUse)}`));
  }
  const holders = devices.flatMap((device) => device.holders.map((holder) => ({ device, holder })));
  if (holders.length > 0) {
    const rows = holders.map((one) => HOLDERS.map(([, cell]) => cell(one, ink)));
    lines.push("", ...table([header(HOLDERS, ink), ...rows], look.columns));
  }
  return lines;
}

type Column<Row> = readonly [title: string, cell: (row: Row, ink: Ink) => Cell];

function header<Row>(columns: readonly Column<Row>[], ink: Ink): Cell[] {
  return columns.map(([text]) => ({ text, paint: (cell) => ink.paint("grey", cell) }));
}

const DEVICES: readonly Column<GpuDevice>[] = [
  ["GPU", ({ index }, ink) => ({ text: String(index), paint: (cell) => ink.paint("bold", cell) })],
  ["USE", ({ utilization }) => ({ text: utilization === null ? NOT_TOLD : `${utilization}%` })],
  [
    "MEMORY",
    ({ memoryUsedBytes, memoryTotalBytes }) => ({ text: ofWhole(gib(memoryUsedBytes), gib(memoryTotalBytes), "GiB") }),
  ],
  ["TEMP", ({ temperatureC }) => ({ text: temperatureC === null ? NOT_TOLD : `${temperatureC}\u00b0C` })],
  ["POWER", ({ powerW, powerLimitW }) => ({ text: ofWhole(whole(powerW), whole(powerLimitW), "W") })],
  [
    "LEASED TO",
    ({ leases }) => {
      const who = leases.map(({ by, memoryBytes, shared }) =>
        shared && memoryBytes !== null ? `${plain(by)} (${gib(memoryBytes)} GiB)` : plain(by),
      );
      return { text: who.length === 0 ? NOT_TOLD : who.join(", ") };
    },
  ],
  ["NAME", ({ name }) => ({ text: plain(name) })],
];

const HOLDERS: readonly Column<{ readonly device: GpuDevice; readonly holder: GpuHolder }>[] = [
  ["GPU", ({ device }) => ({ text: String(device.index) })],
  ["PID", ({ holder }) => ({ text: String(holder.pid) })],
  ["MEMORY", ({ holder: { memoryBytes } }) => ({ text: memoryBytes === null ? NOT_TOLD : `${gib(memoryBytes)} GiB` })],
  ["WHO", ({ holder }, ink) => who(holder, ink)],
];

function who({ command, name, run }: GpuHolder, ink: Ink): Cell {
  if (command === null) {
    return { text: "cannot be seen from here (outside of this container)", paint: (cell) => ink.paint("yellow", cell) };
  }
  if (name === null) return { text: `not svcd's: ${plain(command)}`, paint: (cell) => ink.paint("yellow", cell) };
  return { text: `${plain(name)}, run ${run} (${plain(command)})` };
}

function ofWhole(part: string | null, all: string | null, unit: string): string {
  if (part === null && all === null) return NOT_TOLD;
  return all === null ? `${part} ${unit}` : `${part ?? "?"}/${all} ${unit}`;
}

function gib(bytes: number | null): string | null {
  if (bytes === null) return null;
  return bytes >= 9.95 * GIB ? String(Math.round(bytes / GIB)) : String(Math.round((bytes / GIB) * 10) / 10);
}

function whole(value: number | null): string | null {
  return value === null ? null : String(Math.round(value));
}
