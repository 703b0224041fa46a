/** What must be asked because something else is shown now, or because it has changed. */

import { listRows } from "../view/layout.ts";
import type { Command, Question } from "./command.ts";
import { itemsOf } from "./items.ts";
import type { Model } from "./model.ts";

/** Details of all services are asked for ahead (ports, who depends on whom); of more, as they are chosen. */
const MOST_AHEAD = 300;

export function needed(before: Model, now: Model): Command[] {
  if (now.connection !== "there") return [];
  const questions = [...ofServices(before, now), ...ofJobs(before, now)];
  return questions.map((question) => ({ do: "ask", question }));
}

function ofServices(before: Model, now: Model): Question[] {
  const questions: Question[] = [];
  const { chosen } = now.lists.services;
  const areNew =
    now.services.length > 0 && (before.services.length === 0 || (before.details.size > 0 && now.details.size === 0));
  // Ports may be another after a start: variables are filled in anew.
  if (areNew || (now.view === "tunnels" && (before.view !== "tunnels" || before.services !== now.services))) {
    questions.push({ about: "routes" });
  }
  if (now.services.length > 0 && now.details.size === 0 && now.services.length <= MOST_AHEAD) {
    if (before.details.size > 0 || before.services.length === 0) {
      questions.push({ about: "details", names: now.services.map(({ name }) => name) });
    }
  }
  if (now.view !== "services" || chosen === null) return questions;
  const is = now.services.find(({ name }) => name === chosen);
  const was = before.services.find(({ name }) => name === chosen);
  const isOther = before.lists.services.chosen !== chosen || before.view !== now.view || is?.state !== was?.state;
  if (isOther && !now.details.has(chosen) && now.services.length > MOST_AHEAD)
    questions.push({ about: "detail", name: chosen });
  if (now.pane === "why" && (isOther || before.pane !== "why")) {
    questions.push({ about: "why", name: chosen }, { about: "detail", name: chosen });
  }
  if (now.pane === "config" && (isOther || before.pane !== "config")) questions.push({ about: "detail", name: chosen });
  if (now.isFull && now.pane === "log" && is?.run !== was?.run) questions.push({ about: "runs", name: chosen });
  return questions;
}

function ofJobs(before: Model, now: Model): Question[] {
  if (now.view !== "jobs") return [];
  const questions: Question[] = [];
  const { chosen, top } = now.lists.jobs;
  const isNew = before.view !== "jobs" || before.lists.jobs !== now.lists.jobs || before.jobs !== now.jobs;
  if (isNew) {
    const shown = itemsOf(now, "jobs").slice(top, top + listRows(now));
    for (const name of shown)
      if (!now.histories.has(name) || before.view !== "jobs") questions.push({ about: "history", name });
  }
  if (chosen === null) return questions;
  const isOther =
    before.lists.jobs.chosen !== chosen ||
    before.view !== "jobs" ||
    before.pane !== now.pane ||
    before.jobs !== now.jobs;
  if (isOther && now.pane === "why") questions.push({ about: "job why", name: chosen });
  if (isOther && now.pane === "config") questions.push({ about: "job detail", name: chosen });
  return questions;
}
