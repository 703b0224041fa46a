/**
 * The directory of services: what people wrote, good and broken. What a reader makes of it is a plan.
 */
import type { Plan, Service } from "../plan/plan.ts";
import { plan } from "./services.ts";

export class Files {
  /** What stands in the files, whether it can be read now or not. */
  readonly #services = new Map<string, Service>();
  readonly #broken = new Set<string>();
  #plan: Plan | null = null;

  constructor(first: Plan) {
    for (const [name, service] of first.services) this.#services.set(name, service);
    for (const file of first.brokenFiles) this.#broken.add(file.replace(/\.yaml$/, ""));
    this.#plan = first;
  }

  write(services: readonly Service[]): void {
    for (const service of services) {
      this.#services.set(service.name, service);
      this.#broken.delete(service.name);
    }
    this.#plan = null;
  }

  delete(names: readonly string[]): void {
    for (const name of names) {
      this.#services.delete(name);
      this.#broken.delete(name);
    }
    this.#plan = null;
  }

  /** Half written, or with a mistake in it. */
  break(names: readonly string[]): void {
    for (const name of names) this.#broken.add(name);
    this.#plan = null;
  }

  mend(): void {
    this.#broken.clear();
    this.#plan = null;
  }

  get names(): readonly string[] {
    return [...this.#services.keys()];
  }

  service(name: string): Service | undefined {
    return this.#services.get(name);
  }

  get plan(): Plan {
    this.#plan ??= this.#read();
    return this.#plan;
  }

  /** A service that needs one that stands nowhere is a mistake in its file, too. */
  #read(): Plan {
    const broken = new Set(this.#broken);
    const lacks = (service: Service): boolean =>
      service.dependsOn.some(({ name }) => !this.#services.has(name) && !broken.has(name));
    for (const service of this.#services.values()) if (lacks(service)) broken.add(service.name);
    const good = [...this.#services.values()].filter(({ name }) => !broken.has(name));
    if (broken.size === 0) return plan(...good);
    const mistakes = [...broken].map((name) => ({
      file: `${name}.yaml`,
      line: 1,
      column: 1,
      what: "it is half written",
      fix: "write the rest",
      text: "comm",
    }));
    return { ...plan(...good), mistakes, brokenFiles: new Set(mistakes.map(({ file }) => file)), brokenNames: broken };
  }
}
