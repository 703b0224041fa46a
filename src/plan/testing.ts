/**
 * What the tests of this folder share: a plan from a few lines of text, and its mistakes as short lines.
 */

import { jobFileKind } from "./cron-directory.ts";
import type { JobDefinition } from "./job.ts";
import type { Plan, Service } from "./plan.ts";
import { type Machine, type PlanFile, readPlan } from "./read.ts";

export const MACHINE: Machine = { timezone: "UTC", account: { name: "root", isRoot: true } };

/** `{ "web.yaml": "command: x" }` to a plan; what lies in `cron.d/` is jobs. */
export function planOf(
  files: Record<string, string>,
  env: Record<string, string> = {},
  settings: string | null = null,
  machine: Machine = MACHINE,
): Plan {
  return readPlan({
    files: Object.entries(files).map(([path, text]) => fileOf(path, text)),
    settings: settings === null ? null : { path: "svcd.yaml", text: settings },
    env,
    machine,
  });
}

export function fileOf(path: string, text: string): PlanFile {
  if (!path.startsWith("cron.d/")) return { path, text };
  const holds = jobFileKind(path.slice("cron.d/".length));
  if (holds === null) throw new Error(`${path} is no file of jobs`);
  return { path, text, holds };
}

/** `file:line:column what (fix)` of each mistake. */
export function mistakesOf(plan: Plan): string[] {
  return plan.mistakes.map(({ file, line, column, what, fix }) => `${file}:${line}:${column} ${what} (${fix})`);
}

/** The one service that these lines describe; it is called `web`. */
export function serviceFrom(lines: string, env: Record<string, string> = {}): Service {
  const plan = planOf({ "web.yaml": lines }, env);
  const service = plan.services.get("web") ?? plan.services.values().next().value;
  if (service === undefined) throw new Error(`no service in:\n${lines}\n${mistakesOf(plan).join("\n")}`);
  return service;
}

/** What is wrong with the lines of one service. */
export function wrongIn(lines: string, env: Record<string, string> = {}): string[] {
  return mistakesOf(planOf({ "web.yaml": lines }, env)).map((line) => line.replace(/^web\.yaml:/, ""));
}

/** The one job that these lines of YAML describe; it is called `tidy`. */
export function jobFrom(lines: string, env: Record<string, string> = {}): JobDefinition {
  const plan = planOf({ ...OTHERS, "cron.d/tidy.yaml": lines }, env);
  const job = plan.jobs.get("tidy");
  if (job === undefined) throw new Error(`no job in:\n${lines}\n${mistakesOf(plan).join("\n")}`);
  return job;
}

/** What is wrong with the lines of one job. */
export function wrongInJob(lines: string, env: Record<string, string> = {}): string[] {
  const plan = planOf({ ...OTHERS, "cron.d/tidy.yaml": lines }, env);
  return mistakesOf(plan).map((line) => line.replace(/^cron\.d\/tidy\.yaml:/, ""));
}

/** For jobs to wait for. */
const OTHERS = { "vllm.yaml": "command: x\nreplicas: 2", "set-up.yaml": "command: x\nrestart: no" };
