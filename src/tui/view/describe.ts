/** Pages about one service: why it is so with its history, its effective configuration, the tree it stands in. */

import type { ServiceStatus } from "../../control/daemon.ts";
import type { Model } from "../model/model.ts";
import { instant } from "../text/instant.ts";
import { inkOfState, type Looks } from "./looks.ts";
import { type PageLine, PageWriter } from "./page.ts";
import { inkOf, nextOf } from "./services.ts";
import { calendar, counted, percent, size, span, timeOfDay } from "./words.ts";
import { asYaml } from "./yaml-text.ts";

export function whyPage(model: Model, name: string, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  const status = model.services.find((service) => service.name === name);
  if (status === undefined) return page.lines;
  const why = model.whys.get(name);
  const detail = model.details.get(name);
  const usage = model.usage.get(name);
  if (status.description !== "") page.text(status.description, "dim");
  page.fact(
    "state",
    `${status.state} for ${span(model.now - instant(status.since))}, since ${calendar(status.since, model.now)}${status.pid === null ? "" : `, pid ${status.pid}`}, run ${status.run}`,
    inkOf(status),
  );
  page.fact("why", status.why);
  if (status.phase !== null) page.fact("phase", status.phase, "busy");
  page.fact("next", nextOf(status, model));
  if (usage !== undefined) {
    const cpu = usage.cpuPercent === null ? "" : `${percent(usage.cpuPercent)} of a processor, `;
    page.fact(
      "use",
      `${cpu}${size(usage.memoryBytes)} in ${counted(usage.processes, "process").replace("processs", "processes")}`,
    );
  }
  const check = checkWords(detail?.definition);
  if (check !== null)
    page.fact(
      "check",
      `${check}${status.health === null ? "" : `: ${status.health}`}`,
      status.health === "unhealthy" ? "bad" : "text",
    );
  if (status.restarts > 0) page.fact("restarts", `${status.restarts} since a person last started it`, "warn");
  if (!status.enabled) page.fact("disabled", "on this machine; E enables it", "warn");
  page.fact("file", `${status.file.path}:${status.file.line}`, "dim");
  if (status.file.note !== null) page.fact("", status.file.note, "warn");

  for (const line of why?.idle ?? []) page.fact("idle", line);
  for (const advice of why?.advice ?? []) page.fact("do", advice, "key");
  if (why !== undefined && why.waitsFor.length > 0) {
    page.title("waits for");
    for (const other of why.waitsFor) page.text(other, "text", 2);
  }
  if (why !== undefined && why.lastEnd !== null) {
    const { run, how, at, upMs, evidence } = why.lastEnd;
    page.title("last run that ended");
    page.fact(`run ${run}`, `${how}, ${calendar(at, model.now)}, after ${span(upMs)}`, "strong");
    for (const fact of evidence) page.fact("", fact);
    for (const line of why.lastLines.slice(-6))
      page.line({ text: `  ${looks.signs.down} `, attr: looks.ink.rule }, { text: line, attr: looks.ink.dim });
  }
  if (why !== undefined && why.changedSinceGood.length > 0) {
    page.title("changed since the last run that was well");
    for (const change of why.changedSinceGood) page.text(change, "warn", 2);
  }
  history(page, model, name, looks);
  if (detail !== undefined) {
    if (detail.dependsOn.length + detail.neededBy.length > 0) page.title("dependencies");
    for (const { name: other, condition, met } of detail.dependsOn)
      page.fact("needs", `${other} (${condition})${met ? "" : ": not so yet"}`, met ? "text" : "warn");
    for (const other of detail.neededBy) page.fact("needed by", other);
    environment(page, detail.definition);
  } else page.text("asking svcd …", "dim");
  return page.lines;
}

const MOST_CHANGES = 12;

function history(page: PageWriter, model: Model, name: string, { ink, signs }: Looks): void {
  const changes = model.events
    .filter(({ event }) => event.type === "state" && event.service.name === name)
    .slice(0, MOST_CHANGES);
  if (changes.length === 0) return;
  page.title("history");
  for (const { event, at } of changes) {
    if (event.type !== "state") continue;
    const { state, why, phase } = event.service;
    page.line(
      { text: `  ${timeOfDay(instant(at))} `, attr: ink.dim },
      { text: `${signs.state[state]} ${state.padEnd(9)}`, attr: ink[inkOfState(state)] },
      { text: phase ?? why, attr: ink.dim },
    );
  }
}

