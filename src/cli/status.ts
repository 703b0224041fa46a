/** `svctl status`: what every service does, since when and why. */
import type { HealthReport, ServiceStatus } from "../control/daemon.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { asked, isAll } from "./names.ts";
import { statusTable } from "./status-table.ts";
import { plain } from "./text.ts";
import { endedWell } from "./verdict.ts";

export const details = `
Columns: FOR is how long the service is in its state; RESTARTS counts the starts that nobody asked for since the last one
that somebody did. \`svctl why NAME\` tells the whole story of one service.

Exit codes:
  0  with names: all of them are RUNNING. Without names: everything that should
     be up is (RUNNING, or a one-shot that has ended with exit 0). What is
     SKIPPED, disabled, or was never started does not count.
  3  something is not running
  4  a name is unknown, or svcd cannot be reached

--json prints a list of {name, state, pid, run, since, restarts, health, phase, why, next, …}.`;

export async function run(call: Call): Promise<number> {
  const { services, mistakes, troubles, countdowns } = await call.daemon.overview(asked(call.words));
  if (call.json) sayJson(call, services);
  else print(call, services, mistakes, troubles + countdowns === 0 ? null : await call.daemon.health());
  return exitCode(services, call.words);
}

function print(
  call: Call,
  statuses: readonly ServiceStatus[],
  mistakes: number,
  health: Pick<HealthReport, "troubles" | "countdowns"> | null,
): void {
  const { out } = call.world;
  if (statuses.length === 0) say(out, `no services yet: put a file into ${plain(call.places.services)}`);
  else {
    const columns = out.isTTY ? out.columns() : null;
    say(out, statusTable(statuses, { ink: call.ink, columns, now: call.world.now() }).join("\n"));
  }
  for (const trouble of health?.troubles ?? []) say(out, call.ink.paint("red", `trouble: ${plain(trouble)}`));
  for (const countdown of health?.countdowns ?? []) say(out, call.ink.paint("yellow", `idle: ${plain(countdown)}`));
  for (const note of notes(statuses, mistakes)) say(out, call.ink.paint("yellow", note));
}

/** What is not as the files say. */
function notes(statuses: readonly ServiceStatus[], mistakes: number): string[] {
  const lines = statuses
    .filter(({ file }) => file.note !== null)
    .map(({ name, file }) => `note: ${plain(name)}: ${plain(file.path)}: ${plain(file.note ?? "")}`);
  if (mistakes > 0)
    lines.push(`note: ${mistakes === 1 ? "1 mistake" : `${mistakes} mistakes`} in the files; see: svctl plan`);
  return lines;
}

export function exitCode(statuses: readonly ServiceStatus[], words: readonly string[]): number {
  const isFine = isAll(words) ? isAsItShould : isRunning;
  return statuses.every(isFine) ? EXIT.done : EXIT.notRunning;
}

function isRunning({ state }: ServiceStatus): boolean {
  return state === "RUNNING";
}

function isAsItShould(status: ServiceStatus): boolean {
  if (isRunning(status) || endedWell(status)) return true;
  const wasNeverStarted = status.state === "STOPPED" && status.wanted === "down" && status.run === 0;
  return status.state === "SKIPPED" || !status.enabled || wasNeverStarted;
}
