/**
 * What services say in `expose`: whoever opens a service to the outside through the gateway lets a key forward its port, too. svcd
 * is asked each time, so it holds from the moment that a file says so; one that does not know the question exposes nothing.
 */
import { request } from "../control/client.ts";
import { canonical, type Target } from "./permit-open.ts";

const ANSWER_WITHIN_MS = 5_000;

export async function exposedTargets(socketPath: string): Promise<readonly Target[]> {
  try {
    const { status, body } = await request(socketPath, "GET", "/v1/routes", undefined, { timeoutMs: ANSWER_WITHIN_MS });
    return status === 200 && Array.isArray(body) ? body.flatMap(targetOf) : [];
  } catch {
    return []; // svcd is away: what stands in the settings counts.
  }
}

/** Programs of this machine only: what is beyond it is nobody's who wrote `expose`. */
function targetOf(route: unknown): Target[] {
  const { exposure } = (route ?? {}) as {
    readonly exposure?: { readonly to?: { host?: unknown; port?: unknown } } | null;
  };
  const { host, port } = exposure?.to ?? {};
  if (typeof host !== "string" || typeof port !== "number" || canonical(host) !== "localhost") return [];
  return [{ host: "localhost", port }];
}
