/** Kept-alive connections to the programs behind, and how much each has to do. */
import type { Pool } from "undici";
import ConnectionPool from "undici/lib/dispatcher/pool.js";
import type { Target } from "./routes.ts";

export interface Upstream {
  /** As it was last asked for: files may have given its port to another service. */
  target: Target;
  readonly pool: Pool;
  /** Requests that it has not answered to the end. */
  outstanding: number;
}

/** More at once wait in the pool; their clients hold a connection each, and those are limited. */
const MOST_CONNECTIONS = 512;
/** On this machine it takes no time; a host that is gone must not hold a request for longer. */
const CONNECT_MS = 5_000;
/** Shorter than uvicorn's 5 s: a connection that the other side is about to close is not used any more. */
const KEEP_ALIVE_MS = 4_000;
/** Models think for minutes. What takes longer than this is not thinking. */
const SILENCE_MS = 3_600_000;

export class Upstreams {
  readonly #known = new Map<string, Upstream>();

  of(target: Target): Upstream {
    const host = target.host.includes(":") ? `[${target.host}]` : target.host;
    const origin = `http://${host}:${target.port}`;
    let upstream = this.#known.get(origin);
    if (upstream === undefined) {
      const pool = new ConnectionPool(origin, {
        connections: MOST_CONNECTIONS,
        pipelining: 1,
        allowH2: false,
        connect: { timeout: CONNECT_MS },
        keepAliveTimeout: KEEP_ALIVE_MS,
        keepAliveMaxTimeout: 60_000,
        headersTimeout: SILENCE_MS,
        bodyTimeout: SILENCE_MS,
        maxHeaderSize: 65_536,
      });
      upstream = { target, pool, outstanding: 0 };
      this.#known.set(origin, upstream);
    }
    upstream.target = target;
    return upstream;
  }

  /** The one with the least to do; of equals the first. */
  leastBusy(targets: readonly Target[]): Upstream {
    let best = this.of(targets[0]!);
    for (const target of targets) {
      const one = this.of(target);
      if (one.outstanding < best.outstanding) best = one;
    }
    return best;
  }

  /** Requests under way are finished. */
  forgetAllBut(targets: readonly Target[]): void {
    const kept = new Set(targets.map((target) => this.of(target)));
    for (const [origin, upstream] of this.#known) {
      if (kept.has(upstream)) continue;
      this.#known.delete(origin);
      upstream.pool.close().catch(() => {});
    }
  }

  async close(): Promise<void> {
    const all = [...this.#known.values()];
    this.#known.clear();
    await Promise.all(all.map(({ pool }) => pool.destroy().catch(() => {})));
  }
}
