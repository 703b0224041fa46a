/** What svcd tells, taken into the model: states, events, samples. */
import type { DaemonEvent, MachineReport, ServiceStatus, UsageReport } from "../../control/daemon.ts";
import { TerminalText } from "../text/terminal-text.ts";
import { listRows } from "../view/layout.ts";
import type { Command } from "./command.ts";
import { isProblem, itemsOf, kept } from "./items.ts";
import { PART, withLog } from "./logs.ts";
import type { EventLine, Model, Usage, ViewName } from "./model.ts";

/** Some hours of a calm box; what is older is in svcd's own log. */
const MOST_EVENTS = 2_000;
const LOADS_KEPT = 120;

/** Whatever changes the items of a list keeps the person's place in it. */
export function keepingPlaces(before: Model, after: Model): Model {
  let lists = after.lists;
  for (const view of ["services", "jobs", "events"] as const satisfies readonly ViewName[]) {
    const isSame = before.lists[view] === after.lists[view] && !isConcerned(view, before, after);
    if (isSame && (after.view !== view || listRows(before) === listRows(after))) continue;
    const place = kept(after.lists[view], itemsOf(before, view), itemsOf(after, view), listRows(after));
    if (place !== after.lists[view]) lists = { ...lists, [view]: place };
  }
  return lists === after.lists ? after : { ...after, lists };
}

function isConcerned(view: "services" | "jobs" | "events", before: Model, after: Model): boolean {
  switch (view) {
    case "services":
      return before.services !== after.services || before.usage !== after.usage;
    case "jobs":
      return before.jobs !== after.jobs;
    case "events":
      return before.events !== after.events;
  }
}

export function withEvent(model: Model, id: string, event: DaemonEvent): [Model, Command[]] {
  const line = lineOf(id, event);
  const seen = line === null ? model : withEventLine(model, line);
  switch (event.type) {
    case "state":
      return [settled(withService(seen, event.service), event.service), []];
    case "removed":
      return [{ ...seen, services: seen.services.filter(({ name }) => name !== event.name) }, []];
    case "plan":
      return [{ ...seen, details: new Map() }, [{ do: "ask", question: { about: "everything" } }]];
    case "run":
    case "job":
      // A job's line has more in it than the event: ask, all together and once.
      return [seen, [{ do: "ask", question: { about: "everything" } }, ...historyOf(seen, event)]];
    case "daemon":
      return [seen, []];
  }
}

function historyOf(model: Model, event: DaemonEvent): Command[] {
  if (event.type !== "run" || !model.histories.has(event.job)) return [];
  return [{ do: "ask", question: { about: "history", name: event.job } }];
}

function withEventLine(model: Model, line: EventLine): Model {
  return { ...model, events: [line, ...model.events].slice(0, MOST_EVENTS) };
}

/** Those that were before ours, newest first. */
export function withPast(model: Model, past: readonly { readonly id: string; readonly event: DaemonEvent }[]): Model {
  const known = new Set(model.events.map(({ id }) => id));
  const older = past
    .flatMap(({ id, event }) => {
      const line = known.has(id) ? null : lineOf(id, event);
      return line === null ? [] : [line];
    })
    .reverse();
  return { ...model, events: [...model.events, ...older].slice(0, MOST_EVENTS) };
}

function withService(before: Model, service: ServiceStatus): Model {
  const model = { ...before, heardAt: new Map([...before.heardAt, [service.name, before.now]]) };
  const at = model.services.findIndex(({ name }) => name === service.name);
  if (at !== -1) return { ...model, services: model.services.with(at, service) };
  const services = [...model.services, service].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { ...model, services };
}

const ON_THE_WAY = /^(STARTING|STOPPING|WAITING)$/;

/** What the person asked for has come to its end, whichever. */
function settled(model: Model, { name, state }: ServiceStatus): Model {
  if (!model.pending.has(name) || ON_THE_WAY.test(state)) return model;
  return { ...model, pending: without(model.pending, [name]) };
}

export function without<T>(map: ReadonlyMap<string, T>, names: readonly string[]): ReadonlyMap<string, T> {
  return new Map([...map].filter(([name]) => !names.includes(name)));
}

