/**
 * `svcd --check`: reads every file as svcd would, prints every mistake, starts nothing. A program of its own, so that the
 * keeper does not carry the reader in its memory.
 */
import { ConfigDirectory } from "./os/config-directory.ts";
import { PlanSource } from "./os/plan-source.ts";
import type { Places } from "./places.ts";
import { formatMistake } from "./plan/mistake.ts";

/** Exit status 0: no mistakes; 1: some. */
export function check({ services, settings }: Places): void {
  const say = (line: string): void => void process.stderr.write(`svcd: ${line}\n`);
  const directory = new ConfigDirectory({ services, settings, onChange: () => {}, say });
  const plan = new PlanSource(process.env, settings).planOf(directory.read());
  for (const mistake of plan.mistakes) process.stdout.write(`${formatMistake(mistake)}\n\n`);
  const good = counted(plan.services.size, "service");
  if (plan.mistakes.length === 0) {
    process.stdout.write(`${services}: ${good}, no mistakes\n`);
    return;
  }
  process.stdout.write(`${services}: ${good} without mistakes, ${counted(plan.mistakes.length, "mistake")}\n`);
  process.exitCode = 1;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
