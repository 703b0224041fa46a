/**
 * Why a service may have another process than before: each deed that ends or starts one gives it a reason, each process that
 * begins uses one up. From one rest to the next there must be no more processes than reasons; and one run never has two pids.
 */
export class Reasons {
  readonly #given = new Map<string, number>();
  readonly #begun = new Map<string, number>();
  readonly #atRest = new Map<string, { run: number; pid: number }>();
  readonly #pids = new Map<string, number>();
  readonly #breaks: (promise: string) => void;

  constructor(breaks: (promise: string) => void) {
    this.#breaks = breaks;
  }

  give(service: string): void {
    this.#given.set(service, (this.#given.get(service) ?? 0) + 1);
  }

  begins(service: string): void {
    this.#begun.set(service, (this.#begun.get(service) ?? 0) + 1);
  }

  /** What a status says. */
  hear(service: string, run: number, pid: number | null): void {
    if (pid === null) return;
    const key = `${service}#${run}`;
    const known = this.#pids.get(key);
    if (known !== undefined && known !== pid) this.#breaks(`${key} was pid ${known}, then ${pid}`);
    this.#pids.set(key, pid);
  }

  /** Everything is back: compared with the rest before, and counted anew from here on. */
  settle(all: readonly { readonly name: string; readonly run: number; readonly pid: number | null }[]): void {
    for (const { name, run, pid } of all) this.#compare(name, run, pid ?? 0);
    this.#given.clear();
    this.#begun.clear();
  }

  /** Run numbers may be skipped: one that was decided on dies with its keeper before it is a process. */
  #compare(name: string, run: number, pid: number): void {
    const last = this.#atRest.get(name);
    this.#atRest.set(name, { run, pid });
    if (last === undefined) return;
    const given = this.#given.get(name) ?? 0;
    const begun = this.#begun.get(name) ?? 0;
    if (begun > given) {
      this.#breaks(`${name} was started ${begun} times (run ${last.run} to ${run}), for ${given} reasons`);
    }
    if (given === 0 && pid !== last.pid) this.#breaks(`${name}: pid ${last.pid} became ${pid}, nobody killed it`);
  }
}
