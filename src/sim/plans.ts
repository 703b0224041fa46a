/**
 * Random services and plans: chains of needs, jobs, checks, budgets of every kind.
 */
import type { GpuAsk } from "../gpu/ask.ts";
import type { Plan, Service } from "../plan/plan.ts";
import type { Policy } from "../service/policy.ts";
import { policyOf } from "../service/simulate.ts";
import type { Random } from "./random.ts";
import { plan, service } from "./services.ts";

export function randomPlan(random: Random): Plan {
  const services = new Map<string, Service>();
  const count = 1 + random.below(7);
  for (let index = 0; index < count; index++) {
    const name = `s${index}`;
    services.set(name, randomService(random, name, [...services.keys()]));
  }
  return plan(...services.values());
}

/** It may need those of `others` that come before it, so nothing needs itself in the end. */
export function randomService(random: Random, name: string, others: readonly string[]): Service {
  const isJob = random.happens(0.2);
  const needed = others
    .filter((other) => Number(other.slice(1)) < Number(name.slice(1)) && random.happens(0.35))
    .map((other) => [other, random.pick(["started", "ready", "started", "ready", "completed"] as const)] as const);
  const number = random.below(1_000);
  const gpus = gpusOf(number);
  return service(name, {
    command: { kind: "text", text: `run ${name} ${number}` },
    ...(gpus === null ? {} : { gpus }),
    enabled: random.happens(0.95),
    autostart: random.happens(0.9),
    essential: random.happens(0.01),
    policy: randomPolicy(random, isJob),
    dependsOn: isJob ? {} : Object.fromEntries(needed),
    reloadSignal: random.happens(0.2) ? "SIGHUP" : null,
  });
}

/** Three in ten ask for some. Not by a further piece of chance: the same seeds tell the same histories as without. */
function gpusOf(number: number): GpuAsk | null {
  const usual = { memoryBytes: null, share: false, waitForMemory: true };
  switch (number % 10) {
    case 0:
      return { which: { kind: "all" }, ...usual };
    case 1:
      return { which: { kind: "count", count: 1 }, ...usual };
    case 2:
      // It has only the leases to keep it from a device that is in use.
      return { which: { kind: "count", count: 1 }, ...usual, waitForMemory: false };
    default:
      return null;
  }
}

function randomPolicy(random: Random, isJob: boolean): Policy {
  const health = {
    intervalMs: 2_000,
    timeoutMs: 1_000,
    retries: 1 + random.below(3),
    startPeriodMs: random.pick([0, 5_000, 60_000]),
    onUnhealthy: random.pick(["restart", "nothing"] as const),
  };
  return policyOf({
    restart: isJob ? random.pick(["on-failure", "no"] as const) : "always",
    startsecsMs: random.pick([0, 1_000, 5_000]),
    stopSignal: random.pick(["SIGTERM", "SIGINT"] as const),
    stopGraceMs: random.pick([500, 5_000, 20_000]),
    backoff: { firstMs: 200, factor: 2, longestMs: 60_000, jitter: 0.1, steadyMs: random.pick([1_000, 60_000]) },
    giveUp: random.pick([
      { kind: "never" },
      { kind: "window", failures: 10, withinMs: 600_000 },
      { kind: "window", failures: 2, withinMs: 60_000 },
      { kind: "startretries", retries: 3 },
    ] as const),
    ...(!isJob &&
      random.happens(0.5) && { health, ...(random.happens(0.5) && { stallMs: random.pick([300, 30_000]) }) }),
  });
}
