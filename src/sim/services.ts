/**
 * Services, jobs and plans for the simulated world, without a file.
 */
import type { JobDefinition } from "../plan/job.ts";
import type { Dependency, Plan, Service } from "../plan/plan.ts";
import { parseExpression } from "../schedule/expression.ts";
import type { JobPolicy } from "../schedule/job.ts";
import { jobPolicyOf } from "../schedule/simulate-job.ts";
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

export type JobChanges = Partial<Omit<JobDefinition, "policy" | "service" | "schedules">> & {
  /** One or several expressions as YAML may hold them. */
  schedule?: string | readonly string[];
  policy?: Partial<JobPolicy>;
  service?: Changes;
};

/** A job of YAML with nothing special about it but its changes: every minute, in UTC. */
export function job(name: string, { schedule, policy, service: of, ...changes }: JobChanges = {}): JobDefinition {
  const expressions = typeof schedule === "string" ? [schedule] : (schedule ?? ["* * * * *"]);
  return {
    name,
    source: { file: `${name}.yaml`, line: 1, column: 1 },
    description: "",
    service: service(name, of),
    schedules: expressions.map((expression) => {
      const reading = parseExpression(expression, null);
      if (!reading.ok) throw new Error(`${expression}: ${reading.flaw.what}`);
      return { expression, schedule: reading.schedule };
    }),
    timezone: "UTC",
    policy: jobPolicyOf(policy),
    onMissed: "once",
    missedWindowMs: 86_400_000,
    splayMs: 0,
    lock: null,
    concurrency: null,
    whenBlocked: "wait",
    keep: { successes: 50, failures: 50, forMs: null },
    notify: [],
    output: { headBytes: 65_536, tailBytes: 1_048_576 },
    cleanEnvironment: false,
    crontab: null,
    ...changes,
  };
}

/** Services and jobs, told apart by what they have. */
export function plan(...entries: (Service | JobDefinition)[]): Plan {
  const daemon = { autoApply: true, group: null, environment: {} };
  const services = entries.filter((one): one is Service => !isJob(one)).map((one) => [one.name, one] as const);
  const jobs = entries.filter(isJob).map((one) => [one.name, one] as const);
  const nothingWrong = { mistakes: [], brokenFiles: new Set<string>(), brokenNames: new Set<string>() };
  return { services: new Map(services), jobs: new Map(jobs), ...nothingWrong, daemon };
}

function isJob(one: Service | JobDefinition): one is JobDefinition {
  return "schedules" in one;
}
