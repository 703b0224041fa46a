/**
 * What is legal in a schedule and rarely meant, beyond what is seen while it is read: it never comes, a day is enough where
 * two are given, a change of the clocks touches it.
 */
import { clockChanges } from "./clock-changes.ts";
import type { ExpressionReading } from "./crontab-expression.ts";
import { explain } from "./explain.ts";
import { next } from "./next.ts";
import type { Remark } from "./remark.ts";
import type { Calendar, WallTime } from "./schedule.ts";
import type { Zone } from "./zone.ts";

const YEAR_MS = 366 * 86_400_000;

/** What was remarked while reading, and the rest. */
export function lintSchedule(
  reading: Extract<ExpressionReading, { ok: true }>,
  zone: Zone,
  now: WallTime,
): readonly Remark[] {
  const { schedule, remarks } = reading;
  if (schedule.kind === "every") return remarks;
  if (schedule.kind === "boot") {
    const what = "the job starts once when the machine has started, not each time svcd does";
    return [...remarks, { rule: "boot", what, fix: "nothing, if that is meant", at: 0 }];
  }
  if (next(schedule, zone, now) === null) {
    const what = `it never comes: ${explain(schedule).replace(/^never: /, "")}`;
    return [...remarks, { rule: "never", what, fix: "write days and months that go together", at: 0 }];
  }
  const [change] = clockChanges(schedule, zone, now, now + YEAR_MS);
  return [...remarks, ...eitherDay(schedule), ...(change === undefined ? [] : [clockChange(change.what, zone)])];
}

function eitherDay(calendar: Calendar): Remark[] {
  const { days, weekdays, dayRule } = calendar;
  if (dayRule === "both" || days.length === 0 || weekdays.length === 0) return [];
  const what = `a day of the month and a weekday: cron starts the job ${explain(calendar)}, not only when both fit`;
  const fix = "for both, test one in the command: [ $(date +\\%u) = 1 ] && …; a YAML job has `days: and`";
  return [{ rule: "either-day", what, fix, at: 0 }];
}

function clockChange(what: string, zone: Zone): Remark {
  const fix = "nothing if that is right; else choose a time outside 00:00 to 03:00, or the zone UTC";
  return { rule: "clock-change", what: `${zone.name}, ${what}`, fix, at: 0 };
}
