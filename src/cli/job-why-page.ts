/** The answer to "why is this job as it is?", as a page; its sister for services is `why-page.ts`. */
import type { JobWhyReport } from "../control/daemon.ts";
import { zoneNamed } from "../schedule/zone.ts";
import { localTimeIn } from "./asked-schedule.ts";
import { historyTable } from "./history.ts";
import { jobColour, jobSign, untilThen } from "./jobs-table.ts";
import { endInWords, resultColour } from "./run-result.ts";
import type { TableLook } from "./status-table.ts";
import { plain } from "./text.ts";
import { localTime } from "./time.ts";

export function jobWhyPage(report: JobWhyReport, { ink, now, columns }: TableLook): string[] {
  const { status, history, lastLines, linesOf, advice } = report;
  const sign = ink.on ? `${jobSign(status.state)} ` : "";
  const lines = [
    `${ink.paint("bold", plain(status.name))}: ${ink.paint(jobColour(status.state), `${sign}${status.state}`)}`,
  ];
  if (status.description !== "") lines.push(`  ${plain(status.description)}`);
  lines.push(`  why:   ${plain(status.why)}`);
  for (const { run, why, pid, trigger } of status.runs) {
    lines.push(`  run:   ${run}, by ${trigger}${pid === null ? "" : `, pid ${pid}`}: ${plain(why)}`);
  }
  for (const { expression, words } of status.schedules) lines.push(`  when:  ${plain(words)}  (${plain(expression)})`);
  const next = status.next === null ? "" : `${localTime(status.next)}, ${untilThen(status.next, now, 2)}`;
  lines.push(next === "" ? `  next:  ${plain(report.next)}` : `  next:  ${next}${thereToo(status)}`);
  lines.push(`  file:  ${plain(status.file.path)}:${status.file.line}`);
  if (status.file.note !== null) lines.push(`         ${ink.paint("yellow", plain(status.file.note))}`);
  const { last, streak } = status;
  if (last !== null) {
    const row = streak === null || streak.count < 2 ? "" : `, ${streak.count} in a row`;
    const end = ink.paint(resultColour(last.result), endInWords(last));
    lines.push(
      "",
      `The last run that is over (number ${last.run}): ${end}${row}`,
      `  ended ${localTime(last.endedAt)}`,
    );
  }
  if (lastLines.length > 0) {
    lines.push("", `Last lines of output${linesOf === null ? "" : ` of run ${linesOf}`}`);
    lines.push(...lastLines.map((line) => `  ${ink.paint("grey", "|")} ${plain(line)}`));
  }
  if (history.length > 0) {
    const width = columns === null ? null : columns - 2;
    lines.push(
      "",
      "History, newest first",
      ...historyTable(history, { ink, now, columns: width }).map((line) => `  ${line}`),
    );
  }
  if (advice.length > 0) lines.push("", "What you can do", ...advice.map((line) => `  ${plain(line)}`));
  return lines;
}

/** What a clock in the schedule's zone shows then, where that is another one. */
function thereToo({ next, timezone }: JobWhyReport["status"]): string {
  const zone = zoneNamed(timezone);
  if (next === null || zone === null) return "";
  const there = localTimeIn(zone, Date.parse(next)).slice(4, 23);
  return there === localTime(next) ? "" : ` (${there} in ${plain(timezone)})`;
}