export function lineOf(id: string, event: DaemonEvent): EventLine | null {
  const { at } = event;
  const line = (subject: string, text: string, weight: EventLine["weight"]): EventLine => ({
    id,
    at,
    subject,
    text,
    weight,
    event,
  });
  switch (event.type) {
    case "state": {
      const { service, before } = event;
      const isSame = before === service.state;
      if (isSame && service.phase === null) return null; // Health and such: told in the list.
      const text = isSame ? `${service.state}: ${service.phase}` : `→ ${service.state}: ${service.why}`;
      const weight = isProblem(service)
        ? service.state === "FATAL"
          ? "bad"
          : "warn"
        : service.state === "RUNNING"
          ? "good"
          : "quiet";
      return line(service.name, text, weight);
    }
    case "removed":
      return line(event.name, "removed", "quiet");
    case "plan": {
      const { added, changed, removed, mistakes, jobs } = event.plan;
      const parts = [
        counted("added", [...added, ...jobs.added]),
        counted(
          "changed",
          [...changed, ...jobs.changed].map(({ name }) => name),
        ),
        counted("removed", [...removed, ...jobs.removed]),
        mistakes.length === 0
          ? ""
          : `${mistakes.length} ${mistakes.length === 1 ? "mistake" : "mistakes"}: ${mistakes[0]!.file}:${mistakes[0]!.line}: ${mistakes[0]!.what}`,
      ].filter((part) => part !== "");
      return line("files", parts.join("; ") || "nothing to take up", mistakes.length > 0 ? "warn" : "quiet");
    }
    case "run": {
      const { what, job, run, record } = event;
      if (what === "started") return line(job, `run ${run} started`, "quiet");
      const failed = record !== null && /^(failure|timeout|killed|unknown)$/.test(record.result);
      return line(
        job,
        `${run === null ? "" : `run ${run} `}${record?.result ?? what}: ${record?.why ?? ""}`,
        failed ? "warn" : "quiet",
      );
    }
    case "job":
      return line(event.name, event.what, "quiet");
    case "daemon":
      return line("svcd", event.text, "quiet");
  }
}

function counted(what: string, names: readonly string[]): string {
  return names.length === 0 ? "" : `${what} ${names.length > 3 ? names.length : names.join(", ")}`;
}

/** Use is the difference to the last sample, so the first one tells none. */
export function withSample(model: Model, machine: MachineReport | null, usage: UsageReport | null): Model {
  let next = model;
  if (machine !== null) {
    const before = model.machine?.cpu ?? null;
    const allMs = machine.cpu === null || before === null ? 0 : machine.cpu.allMs - before.allMs;
    const machineCpu = allMs <= 0 ? model.machineCpu : (100 * (machine.cpu!.busyMs - before!.busyMs)) / allMs;
    next = { ...next, machine, machineCpu, loads: [...model.loads, machine.load[0] ?? 0].slice(-LOADS_KEPT) };
  }
  if (usage === null) return next;
  const passedMs = model.usageAt === null ? 0 : usage.atMs - model.usageAt;
  const now = new Map<string, Usage>();
  for (const { name, run, cpuMs, memoryBytes, processes } of usage.services) {
    const before = model.usage.get(name);
    const isSame = before !== undefined && before.run === run && passedMs > 0;
    const cpuPercent = isSame ? Math.max(0, (100 * (cpuMs - before.cpuMs)) / passedMs) : (before?.cpuPercent ?? null);
    now.set(name, { cpuPercent, memoryBytes, processes, run, cpuMs });
  }
  return { ...next, usage: now, usageAt: usage.atMs };
}

/** Bytes of a log; of one of several that are merged under the key of them all and its name (`partKey`). */
export function withOutput(model: Model, key: string, text: string, position: number, isNew: boolean): Model {
  const at = isNew ? model.now : null;
  const log = model.logs.get(key);
  if (log !== undefined) {
    log.text.write(text, at);
    return withLog(model, key, { position, flaw: null });
  }
  const [mergedKey = "", name = ""] = key.split(PART);
  const merged = model.logs.get(mergedKey);
  if (merged === undefined) return model;
  const part = model.parts.get(key) ?? { text: new TerminalText(1_000), position };
  part.text.write(text, at);
  // The last line may still be written.
  let line = part.text.taken;
  for (; line < part.text.whole; line++) merged.text.push({ ...part.text.line(line)!, from: name });
  part.text.taken = line;
  const parts = new Map([...model.parts].filter(([one]) => model.logs.has(one.split(PART)[0]!)));
  return withLog({ ...model, parts: parts.set(key, { ...part, position }) }, mergedKey, { flaw: null });
}
