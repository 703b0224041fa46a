/**
 * Which runs have which GPUs, and who may start. What is leased is read from the lives of services and the runs of jobs, so it
 * cannot disagree with what runs, whichever core or keeper died in between. It is kept only until one of them changes: a thousand
 * that wait are all asked about the same.
 *
 * A service that is about to run again (a crash, a restart) keeps what it had for that moment, or some job that waits would
 * take it and keep the service down for hours. It does so only while it waits for nothing else, and while nobody who runs has
 * what it would need besides: devices that lie idle for whoever cannot start help nobody.
 */
import type { GpuAsk } from "../gpu/ask.ts";
import { type Around, type Choice, choose } from "../gpu/choose.ts";
import type { Held, Lease } from "../gpu/lease.ts";
import type { Clock, Gpus } from "../ports.ts";
import { type Instant, type Life, runOf } from "../service/life.ts";
import type { Supervised } from "./loop.ts";

/** Who keeps devices without running, and since when. */
interface Claim {
  readonly by: string;
  readonly ask: GpuAsk;
  readonly limit: string | null;
  readonly lease: Lease;
  readonly endedAt: Instant;
}

export class GpuLeases {
  readonly #clock: Clock;
  readonly #gpus: Gpus | null;
  readonly #sources: (() => Iterable<Held>)[] = [];
  #claims: () => Iterable<Claim> = () => [];
  #freshSince: Instant = Number.NEGATIVE_INFINITY;
  readonly #news = { services: false, jobs: false };
  /** null: something has changed since they were read. */
  #read: { readonly running: readonly Held[]; readonly claims: readonly Claim[] } | null = null;

  constructor({ clock, gpus }: { readonly clock: Clock; readonly gpus?: Gpus }) {
    this.#clock = clock;
    this.#gpus = gpus ?? null;
  }

  /** What runs have; asked anew each time. */
  heldBy(source: () => Iterable<Held>): void {
    this.#sources.push(source);
  }

  claimedBy(claims: () => Iterable<Claim>): void {
    this.#claims = claims;
  }

  get port(): Gpus | null {
    return this.#gpus;
  }

  /** By everybody who runs. */
  held(): readonly Held[] {
    return this.#leases().running;
  }

  /** A life, a run, or what a service waits for is another than before. */
  stale(): void {
    this.#read = null;
  }

  #leases() {
    if (this.#read !== null) return this.#read;
    const running = this.#sources.flatMap((source) => [...source()]);
    const gpus = this.#gpus;
    const couldStart = ({ by, ask, limit }: Claim): boolean =>
      gpus !== null &&
      choose({ ...ask, waitForMemory: false }, { ...this.#around(by, running, gpus), limit }).kind === "granted";
    const claims = [...this.#claims()].filter(couldStart).sort((a, b) => b.endedAt - a.endedAt);
    this.#read = { running, claims };
    return this.#read;
  }

  /** A run is over that had some: what its memory is now only a new look tells. */
  released(): void {
    this.#freshSince = this.#clock.now();
    this.changed();
  }

  /** Whoever waits has to look again, the services and the jobs: at leases, claims, or the answer to a look. */
  changed(): void {
    this.stale();
    this.#news.services = true;
    this.#news.jobs = true;
  }

  /** Whether these have to look again; they have been told then. */
  takeNews(whose: "services" | "jobs"): boolean {
    const isNews = this.#news[whose];
    this.#news[whose] = false;
    return isNews;
  }

  hasNews(whose: "services" | "jobs"): boolean {
    return this.#news[whose];
  }

  /** `by`: who asks; `limit`: its own CUDA_VISIBLE_DEVICES; `before`: what it had the last time. */
  choose(by: string, ask: GpuAsk, limit: string | null, before: Pick<Life, "gpus" | "lastEnd"> | null): Choice {
    if (this.#gpus === null) return { kind: "absent", why: "svcd was started without a way to look for one" };
    const around = this.#around(by, this.held(), this.#gpus);
    const choice = choose(ask, {
      ...around,
      limit,
      held: [...around.held, ...this.#claimsAgainst(by, before)],
      preferred: before?.gpus?.devices.map(({ uuid }) => uuid) ?? [],
    });
    if (choice.kind === "blocked" && choice.needsLook) this.#gpus.look();
    return choice;
  }

  /** What the ask comes to where nobody else has anything; null: nothing, or nobody has looked yet. */
  alone(ask: GpuAsk, limit: string | null): Lease | null {
    if (this.#gpus === null) return null;
    const choice = choose({ ...ask, waitForMemory: false }, { ...this.#around("", [], this.#gpus), limit });
    return choice.kind === "granted" ? choice.lease : null;
  }

  /** Why this machine does not want whoever asks for GPUs; null: it has some, or nobody knows yet. */
  absence(): string | null {
    if (this.#gpus === null) return noGpu("svcd was started without a way to look for one");
    const view = this.#gpus.view();
    // Nobody tells when there is one after all.
    if (view.kind === "none" || view.kind === "unknown") this.#gpus.look();
    return view.kind === "none" ? noGpu(view.why) : null;
  }

  /** What is so for somebody who asks, without claims. */
  #around(by: string, running: readonly Held[], gpus: Gpus): Around {
    const held = running.filter((one) => one.by !== by);
    return {
      view: gpus.view(),
      limit: null,
      held,
      preferred: [],
      now: this.#clock.now(),
      freshSince: this.#freshSince,
    };
  }

  /** Who ran on a device last has the claim on it. One that is older yields where it must, or two could wait for each other. */
  #claimsAgainst(by: string, before: Pick<Life, "gpus" | "lastEnd"> | null): Held[] {
    const claimed = new Set<string>();
    const own = before?.lastEnd?.at ?? Number.NEGATIVE_INFINITY;
    return this.#leases().claims.flatMap(({ by: claimant, lease, endedAt }): Held[] => {
      const devices = lease.devices.filter(({ uuid }) => !claimed.has(uuid));
      for (const { uuid } of devices) claimed.add(uuid);
      if (claimant === by || devices.length === 0) return [];
      const isClaim = endedAt < own || (endedAt === own && claimant > by) ? "weak" : "firm";
      return [{ by: claimant, lease: { ...lease, devices }, isClaim }];
    });
  }
}

export function noGpu(why: string): string {
  return `no GPU on this machine: ${why}`;
}

/** What a service that runs has; null: nothing. */
export function leaseOf(name: string, { life, service, startedWith }: Supervised): Held | null {
  if (runOf(life.state) === null) return null;
  if (life.gpus !== undefined) return { by: name, lease: life.gpus };
  return (startedWith ?? service).gpus === undefined ? null : { by: name, lease: null };
}

/** What a service keeps that is about to run again; null: nothing. `isReady`: it waits for nothing else. */
export function claimOf(
  name: string,
  { life, service }: Supervised,
  isReady: () => boolean,
  limitOf: () => string | null,
): Claim | null {
  const { state, gpus, lastEnd, wanted } = life;
  if (gpus === undefined || lastEnd === null || wanted === "down" || service.gpus === undefined) return null;
  const isAboutToRun = state.at === "backoff" || (state.at === "waiting" && isReady());
  return isAboutToRun ? { by: name, ask: service.gpus, limit: limitOf(), lease: gpus, endedAt: lastEnd.at } : null;
}
