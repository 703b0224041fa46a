/** What a list shows, in which order: filter, sort, and where the choice is. */
import type { ServiceStatus } from "../../control/daemon.ts";
import type { EventLine, ListPlace, Model, SortKey, ViewName } from "./model.ts";

/** Worst first. */
const SEVERITY = ["FATAL", "BACKOFF", "STARTING", "WAITING", "STOPPING", "RUNNING", "EXITED", "STOPPED", "SKIPPED"];

/** Names, or ids of events, as they stand below each other. */
export function itemsOf(model: Model, view: ViewName = model.view): readonly string[] {
  const place = model.lists[view];
  switch (view) {
    case "services":
      return servicesShown(model).map(({ name }) => name);
    case "jobs": {
      const shown = model.jobs.filter(({ name, state, description }) =>
        passes(place.filter, { name, state, groups: [], text: description }),
      );
      const sorted =
        place.sort === "uptime"
          ? [...shown].sort((a, b) => (a.next ?? "9").localeCompare(b.next ?? "9"))
          : place.sort === "state"
            ? [...shown].sort((a, b) => jobSeverity(b) - jobSeverity(a))
            : shown;
      return turned(sorted, place).map(({ name }) => name);
    }
    case "events":
      return eventsShown(model).map(({ id }) => id);
    case "logs":
    case "machine":
    case "tunnels":
      return [];
  }
}

export function servicesShown(model: Model): readonly ServiceStatus[] {
  const place = model.lists.services;
  const shown = model.services.filter(({ name, state, groups, description }) =>
    passes(place.filter, { name, state, groups, text: description }),
  );
  return turned(sorted(shown, place.sort, model), place);
}

/** Newest first. */
export function eventsShown(model: Model): readonly EventLine[] {
  const { filter } = model.lists.events;
  return model.events.filter(({ subject, text, weight }) =>
    passes(filter, { name: subject, state: weight, groups: [], text }),
  );
}

function turned<T>(items: readonly T[], { isDescending }: ListPlace): readonly T[] {
  return isDescending ? [...items].reverse() : items;
}

function sorted(services: readonly ServiceStatus[], by: SortKey, model: Model): readonly ServiceStatus[] {
  const use = (name: string) => model.usage.get(name);
  const first = (compare: (a: ServiceStatus, b: ServiceStatus) => number) => [...services].sort(compare);
  switch (by) {
    case "state":
      return first((a, b) => severity(a) - severity(b));
    case "uptime":
    case "next":
      return first((a, b) => b.since.localeCompare(a.since));
    case "cpu":
      return first((a, b) => (use(b.name)?.cpuPercent ?? -1) - (use(a.name)?.cpuPercent ?? -1));
    case "memory":
      return first((a, b) => (use(b.name)?.memoryBytes ?? -1) - (use(a.name)?.memoryBytes ?? -1));
    case "restarts":
      return first((a, b) => b.restarts - a.restarts);
    case "name":
      return services;
  }
}

function severity(service: ServiceStatus): number {
  return isProblem(service) ? SEVERITY.indexOf(service.state) / 100 : SEVERITY.indexOf(service.state);
}

/** What a person should look at. */
export function isProblem({ state, health, why, file }: ServiceStatus): boolean {
  return (
    state === "FATAL" ||
    state === "BACKOFF" ||
    health === "unhealthy" ||
    (state === "EXITED" && !/^exit 0\b/.test(why)) ||
    (file.note !== null && /mistake/i.test(file.note))
  );
}

export function jobFailed({ last }: Model["jobs"][number]): boolean {
  return last !== null && /^(failure|timeout|killed|unknown)$/.test(last.result);
}

function jobSeverity(job: Model["jobs"][number]): number {
  return (jobFailed(job) ? 4 : 0) + (job.runs.length > 0 ? 2 : 0) + (job.paused ? 1 : 0);
}

interface Filtered {
  readonly name: string;
  readonly state: string;
  readonly groups: readonly string[];
  readonly text: string;
}

/**
 * Words that must all fit: letters of the name in their order, or a part of the description. `!word` must not fit;
 * `state:fatal` (also `:fatal`) and `ns:group` look there.
 */
export function passes(filter: string, item: Filtered): boolean {
  return filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "" && word !== "!")
    .every((word) => (word.startsWith("!") ? !fits(word.slice(1), item) : fits(word, item)));
}

function fits(word: string, { name, state, groups, text }: Filtered): boolean {
  const [, token, value] = /^(state|ns|):(.*)$/.exec(word) ?? [];
  if (token === "state" || token === "") return state.toLowerCase().startsWith(value!);
  if (token === "ns") return groups.some((group) => group.toLowerCase().startsWith(value!));
  return isSubsequence(word, name.toLowerCase()) || text.toLowerCase().includes(word);
}

export function isSubsequence(letters: string, text: string): boolean {
  let at = 0;
  for (const letter of letters) {
    at = text.indexOf(letter, at);
    if (at === -1) return false;
    at += letter.length;
  }
  return true;
}

/**
 * The same item stays in the same row of the screen when others come, go or change places; where it is gone, the one that has
 * come into its place is chosen. `before`: the items as they were.
 */
export function kept(place: ListPlace, before: readonly string[], now: readonly string[], rows: number): ListPlace {
  if (now.length === 0) return place.top === 0 ? place : { ...place, top: 0 };
  const was = place.chosen === null ? -1 : before.indexOf(place.chosen);
  const is = place.chosen === null ? -1 : now.indexOf(place.chosen);
  const index = is !== -1 ? is : Math.min(Math.max(was, 0), now.length - 1);
  const row = was === -1 ? index - place.top : was - place.top;
  const top = clampTop(index - Math.min(Math.max(row, 0), rows - 1), index, now.length, rows);
  return { ...place, chosen: now[index]!, top };
}

export function moved(place: ListPlace, items: readonly string[], by: number, rows: number): ListPlace {
  if (items.length === 0) return place;
  const from = place.chosen === null ? 0 : Math.max(0, items.indexOf(place.chosen));
  const index = Math.min(Math.max(from + by, 0), items.length - 1);
  return { ...place, chosen: items[index]!, top: clampTop(place.top, index, items.length, rows) };
}

function clampTop(top: number, index: number, count: number, rows: number): number {
  const shown = Math.max(1, rows);
  const least = Math.max(0, index - shown + 1);
  return Math.max(0, Math.min(Math.max(Math.min(top, index), least), Math.max(0, count - shown)));
}

/** Whom an action is about: all that are marked, else the one that is chosen. */
export function subjects(model: Model): readonly string[] {
  const { marks, chosen } = model.lists[model.view];
  if (marks.size > 0) return itemsOf(model).filter((name) => marks.has(name));
  return chosen === null ? [] : [chosen];
}
