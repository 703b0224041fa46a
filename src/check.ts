/**
 * `svcd --check`: reads every file as svcd would, prints every mistake, starts nothing. A program of its own, so that the
 * keeper does not carry the reader in its memory.
 */
import { ConfigDirectory } from "./os/config-directory.ts";
import { PlanSource, thisMachine } from "./os/plan-source.ts";
import type { Places } from "./places.ts";

export { lintJobFile } from "./plan/job-lint.ts"; // For svctl lint, which has no other use for all that reads YAML.

import { formatMistake } from "./plan/mistake.ts";

/** Exit status 0: no mistakes; 1: some. */
export function check({ services, cron, settings }: Places): void {
  const say = (line: string): void => void process.stderr.write(`svcd: ${line}\n`);
  const directory = new ConfigDirectory({ services, cron, settings, onChange: () => {}, say });
  const source = new PlanSource({ services, cron, settings, env: process.env, machine: thisMachine() });
  const plan = source.planOf(directory.read());
  for (const mistake of plan.mistakes) process.stdout.write(`${formatMistake(mistake)}\n\n`);
  const good = [
    `${services}: ${counted(plan.services.size, "service")}`,
    ...(plan.jobs.size > 0 ? [`${cron}: ${counted(plan.jobs.size, "job")}`] : []),
  ].join("; ");
  if (plan.mistakes.length === 0) {
    process.stdout.write(`${good}, no mistakes\n`);
    return;
  }
  process.stdout.write(`${good} without mistakes, ${counted(plan.mistakes.length, "mistake")}\n`);
  process.exitCode = 1;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
