/**
 * What svcd says about services, kept up by its events: the state of each, and what they expose. While svcd cannot be asked
 * (its core is being started anew), what it said last counts.
 */
import { type Control, control, type HeardEvent, type Listening } from "../control/client.ts";
import type { ExposedRoute, ServiceStatus } from "../control/daemon.ts";

export interface ServicesOptions {
  readonly socketPath: string;
  /** What services expose was read, perhaps anew. */
  readonly onRoutes: (routes: readonly ExposedRoute[]) => Promise<void>;
  /** The state of some service is another one. */
  readonly onState: () => void;
  readonly say: (text: string) => void;
}

/** Several files are written at once; one look is enough. */
const LOOK_AFTER_MS = 100;
const AGAIN_MS = 1_000;
/** Without svcd the portal's list alone is served. */
const FIRST_ANSWER_MS = 5_000;

export class Services {
  readonly #options: ServicesOptions;
  readonly #control: Control;
  readonly #statuses = new Map<string, ServiceStatus>();
  #listening: Listening | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isReading = false;
  #toldWhy = "";
  #onKnown: () => void = () => {};

  constructor(options: ServicesOptions) {
    this.#options = options;
    this.#control = control(options.socketPath, { patienceMs: 2_000, timeoutMs: 10_000 });
  }

  /** Resolves once services were read for the first time, or nobody answered in time. */
  start(): Promise<void> {
    const known = new Promise<void>((resolve) => {
      this.#onKnown = resolve;
      setTimeout(resolve, FIRST_ANSWER_MS).unref();
    });
    this.#listening = this.#control.events(
      {
        since: null,
        onConnection: (isThere) => isThere && this.#soon(0),
        onEnd: ({ message }) => this.#cannot(message),
      },
      (heard) => this.#hear(heard),
    );
    return known;
  }

  stop(): void {
    this.#listening?.stop();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  statusOf(service: string): ServiceStatus | undefined {
    return this.#statuses.get(service);
  }

  startService(name: string): Promise<unknown> {
    return this.#control.act("start", [name]);
  }

  #hear({ event }: HeardEvent): void {
    switch (event.type) {
      case "state": {
        const known = this.#statuses.get(event.service.name);
        this.#statuses.set(event.service.name, event.service);
        this.#options.onState();
        const { state, enabled } = event.service;
        // Its env files are read anew at a start, and its ports may hold variables; what is not wanted here has no ports.
        const opensOrShuts = state === "STARTING" || state === "SKIPPED" || event.before === "SKIPPED";
        if ((event.before !== state && opensOrShuts) || known?.enabled !== enabled) this.#soon(LOOK_AFTER_MS);
        return;
      }
      case "removed":
      case "plan":
      case "reset":
        return this.#soon(LOOK_AFTER_MS);
      default:
        return;
    }
  }

  #soon(afterMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.#read();
    }, afterMs);
  }

  async #read(): Promise<void> {
    if (this.#isReading) return this.#soon(LOOK_AFTER_MS);
    this.#isReading = true;
    try {
      const [services, routes] = await Promise.all([this.#control.services(), this.#control.routes()]);
      this.#statuses.clear();
      for (const status of services) this.#statuses.set(status.name, status);
      this.#toldWhy = "";
      await this.#options.onRoutes(routes);
      this.#options.onState();
      this.#onKnown();
    } catch (error) {
      this.#cannot((error as Error).message);
      this.#soon(AGAIN_MS);
    } finally {
      this.#isReading = false;
    }
  }

  #cannot(why: string): void {
    if (why === this.#toldWhy) return;
    this.#toldWhy = why;
    this.#options.say(`svcd cannot be asked (${why}): what it said last counts`);
  }
}
