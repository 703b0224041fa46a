/**
 * What services and jobs say about services: a `depends_on` must name a service that exists, that can do what is waited for, and
 * that does not wait for the one who waits.
 *
 * A wrong reference spoils the services that it involves and no others. A name that is described but spoilt by another
 * mistake does exist: whoever depends on it stays in the plan and waits.
 */
import { type Flaw, listed } from "./flaw.ts";
import type { Dependency } from "./plan.ts";
import type { Described } from "./service-of.ts";
import { suggestion } from "./suggest.ts";

/** A service or job with its place in a file, as far as it matters here. */
interface Waiting {
  readonly name: string;
  readonly file: string;
  readonly described: { readonly dependencies: Described["dependencies"] };
}

export interface Draft extends Waiting {
  readonly described: Described;
}

type Needed = Described["dependencies"][number];

export interface WrongReference<D extends Waiting> {
  readonly draft: D;
  readonly dependency: Needed;
  /** null: this service takes part in a cycle that is told elsewhere in its file. */
  readonly flaw: Flaw | null;
}

/** `known`: all names that any file describes, also those whose service is spoilt; `jobs`: which of them are jobs. */
export function wrongReferences<D extends Draft>(
  drafts: ReadonlyMap<string, D>,
  known: ReadonlySet<string>,
  jobs: ReadonlySet<string>,
): WrongReference<D>[] {
  const wrong = [...drafts.values()].flatMap((draft) => wrongReference(draft, drafts, known, jobs));
  return [...wrong, ...cycles(drafts)];
}

/** Of one that waits for services: each of them that it cannot wait for. */
export function wrongReference<W extends Waiting>(
  draft: W,
  services: ReadonlyMap<string, Draft>,
  known: ReadonlySet<string>,
  jobs: ReadonlySet<string>,
): WrongReference<W>[] {
  return draft.described.dependencies.flatMap((dependency) => {
    const flaw = flawOf(draft, dependency, services, known, jobs);
    return flaw === null ? [] : [{ draft, dependency, flaw }];
  });
}

/** The same dependencies by the names of instances: `web` with two replicas is `web@1` and `web@2`. */
export function instanceDependencies(
  dependencies: readonly Dependency[],
  drafts: ReadonlyMap<string, Draft>,
): Dependency[] {
  return dependencies.flatMap(({ name, condition, onFailure }) => {
    const instances = drafts.get(name)?.described.instances ?? [{ name }];
    const how = onFailure === undefined ? { condition } : { condition, onFailure };
    return instances.map((instance) => ({ name: instance.name, ...how }));
  });
}

/** `web` of `web@2`. */
export function baseName(name: string): string {
  const at = name.indexOf("@");
  return at < 0 ? name : name.slice(0, at);
}

function flawOf(
  draft: Waiting,
  { name, condition }: Needed,
  drafts: ReadonlyMap<string, Draft>,
  known: ReadonlySet<string>,
  jobs: ReadonlySet<string>,
): Flaw | null {
  const base = baseName(name);
  if (base === draft.name) return { what: `\`${draft.name}\` depends on itself`, fix: "remove it from `depends_on`" };
  if (jobs.has(base)) {
    return { what: `\`${name}\` is a job, and only services can be waited for`, fix: "remove it from `depends_on`" };
  }
  if (!known.has(base)) {
    const names = [...known].filter((one) => one !== draft.name && !jobs.has(one));
    const few =
      names.length === 0
        ? "there is no other service"
        : names.length <= 12
          ? `the services are ${listed(names.sort())}`
          : "`svctl status` lists the services there are";
    return { what: `there is no service \`${name}\``, fix: suggestion(name, names, few) };
  }
  const target = drafts.get(base)?.described.instances;
  if (target === undefined) return null;
  if (name !== base && !target.some((instance) => instance.name === name)) {
    const count =
      target.length === 1 ? "one instance, without a number" : `the instances ${base}@1 to ${base}@${target.length}`;
    return {
      what: `there is no instance \`${name}\`: \`${base}\` has ${count}`,
      fix: `write \`${base}\` for all of it`,
    };
  }
  if (condition === "completed" && target[0]!.policy.restart === "always") {
    return {
      what: `\`${base}\` never completes: it has \`restart: always\``,
      fix: `give \`${base}\` \`restart: no\` or \`on-failure\`, or wait for \`ready\``,
    };
  }
  return null;
}

/** Each service of each cycle. A cycle is told once in every file that takes part, from that file's point of view. */
function cycles<D extends Draft>(drafts: ReadonlyMap<string, D>): WrongReference<D>[] {
  const arrows = new Map<string, Map<string, Needed>>();
  for (const draft of drafts.values()) {
    const to = new Map<string, Needed>();
    for (const dependency of draft.described.dependencies) {
      const base = baseName(dependency.name);
      if (base !== draft.name && drafts.has(base)) to.set(base, dependency);
    }
    arrows.set(draft.name, to);
  }
  dropDeadEnds(arrows);
  const wrong: WrongReference<D>[] = [];
  const told = new Set<string>();
  for (const name of arrows.keys()) {
    const path = wayBack(name, arrows);
    if (path === null) continue;
    const draft = drafts.get(name)!;
    const dependency = arrows.get(name)!.get(path[1]!)!;
    const telling = `${draft.file}\0${[...new Set(path)].sort().join()}`;
    if (told.has(telling)) {
      wrong.push({ draft, dependency, flaw: null });
      continue;
    }
    told.add(telling);
    const shown = path.length > 12 ? [...path.slice(0, 10), `… (${path.length - 11} more)`, name] : path;
    wrong.push({
      draft,
      dependency,
      flaw: { what: `these wait for each other: ${shown.join(" → ")}`, fix: "remove one of these dependencies" },
    });
  }
  return wrong;
}

/** Whoever waits for nobody is in no cycle, and then neither is who waited only for those. */
function dropDeadEnds(arrows: Map<string, Map<string, Needed>>): void {
  const waiting = new Map<string, string[]>();
  for (const [from, to] of arrows)
    for (const name of to.keys()) waiting.set(name, [...(waiting.get(name) ?? []), from]);
  const ends = [...arrows].filter(([, to]) => to.size === 0).map(([name]) => name);
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
    arrows.delete(end);
    for (const from of waiting.get(end) ?? []) {
      const to = arrows.get(from);
      if (to === undefined) continue;
      to.delete(end);
      if (to.size === 0) ends.push(from);
    }
  }
}

/** The shortest way from a name back to itself, both ends included; null when there is none. */
function wayBack(name: string, arrows: ReadonlyMap<string, ReadonlyMap<string, Needed>>): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [name];
  for (const here of queue) {
    for (const next of arrows.get(here)?.keys() ?? []) {
      if (next === name) {
        const path = [name];
        for (let step = here; step !== name; step = cameFrom.get(step)!) path.unshift(step);
        return [name, ...path];
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, here);
      queue.push(next);
    }
  }
  return null;
}
