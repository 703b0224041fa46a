/**
 * What the tests of this folder share: a plan from a few lines of text, and its mistakes as short lines.
 */
import type { Plan, Service } from "./plan.ts";
import { readPlan } from "./read.ts";

/** `{ "web.yaml": "command: x" }` to a plan. */
export function planOf(
  files: Record<string, string>,
  env: Record<string, string> = {},
  settings: string | null = null,
): Plan {
  return readPlan({
    files: Object.entries(files).map(([path, text]) => ({ path, text })),
    settings: settings === null ? null : { path: "svcd.yaml", text: settings },
    env,
  });
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
