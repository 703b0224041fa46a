/** The machine: processors, memory, disks, GPUs, and who uses most. */

import type { GpuFacts, Model } from "../model/model.ts";
import { cut, padded } from "../text/columns.ts";
import { instant } from "../text/instant.ts";
import { bar, sparkline } from "./bars.ts";
import type { Looks } from "./looks.ts";
import { type PageLine, PageWriter } from "./page.ts";
import { counted, percent, size, span } from "./words.ts";

const LABEL = 10;
const MOST_USERS = 8;

export function machinePage(model: Model, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  const { ink } = looks;
  const { machine } = model;
  if (machine === null) {
    page.text(
      model.health === null ? "asking svcd …" : "this svcd does not tell about the machine: svctl upgrade",
      "dim",
    );
    return page.lines;
  }
  const barColumns = Math.min(Math.max(columns - 50, 20), 60);
  const gauge = (label: string, share: number, says: string): void =>
    page.line(
      { text: ` ${label.padEnd(LABEL)} `, attr: ink.dim },
      ...bar(share, barColumns, looks),
      { text: ` ${percent(share * 100).padStart(5)}  ` },
      { text: says, attr: ink.dim },
    );

  gpus(page, model, barColumns, looks);
  page.title(machine.host);
  const { memory, swap, load, processors } = machine;
  if (model.machineCpu !== null) gauge("cpu", model.machineCpu / 100, counted(processors, "processor"));
  gauge(
    "memory",
    memory.usedBytes / memory.totalBytes,
    `${size(memory.usedBytes)} of ${size(memory.totalBytes)}${memory.limit === "cgroup" ? " (container)" : ""}`,
  );
  if (swap.totalBytes > 0)
    gauge("swap", swap.usedBytes / swap.totalBytes, `${size(swap.usedBytes)} of ${size(swap.totalBytes)}`);
  for (const { path, totalBytes, freeBytes } of machine.disks) {
    gauge(
      path === "/" ? "disk /" : "disk",
      1 - freeBytes / totalBytes,
      `${size(freeBytes)} free${path === "/" ? "" : `, ${path}`}`,
    );
  }
  page.line(
    { text: ` ${"load".padEnd(LABEL)} `, attr: ink.dim },
    {
      text: sparkline(model.loads, barColumns, Math.max(processors, ...model.loads), looks).padStart(barColumns),
      attr: ink.busy,
    },
    { text: `        ${load.map((one) => one.toFixed(2)).join("  ")}`, attr: ink.text },
    { text: columns < 90 ? "" : "  over 1, 5, 15 minutes", attr: ink.dim },
  );
  page.fact("up", span(machine.upMs), "text", LABEL);

  const users = [...model.usage].map(([name, use]) => ({ name, ...use }));
  users.sort((a, b) => (b.cpuPercent ?? 0) - (a.cpuPercent ?? 0) || b.memoryBytes - a.memoryBytes);
  if (users.length > 0) {
    page.title("services by use");
    for (const { name, cpuPercent, memoryBytes, processes } of users.slice(0, MOST_USERS)) {
      page.line(
        { text: ` ${padded(cut(name, 24), 24)} ` },
        { text: (cpuPercent === null ? "" : percent(cpuPercent)).padStart(6) },
        { text: size(memoryBytes).padStart(7) },
        { text: `   ${processes === 1 ? "1 process" : `${processes} processes`}`, attr: ink.dim },
      );
    }
  }
  const { health } = model;
  if (health !== null) {
    page.title("svcd");
    page.fact(
      "version",
      `${health.version}, up ${span(model.now - instant(health.since))}, keeper ${health.keeper}, core ${health.core}`,
      "text",
      LABEL,
    );
    page.fact("runs", `ended whole by ${health.containment.way} (${health.containment.detail})`, "dim", LABEL);
    for (const trouble of health.troubles) page.fact("trouble", trouble, "bad", LABEL);
    if (health.mistakes > 0)
      page.fact("files", `${counted(health.mistakes, "mistake")}: svctl plan shows them`, "warn", LABEL);
  }
  return page.lines;
}

function gpus(page: PageWriter, model: Model, barColumns: number, looks: Looks): void {
  const { ink } = looks;
  page.title("GPUs");
  if (model.gpus === null) return page.text("asking svcd …", "dim", 2);
  if (typeof model.gpus === "string") return page.text(model.gpus, "dim", 2);
  model.gpus.forEach((gpu, index) => {
    const { memoryUsedBytes: used, memoryTotalBytes: total } = gpu;
    page.line(
      { text: ` ${String(index).padEnd(2)} `, attr: ink.dim },
      { text: gpu.name, attr: ink.strong },
      { text: `  ${facts(gpu)}`, attr: ink.dim },
      { text: gpu.flaw === null ? "" : `  ${gpu.flaw}`, attr: ink.warn },
    );
    if (used !== null && total !== null) {
      page.line(
        { text: ` ${"memory".padEnd(LABEL)} `, attr: ink.dim },
        ...bar(used / total, barColumns, looks, "busy"),
        { text: ` ${size(used).padStart(5)} of ${size(total)}` },
      );
    }
    if (gpu.usePercent !== null) {
      page.line(
        { text: ` ${"use".padEnd(LABEL)} `, attr: ink.dim },
        ...bar(gpu.usePercent / 100, barColumns, looks, "good"),
        { text: ` ${percent(gpu.usePercent).padStart(5)}` },
      );
    }
    if (gpu.leases.length > 0) page.fact("given to", gpu.leases.join(", "), "text", LABEL);
    for (const { name, what, memoryBytes } of gpu.holders) {
      const held = memoryBytes === null ? what : `${size(memoryBytes)} by ${what}`;
      page.fact(
        "held",
        name === null ? `${held}, which svcd has not started` : held,
        name === null ? "warn" : "text",
        LABEL,
      );
    }
  });
}

function facts({ watts, wattsLimit, celsius }: GpuFacts): string {
  return [
    watts === null ? "" : `${Math.round(watts)} W${wattsLimit === null ? "" : ` of ${Math.round(wattsLimit)}`}`,
    celsius === null ? "" : `${Math.round(celsius)} °C`,
  ]
    .filter(Boolean)
    .join("  ");
}