function environment(page: PageWriter, definition: unknown): void {
  const environment =
    (definition as { readonly environment?: Readonly<Record<string, string | null>> } | null)?.environment ?? {};
  const entries = Object.entries(environment);
  if (entries.length === 0) return;
  page.title("environment");
  const longest = Math.min(28, Math.max(...entries.map(([key]) => key.length)));
  for (const [key, value] of entries)
    page.fact(key, value ?? "(as svcd has it)", value === "(hidden)" ? "dim" : "text", longest + 1);
}

interface Definition {
  readonly check?: {
    readonly kind: string;
    readonly url?: string;
    readonly address?: string;
    readonly pattern?: string;
    readonly command?: unknown;
  } | null;
  readonly policy?: { readonly health?: { readonly intervalMs?: number } | null };
}

function checkWords(definition: unknown): string | null {
  const { check, policy } = (definition ?? {}) as Definition;
  if (check === undefined || check === null) return null;
  const what =
    check.url ?? check.address ?? check.pattern ?? (check.command === undefined ? "" : asYaml(check.command).join(" "));
  const interval = policy?.health?.intervalMs;
  return `${check.kind} ${what}${interval === undefined ? "" : `, every ${span(interval)}`}`;
}

export function configPage(definition: unknown, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  if (definition === undefined) {
    page.text("asking svcd …", "dim");
    return page.lines;
  }
  const {
    source: _source,
    lines: _lines,
    replica: _replica,
    ...shown
  } = definition as Readonly<Record<string, unknown>>;
  for (const line of asYaml(shown)) {
    const [, indent = "", key = "", value = ""] = /^( *(?:- )?)([\w.@-]+:)?(.*)$/.exec(line) ?? [];
    page.line({ text: ` ${indent}` }, { text: key, attr: looks.ink.key }, { text: value });
  }
  return page.lines;
}

/** Who needs whom: below a service what it needs, and above it who needs it. */
export function treePage(model: Model, name: string, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  const { signs, ink } = looks;
  const byName = new Map(model.services.map((service) => [service.name, service]));
  const label = (other: string, isFirst: boolean) => {
    const service = byName.get(other);
    if (service === undefined) return [{ text: `? ${other} (not there)`, attr: ink.warn }];
    return [
      { text: `${signs.state[service.state]} `, attr: ink[inkOf(service)] },
      { text: other, attr: isFirst ? ink.strong : ink.text },
      { text: `  ${stateWords(service)}`, attr: ink.dim },
    ];
  };
  const branches = (
    title: string,
    below: (of: string) => readonly { readonly name: string; readonly says: string }[],
  ): void => {
    page.title(title);
    const before = page.lines.length;
    const visit = (of: string, stem: string, seen: readonly string[]): void => {
      const children = below(of);
      children.forEach(({ name: child, says }, index) => {
        const isLast = index === children.length - 1;
        const isRing = seen.includes(child);
        page.line(
          { text: `  ${stem}${isLast ? signs.lastBranch : signs.branch}`, attr: ink.rule },
          ...label(child, false),
          { text: `${says}${isRing ? " (see above)" : ""}`, attr: ink.dim },
        );
        if (!isRing && page.lines.length < 500) visit(child, stem + (isLast ? "   " : signs.stem), [...seen, child]);
      });
    };
    visit(name, "", [name]);
    if (page.lines.length === before) page.text("nobody", "dim", 2);
  };
  page.line({ text: " " }, ...label(name, true));
  branches("needs", (of) =>
    (model.details.get(of)?.dependsOn ?? []).map(({ name: other, condition, met }) => ({
      name: other,
      says: `  ${condition}${met ? "" : ", not so yet"}`,
    })),
  );
  branches("needed by", (of) => (model.details.get(of)?.neededBy ?? []).map((other) => ({ name: other, says: "" })));
  return page.lines;
}

function stateWords({ state, phase }: ServiceStatus): string {
  return phase === null ? state : `${state}: ${phase}`;
}
