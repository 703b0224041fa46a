/**
 * Behind a route: which of its services can be tried now, whether it makes sense to wait for one, and the start of those that are
 * wanted on demand.
 */
import type { ServiceStatus } from "../control/daemon.ts";
import type { Log } from "./access-log.ts";
import { type Facts, readiness } from "./readiness.ts";
import type { Route, Target } from "./routes.ts";
import type { Upstream, Upstreams } from "./upstreams.ts";
import type { Look } from "./waiting-room.ts";

export interface Around {
  readonly statusOf: (service: string) => ServiceStatus | undefined;
  readonly startService: (service: string) => Promise<unknown>;
  readonly upstreams: Upstreams;
  readonly log: Log;
}

export type Ready = { readonly is: "ready"; readonly upstream: Upstream } | NotReady;

interface NotReady {
  readonly is: "not";
  readonly facts: Facts;
  readonly willBe: boolean;
}

export class Targets {
  readonly #around: Around;
  readonly #demanded = new Set<string>();

  constructor(around: Around) {
    this.#around = around;
  }

  /** For the waiting room. */
  lookAt(route: Route): Look {
    const seen = this.ready(route);
    if (seen.is === "ready") return "go";
    if (route.start !== "on-demand") return seen.willBe ? "wait" : "give up";
    this.demand(route);
    return seen.willBe || this.#canBeStarted(route) ? "wait" : "give up";
  }

  /** One that has given up, or is disabled, is nobody to wait for. */
  #canBeStarted({ targets }: Route): boolean {
    return targets.some(({ service }) => {
      const status = service === null ? undefined : this.#around.statusOf(service);
      return status?.enabled === true && ["STOPPED", "EXITED", "STOPPING"].includes(status.state);
    });
  }

  ready(route: Route): Ready {
    const good: Target[] = [];
    let not: NotReady | null = null;
    for (const target of route.targets) {
      const seen = target.service === null ? { is: "try" as const } : readiness(this.#around.statusOf(target.service));
      if (seen.is === "try") good.push(target);
      else if (not === null || (seen.willBe && !not.willBe))
        not = { is: "not", facts: seen.facts, willBe: seen.willBe };
    }
    return good.length > 0 || not === null ? { is: "ready", upstream: this.#around.upstreams.leastBusy(good) } : not;
  }

  /** Those that can be tried now. */
  good({ targets }: Route): readonly Target[] {
    return targets.filter(({ service }) => service === null || readiness(this.#around.statusOf(service)).is === "try");
  }

  /** Whoever asks for a service on demand starts it. */
  demand(route: Route): void {
    for (const { service } of route.targets) {
      const status = service === null ? undefined : this.#around.statusOf(service);
      if (status === undefined || !["STOPPED", "EXITED"].includes(status.state) || !status.enabled) continue;
      if (this.#demanded.has(status.name)) continue;
      this.#demanded.add(status.name);
      this.#around.log.info(`${status.name} is started: somebody asks for it`);
      this.#around
        .startService(status.name)
        .catch((error: Error) => this.#around.log.warn(`${status.name} cannot be started: ${error.message}`))
        .finally(() => setTimeout(() => this.#demanded.delete(status.name), 1_000));
    }
  }
}

export function addressOf({ host, port }: Target): string {
  return `${host}:${port}`;
}
