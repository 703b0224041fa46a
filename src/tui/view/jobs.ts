/** The list of jobs: when next, how the last run went, and a lane of the runs before it. */

import type { JobStatus, RunRecord } from "../../control/daemon.ts";
import { itemsOf, jobFailed } from "../model/items.ts";
import type { Model } from "../model/model.ts";
import { cut, padded } from "../text/columns.ts";
import { instant } from "../text/instant.ts";
import type { Box, Canvas, Piece } from "./canvas.ts";
import { drawEmpty, drawTitles } from "./list.ts";
import type { InkName, Looks } from "./looks.ts";
import { spinnerOf } from "./services.ts";
import { BEFORE_NAME, jobColumns } from "./titles.ts";
import { calendar, roughly, roughlyUntil, span } from "./words.ts";

export function drawJobs(canvas: Canvas, box: Box, model: Model, looks: Looks): void {
  const columns = jobColumns(box.columns, model);
  const place = model.lists.jobs;
  const { ink, signs } = looks;
  drawTitles(canvas, box, columns, place, looks);
  const names = itemsOf(model, "jobs");
  if (names.length === 0) {
    const words =
      model.jobs.length > 0
        ? ["nothing fits the filter (Esc takes it away)"]
        : ["no jobs yet", "put a crontab into cron.d, or: svctl crontab -e"];
    return drawEmpty(canvas, box, words, looks);
  }
  const byName = new Map(model.jobs.map((job) => [job.name, job]));
  for (let row = 1; row < box.rows; row++) {
    const job = byName.get(names[place.top + row - 1] ?? "");
    if (job === undefined) break;
    const at = box.top + row;
    if (place.marks.has(job.name)) canvas.put(at, box.left, signs.marked, ink.key);
    const pending = model.pending.has(job.name);
    canvas.put(
      at,
      box.left + 1,
      pending ? spinnerOf(model, looks) : signs.job[job.state],
      ink[pending ? "busy" : inkOfJob(job)],
    );
    let column = box.left + BEFORE_NAME;
    for (const { title, columns: wide } of columns) {
      canvas.putAll(
        at,
        column,
        cellsOf(title, job, wide, model, looks),
        Math.min(wide, box.left + box.columns - column),
      );
      column += wide + 1;
    }
    if (job.name === place.chosen)
      canvas.choose(at, box.left, box.columns, model.focus === "list" ? ink.chosen : ink.chosenIdle);
  }
}

function inkOfJob(job: JobStatus): InkName {
  if (job.runs.length > 0) return "busy";
  return jobFailed(job) ? "warn" : job.paused ? "dim" : "good";
}

function cellsOf(title: string, job: JobStatus, wide: number, model: Model, looks: Looks): Piece[] {
  const { ink, signs } = looks;
  const words = (text: string, name: InkName): Piece[] => [
    { text: padded(cut(text, wide, signs.more), wide), attr: ink[name] },
  ];
  switch (title) {
    case "NAME":
      return words(job.name, jobFailed(job) ? "strong" : "text");
    case "NEXT": {
      const running = job.runs.find(({ startedAt }) => startedAt !== null)?.startedAt ?? null;
      if (running !== null) return words(`runs ${span(model.now - instant(running))}`, "busy");
      if (job.runs.length > 0) return words(job.state.toLowerCase(), "busy");
      if (job.paused) return words("paused", "warn");
      if (job.next === null) return words("never", "dim");
      return words(`${calendar(job.next, model.now)} ${roughlyUntil(job.next, model.now)}`, "text");
    }
    case "LAST": {
      if (job.last === null) return words("not yet", "dim");
      const { result, exit, endedAt } = job.last;
      const how =
        result === "success"
          ? "ok"
          : exit !== null && "code" in exit && result === "failure"
            ? `exit ${exit.code}`
            : result;
      return [
        { text: cut(how, wide, signs.more), attr: ink[inkOfResult(result)] },
        { text: ` ${roughly(model.now - instant(endedAt))} ago`, attr: ink.dim },
      ];
    }
    case "RUNS":
      return lane(model.histories.get(job.name) ?? [], wide, looks);
    default: {
      const { schedules, timezone } = job;
      const text = schedules.map(({ words: said, expression }) => said || expression).join("; ");
      const isHere = timezone === new Intl.DateTimeFormat().resolvedOptions().timeZone;
      return words(`${text}${isHere ? "" : ` (${timezone})`}`, "dim");
    }
  }
}

/** The newest at the right, as in every picture of time. */
export function lane(records: readonly RunRecord[], columns: number, { ink, signs }: Looks): Piece[] {
  const shown = records.slice(0, columns).reverse();
  return [
    { text: " ".repeat(columns - shown.length) },
    ...shown.map(({ result }) => ({ text: signs.result[result] ?? "?", attr: ink[inkOfResult(result)] })),
  ];
}

export function inkOfResult(result: RunRecord["result"]): InkName {
  switch (result) {
    case "success":
      return "good";
    case "failure":
    case "timeout":
    case "killed":
    case "unknown":
      return "bad";
    case "replaced":
    case "skipped":
    case "missed":
      return "dim";
  }
}
