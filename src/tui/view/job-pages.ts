/** Pages about one job: its runs, and why it is as it is. */

import type { JobStatus, RunRecord } from "../../control/daemon.ts";
import type { Model } from "../model/model.ts";
import { instant } from "../text/instant.ts";
import { inkOfResult } from "./jobs.ts";
import type { Looks } from "./looks.ts";
import { type PageLine, PageWriter } from "./page.ts";
import { calendar, size, span, until } from "./words.ts";

/** What runs first, then what is over, newest first. */
export function runsPage(model: Model, job: JobStatus, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  const { ink, signs } = looks;
  const pointer = (run: number | null) => ({
    text: model.chosenRun !== null && run === model.chosenRun ? `${signs.cursor} ` : "  ",
    attr: ink.key,
  });
  for (const { run, startedAt, trigger, why } of [...job.runs].reverse()) {
    page.line(
      pointer(run),
      { text: `${signs.job.RUNNING} run ${String(run).padEnd(5)}`, attr: ink.busy },
      {
        text: `${startedAt === null ? "waits" : `runs ${span(model.now - instant(startedAt))}`}`.padEnd(20),
        attr: ink.busy,
      },
      { text: `${trigger === "schedule" ? "" : `${trigger}, `}${why}`, attr: ink.dim },
    );
  }
  const records = model.histories.get(job.name);
  if (records === undefined) page.text("asking svcd …", "dim");
  else if (records.length === 0 && job.runs.length === 0)
    page.text(
      `has not run yet; next: ${job.next === null ? "never" : `${calendar(job.next, model.now)}, ${until(job.next, model.now)}`}`,
      "dim",
    );
  for (const record of records ?? []) {
    page.line(pointer(record.run), ...recordLine(record, model, looks));
  }
  return page.lines;
}

function recordLine(record: RunRecord, model: Model, { ink, signs }: Looks) {
  const { run, result, startedAt, endedAt, scheduledFor, why, cpuMs, peakMemoryBytes, trigger } = record;
  const took = startedAt === null ? "" : `took ${span(instant(endedAt) - instant(startedAt))}`;
  const cpu = cpuMs === null ? "" : `cpu ${cpuMs < 10_000 ? `${(cpuMs / 1000).toFixed(1)}s` : span(cpuMs)}`;
  const memory = peakMemoryBytes === null ? "" : size(peakMemoryBytes);
  return [
    { text: `${signs.result[result]} `, attr: ink[inkOfResult(result)] },
    { text: `${run === null ? "" : `run ${run}`}`.padEnd(10) },
    { text: calendar(startedAt ?? scheduledFor, model.now).padEnd(10), attr: ink.dim },
    { text: result.padEnd(9), attr: ink[inkOfResult(result)] },
    { text: took.padEnd(12), attr: ink.dim },
    { text: [cpu, memory].filter(Boolean).join("  ").padEnd(16), attr: ink.dim },
    { text: `${trigger === "schedule" ? "" : `${trigger}: `}${why}`, attr: ink.dim },
  ];
}

export function jobWhyPage(model: Model, job: JobStatus, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  const why = model.jobWhys.get(job.name);
  if (job.description !== "") page.text(job.description, "dim");
  page.fact("state", `${job.state}${job.paused ? ", paused" : ""}`);
  page.fact("why", job.why);
  for (const { expression, words } of job.schedules)
    page.fact("schedule", `${expression}  ${words === "" ? "" : `(${words}, ${job.timezone})`}`);
  page.fact(
    "next",
    why?.next ?? (job.next === null ? "never" : `${calendar(job.next, model.now)}, ${until(job.next, model.now)}`),
  );
  if (job.streak !== null)
    page.fact(
      "streak",
      `${job.streak.count} × ${job.streak.result}`,
      job.streak.result === "failure" ? "warn" : "text",
    );
  page.fact("file", `${job.file.path}:${job.file.line}`, "dim");
  if (job.file.note !== null) page.fact("", job.file.note, "warn");
  for (const advice of why?.advice ?? []) page.fact("do", advice, "key");
  if (why !== undefined && why.lastLines.length > 0) {
    page.title(`last lines of run ${why.linesOf}`);
    for (const line of why.lastLines)
      page.line({ text: `  ${looks.signs.down} `, attr: looks.ink.rule }, { text: line, attr: looks.ink.dim });
  }
  if (why !== undefined && why.history.length > 0) {
    page.title("what became of its last due times");
    for (const record of why.history) page.line({ text: "  " }, ...recordLine(record, model, looks));
  }
  return page.lines;
}
