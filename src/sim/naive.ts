/**
 * Who is wanted, told by somebody who knows nothing of cores, journals, runs and orders: files say it, people say it, the
 * last word counts. Where a core died over a request, either may be so.
 */
import { diffServices, isKept } from "../plan/diff.ts";
import type { Plan, Service } from "../plan/plan.ts";
import type { By } from "./edits.ts";

type Wanted = "up" | "down" | "either";

interface One {
  service: Service;
  wanted: Wanted;
}

export class Naive {
  readonly #all = new Map<string, One>();
  /** What people asked, which outlives the service. */
  readonly #stopped = new Map<string, boolean>();
  readonly #enabled = new Map<string, boolean>();
  readonly #aside = new Set<string>();
  /** A core died over it: the disk may have taken it or not. */
  readonly #perhapsEnabled = new Set<string>();
  readonly #perhapsStopped = new Set<string>();

  wanted(name: string): Wanted | null {
    return this.#all.get(name)?.wanted ?? null;
  }

  get names(): readonly string[] {
    return [...this.#all.keys()];
  }

  /**
   * Files were taken up; not `isDone`: the next core does the rest of it, from the files as they are then. `held` go on although
   * no file describes them now.
   */
  taken(plan: Plan, names: readonly string[] | null, by: By, isDone: boolean, held: ReadonlySet<string>): void {
    const concerned = (name: string): boolean => names?.includes(name) ?? (by !== "files" || !this.#aside.has(name));
    for (const [name, one] of this.#all) {
      if (plan.services.has(name) || isKept(one.service, plan) || held.has(name) || !concerned(name)) continue;
      if (isDone) this.#all.delete(name);
      else one.wanted = "either";
    }
    for (const [name, service] of plan.services) {
      if (!concerned(name)) continue;
      this.#aside.delete(name);
      this.#take(name, service);
      if (!isDone) this.#all.get(name)!.wanted = "either";
    }
  }

  #take(name: string, service: Service): void {
    const one = this.#all.get(name);
    if (one === undefined) {
      this.#all.set(name, { service, wanted: this.#byItself(service) });
      return;
    }
    const before = one.service;
    one.service = service;
    if (diffServices(before, service) === null) return;
    const enabled = this.#isEnabled(service);
    if (enabled === "either") one.wanted = "either";
    else if (!enabled) one.wanted = "down";
    else if (!before.enabled && this.#byItself(service) !== "down") one.wanted = this.#byItself(service);
  }

  asked(
    what: "start" | "stop" | "restart" | "reload" | "enable" | "disable",
    names: readonly string[],
    isDone: boolean,
  ): void {
    const concerned = what === "start" ? this.#withDependencies(names) : names;
    const isAboutEnabled = what === "enable" || what === "disable";
    for (const name of concerned) {
      const one = this.#all.get(name);
      if (one === undefined) continue; // Nobody can ask for what is not there.
      if (what === "reload") {
        // Whether it still runs decides: that would be a restart.
        if (one.wanted === "down") one.wanted = "either";
        this.#perhapsStopped.add(name);
        continue;
      }
      if (isDone) {
        if (isAboutEnabled) this.#perhapsEnabled.delete(name);
        this.#perhapsStopped.delete(name);
      } else {
        if (isAboutEnabled) this.#perhapsEnabled.add(name);
        this.#perhapsStopped.add(name);
      }
      if (isAboutEnabled) this.#enabled.set(name, what === "enable");
      const enabled = this.#isEnabled(one.service);
      if (what === "stop" || what === "disable") one.wanted = "down";
      else if (what === "enable") one.wanted = one.service.autostart ? "up" : one.wanted;
      else if (enabled === "either") one.wanted = "either";
      else if (enabled) one.wanted = "up";
      this.#stopped.set(name, what === "stop");
      if (!isDone) one.wanted = "either";
    }
  }

  removed(names: readonly string[], isDone: boolean): void {
    for (const name of names) {
      const one = this.#all.get(name);
      if (one === undefined) continue;
      this.#stopped.set(name, false);
      this.#perhapsStopped.add(name); // Nobody is told whether that was kept.
      if (!isDone) one.wanted = "either";
      else {
        this.#all.delete(name);
        this.#aside.add(name);
      }
    }
  }

  #byItself(service: Service): Wanted {
    const enabled = this.#isEnabled(service);
    if (enabled === false || !service.autostart) return "down";
    if (enabled === "either" || this.#perhapsStopped.has(service.name)) return "either";
    return this.#stopped.get(service.name) === true ? "down" : "up";
  }

  #isEnabled({ name, enabled }: Service): boolean | "either" {
    return this.#perhapsEnabled.has(name) ? "either" : (this.#enabled.get(name) ?? enabled);
  }

  #withDependencies(names: readonly string[]): string[] {
    const found = new Set<string>();
    const visit = (name: string): void => {
      if (found.has(name)) return;
      found.add(name);
      for (const dependency of this.#all.get(name)?.service.dependsOn ?? []) visit(dependency.name);
    };
    for (const name of names) visit(name);
    return [...found];
  }
}
