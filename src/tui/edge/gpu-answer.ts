/** The answer to `GET /v1/gpus`, as far as a screen shows it, from any svcd: one that knows no GPUs refuses the question. */
import type { Answer } from "../../control/client.ts";
import type { GpuFacts, Gpus } from "../model/model.ts";

type Loose = Readonly<Record<string, unknown>>;

export function gpusIn({ status, body }: Pick<Answer, "status" | "body">): Gpus {
  if (status === 404) return "this svcd does not tell about GPUs";
  if (status !== 200) return "GPUs cannot be looked at now";
  const list = Array.isArray(body) ? body : (body as Loose | null)?.["devices"];
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
    memoryUsedBytes: numberAt(one, "memoryUsedBytes"),
    memoryTotalBytes: numberAt(one, "memoryTotalBytes"),
    usePercent: numberAt(one, "utilization"),
    watts: numberAt(one, "powerW"),
    wattsLimit: numberAt(one, "powerLimitW"),
    celsius: numberAt(one, "temperatureC"),
    leases: listAt(one, "leases").flatMap(({ by }) => (typeof by === "string" ? [by] : [])),
    holders: listAt(one, "holders").map((holder) => ({
      name: textAt(holder, "name"),
      what: textAt(holder, "name") ?? textAt(holder, "command") ?? `pid ${numberAt(holder, "pid") ?? "?"}`,
      memoryBytes: numberAt(holder, "memoryBytes"),
    })),
  };
}

function listAt(one: Loose, key: string): readonly Loose[] {
  const value = one[key];
  return Array.isArray(value) ? value.filter((item): item is Loose => typeof item === "object" && item !== null) : [];
}

function textAt(one: Loose, key: string): string | null {
  return typeof one[key] === "string" ? one[key] : null;
}

function numberAt(one: Loose, key: string): number | null {
  return typeof one[key] === "number" ? one[key] : null;
}
