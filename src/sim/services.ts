/**
 * Services and plans for the simulated world, without a file.
 */
import type { Dependency, Plan, Service } from "../plan/plan.ts";
import type { Policy } from "../service/policy.ts";
import { policyOf } from "../service/simulate.ts";

export type Changes = Partial<Omit<Service, "policy" | "dependsOn">> & {
  policy?: Partial<Policy>;
  dependsOn?: Record<string, Dependency["condition"]>;
};

/** A service with nothing special about it but its changes. */
export function service(name: string, { policy, dependsOn, ...changes }: Changes = {}): Service {
  return {
    name,
    replica: null,
    groups: [name],
    source: { file: `${name}.yaml`, line: 1, column: 1 },
    description: "",
    command: { kind: "text", text: "run" },
    workingDir: null,
    user: null,
    group: null,
    umask: null,
    environment: {},
    envFiles: [],
    venv: null,
    when: null,
    enabled: true,
    autostart: true,
    essential: false,
    policy: policyOf(policy),
    check: null,
    dependsOn: Object.entries(dependsOn ?? {}).map(([other, condition]) => ({ name: other, condition })),
    reloadSignal: null,
    limits: { rlimits: {}, nice: null, oomScoreAdj: null },
    logs: null,
    on: {},
    ...changes,
  };
}

export function plan(...services: Service[]): Plan {
  const daemon = { autoApply: true, group: null, environment: {} };
  const byName = new Map(services.map((one) => [one.name, one]));
  return { services: byName, mistakes: [], brokenFiles: new Set(), brokenNames: new Set(), daemon };
}
