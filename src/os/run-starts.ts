/**
 * Where in its log each of the last runs of a service begins, so that one can look at the previous run alone. Noted just before
 * a run is spawned; a core that takes over begins anew.
 */
export interface RunStart {
  readonly run: number;
  /** ISO 8601 */
  readonly at: string;
  /** Of its first byte in the log of stdout, as `X-Log-Position` counts. */
  readonly position: number;
}

/** Of a service: whoever looks further back reads the log. */
const KEPT = 10;

export class RunStarts {
  readonly #byService = new Map<string, RunStart[]>();

  note(service: string, start: RunStart): void {
    const before = this.#byService.get(service) ?? [];
    this.#byService.set(service, [start, ...before].slice(0, KEPT));
  }

  /** Newest first. */
  of(service: string): readonly RunStart[] {
    return this.#byService.get(service) ?? [];
  }

  forget(service: string): void {
    this.#byService.delete(service);
  }
}
