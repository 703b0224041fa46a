/** The answer to `GET /v1/gpus`, as far as a screen shows it, from any svcd: one that knows no GPUs refuses the question. */
import type { Answer } from "../../control/client.ts";
import type { GpuFacts, Gpus } from "../model/model.ts";

type Loose = Readonly<Record<string, unknown>>;

export function gpusIn({ status, body }: Pick<Answer, "status" | "body">): Gpus {
  if (status === 404) return "this svcd does not tell about GPUs";
  if (status !== 200) return "GPUs cannot be looked at now";
  const list = Array.isArray(body) ? body : ((body as Loose | null)?.["gpus"] ?? (body as Loose | null)?.["devices"]);
  if (!Array.isArray(list)) return "GPUs cannot be looked at now";
  if (list.length === 0) {
    const why = (body as Loose)["why"];
    return typeof why === "string" && why !== "" ? why : "no GPUs on this machine";
  }
  return list.map((one) => factsIn(one as Loose));
}

function factsIn(one: Loose): GpuFacts {
  return {
    name: typeof one["name"] === "string" ? one["name"] : "GPU",
    memoryUsedBytes: numberAt(one, "memoryUsedBytes", "usedBytes", "memory.usedBytes"),
    memoryTotalBytes: numberAt(one, "memoryTotalBytes", "totalBytes", "memory.totalBytes", "memoryBytes"),
    usePercent: numberAt(one, "usePercent", "utilizationPercent", "busyPercent", "use"),
    watts: numberAt(one, "watts", "powerWatts", "power.watts"),
    wattsLimit: numberAt(one, "wattsLimit", "powerLimitWatts", "power.limitWatts"),
    celsius: numberAt(one, "celsius", "temperatureCelsius", "temperature"),
    holders: holdersIn(one),
  };
}

function holdersIn(one: Loose): readonly string[] {
  const found = one["holders"] ?? one["heldBy"] ?? one["leases"] ?? one["services"];
  if (typeof found === "string") return [found];
  if (!Array.isArray(found)) return [];
  return found.flatMap((holder) => {
    if (typeof holder === "string") return [holder];
    const name = (holder as Loose | null)?.["service"] ?? (holder as Loose | null)?.["name"];
    return typeof name === "string" ? [name] : [];
  });
}

function numberAt(one: Loose, ...paths: readonly string[]): number | null {
  for (const path of paths) {
    const value = path.split(".").reduce<unknown>((at, key) => (at as Loose | undefined)?.[key], one);
    if (typeof value === "number") return value;
  }
  return null;
}
