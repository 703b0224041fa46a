/**
 * What the files would change, as people read it: in supervisorctl's single words, or in full.
 */
import type { PlanReport } from "../control/daemon.ts";
import { formatMistake } from "../plan/mistake.ts";
import type { Ink } from "./colour.ts";
import { plain, plainLines } from "./text.ts";

/** `web: available`, one for each service or job that the files change. */
export function rereadLines(plan: PlanReport): string[] {
  const lines = [plan, plan.jobs].flatMap(({ added, changed, removed }) => [
    ...added.map((name) => [name, "available"] as const),
    ...changed.map(({ name }) => [name, "changed"] as const),
    ...removed.map((name) => [name, "disappeared"] as const),
  ]);
  lines.sort(([a], [b]) => (a < b ? -1 : 1));
  return lines.map(([name, what]) => `${plain(name)}: ${what}`);
}

/** `web: changed, restarted`: what taking the files up has done. */
export function appliedLines({ added, changed, removed, jobs }: PlanReport): string[] {
  return [
    ...removed.map((name) => `${plain(name)}: removed`),
    ...changed.map(({ name, restart }) => `${plain(name)}: changed, ${restart ? "restarted" : "without a restart"}`),
    ...added.map((name) => `${plain(name)}: added`),
    ...jobs.removed.map((name) => `${plain(name)}: job removed`),
    ...jobs.changed.map(({ name }) => `${plain(name)}: job changed`),
    ...jobs.added.map((name) => `${plain(name)}: job added`),
  ];
}

export function isEmpty({ added, changed, removed, jobs }: PlanReport): boolean {
  return [added, changed, removed, jobs.added, jobs.changed, jobs.removed].every((names) => names.length === 0);
}

/**
 *     + web: new
 *     ~ db: changed, restarts
 *         command: db --old → db --new
 *     - old: gone, will be stopped
 *     + tidy: new job
 */
export function planLines(plan: PlanReport, ink: Ink): string[] {
  const lines: string[] = [];
  for (const name of plan.added) lines.push(ink.paint("green", `+ ${plain(name)}: new`));
  for (const { name, restart, details } of plan.changed) {
    lines.push(ink.paint("yellow", `~ ${plain(name)}: changed, ${restart ? "restarts" : "goes on running"}`));
    lines.push(...detailLines(details));
  }
  for (const name of plan.removed) lines.push(ink.paint("red", `- ${plain(name)}: gone, will be stopped`));
  for (const name of plan.kept) lines.push(ink.paint("grey", `= ${plain(name)}: ${KEPT}`));
  const { jobs } = plan;
  for (const name of jobs.added) lines.push(ink.paint("green", `+ ${plain(name)}: new job`));
  for (const { name, details } of jobs.changed) {
    lines.push(ink.paint("yellow", `~ ${plain(name)}: job changed, from its next run on`), ...detailLines(details));
  }
  for (const name of jobs.removed) lines.push(ink.paint("red", `- ${plain(name)}: job gone; what runs of it goes on`));
  for (const name of jobs.kept) lines.push(ink.paint("grey", `= ${plain(name)}: ${KEPT}`));
  return lines;
}

const KEPT = "its file has mistakes or vanished, so it goes on as it is";

function detailLines(details: PlanReport["changed"][number]["details"]): string[] {
  return details.map(({ field, before, after }) => `    ${plain(field)}: ${shown(before)} → ${shown(after)}`);
}

function shown(text: string): string {
  return text === "" ? "(nothing)" : plain(text);
}

export function mistakeLines({ mistakes }: PlanReport): string[] {
  return mistakes.map((mistake) => plainLines(formatMistake(mistake)));
}
