/**
 * A schedule in words: "every weekday at 07:30". Nothing is left out: schedules with the same words start at the same times.
 */
import { formatDuration } from "../plan/units.ts";
import { type Calendar, type FieldName, isWhole, type MovingDay, type Schedule, whole } from "./schedule.ts";

export function explain(schedule: Schedule): string {
  switch (schedule.kind) {
    case "every":
      return `every ${formatDuration(schedule.everyMs)}, counted from the last start`;
    case "boot":
      return "once when the machine has started";
    case "calendar":
      return explainCalendar(schedule);
  }
}

function explainCalendar(calendar: Calendar): string {
  const { hours, minutes, seconds } = calendar;
  if (hours.length === 0 || minutes.length === 0 || seconds.length === 0) return "never: it has no time of the day";
  const day = dayWords(calendar);
  const times = timesOfDay(calendar);
  if (times !== null) return `${day ?? "every day"}${day?.includes(", if") ? "," : ""} at ${joined(times)}`;
  return day === null ? rhythm(calendar) : `${rhythm(calendar)}, ${day}`;
}

// Times.

/** More than that nobody takes in at a glance. */
const MOST_TIMES = 6;

/** `07:30`, `19:30`: when they are few. */
function timesOfDay({ hours, minutes, seconds }: Calendar): string[] | null {
  if (hours.length * minutes.length * seconds.length > MOST_TIMES) return null;
  const showsSeconds = seconds.length > 1 || seconds[0] !== 0;
  return hours.flatMap((hour) =>
    minutes.flatMap((minute) =>
      seconds.map((second) => (showsSeconds ? `${clock(hour, minute)}:${two(second)}` : clock(hour, minute))),
    ),
  );
}

/** "every 15 minutes", "every hour at minute 17", "every 10 minutes from 09:00 to 17:50". */
function rhythm({ hours, minutes, seconds }: Calendar): string {
  if (seconds.length > 1) {
    const second = stepOrList("second", seconds);
    const isAlways = isWhole("minute", minutes) && isWhole("hour", hours);
    return words(second, isAlways && second.startsWith("every") ? null : duringMinutes(hours, minutes));
  }
  if (seconds[0] !== 0) return words(`at second ${seconds[0]}`, duringMinutes(hours, minutes));
  const minute = stepOrList("minute", minutes);
  if (isInRow(hours)) {
    const every = minutes.length === 1 ? "every hour" : minute.startsWith("every") ? minute : null;
    const until = `from ${clock(hours[0]!, minutes[0]!)} to ${clock(hours.at(-1)!, minutes.at(-1)!)}`;
    if (every !== null && !isWhole("hour", hours)) return `${every} ${until}`;
  }
  if (minutes.length > 1)
    return words(minute, minute.startsWith("every") && isWhole("hour", hours) ? null : ofHours(hours));
  const hour = stepOrList("hour", hours);
  const every = hour.startsWith("every") ? hour : `in ${ofHours(hours).slice(3)}`;
  return words(every, minutes[0] === 0 && hour.startsWith("every") ? null : `at minute ${minutes[0]}`);
}

/** Which minutes the seconds are of. */
function duringMinutes(hours: readonly number[], minutes: readonly number[]): string {
  if (isWhole("minute", minutes))
    return isWhole("hour", hours) ? "of every minute" : `of every minute ${ofHours(hours)}`;
  return `of minute${minutes.length === 1 ? "" : "s"} ${ranges(minutes)} ${ofHours(hours)}`;
}

function ofHours(hours: readonly number[]): string {
  const step = stepOrList("hour", hours);
  if (step === "every hour") return "of every hour";
  return step.startsWith("every") ? `of ${step}` : `of the hour${hours.length === 1 ? "" : "s"} ${ranges(hours)}`;
}

/** "every 15 minutes" when that is all there is to it; else "at minutes 0, 7 and 10 to 20". */
function stepOrList(name: FieldName, values: readonly number[]): string {
  if (isWhole(name, values)) return `every ${name}`;
  const step = stepOf(values);
  const size = whole(name).length;
  const isAroundTheClock = values[0] === 0 && size % step === 0 && values.length === size / step;
  if (step > 1 && isAroundTheClock) return `every ${step} ${name}s`;
  if (step > 1 && values.length >= FEWEST_STEPS) return `at ${everyNth(name, values, String)}`;
  return `at ${name}${values.length === 1 ? "" : "s"} ${ranges(values)}`;
}

/** As many values at one distance are easier said by the distance. */
const FEWEST_STEPS = 5;

/** The distance between all neighbours; 0: they differ. */
function stepOf(values: readonly number[]): number {
  const step = values.length > 1 ? values[1]! - values[0]! : 0;
  return values.every((value, index) => value === values[0]! + index * step) ? step : 0;
}

function everyNth(noun: string, values: readonly number[], name: (value: number) => string): string {
  return `every ${ordinal(stepOf(values))} ${noun} from ${name(values[0]!)} to ${name(values.at(-1)!)}`;
}

function isInRow(values: readonly number[]): boolean {
  return values.length === 1 || stepOf(values) === 1;
}

// Days.

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];

/** null: every day. */
function dayWords(calendar: Calendar): string | null {
  const { days, weekdays, months, movingDays, dayRule } = calendar;
  const movingInMonth = movingDays.filter(({ kind }) => !kind.endsWith("weekday"));
  const movingInWeek = movingDays.filter(({ kind }) => kind.endsWith("weekday"));
  const isAnyDay = isWhole("day", days);
  const isAnyWeekday = isWhole("weekday", weekdays);
  const isEveryDay = dayRule === "both" ? isAnyDay && isAnyWeekday : isAnyDay || isAnyWeekday;
  const inMonths = isWhole("month", months) ? null : listOf(months, (month) => MONTHS[month - 1]!);
  if (isEveryDay) return inMonths === null ? null : `every day in ${inMonths}`;
  const ofMonth = [...(days.length === 0 ? [] : [daysWords(days)]), ...movingInMonth.map(movingWords)];
  const ofWeek = [
    ...(weekdays.length === 0 ? [] : [weekdayWords(weekdays)]),
    ...movingInWeek.map((moving) => `on ${movingWords(moving)}`),
  ];
  const month = inMonths === null ? "every month" : inMonths;
  const onDays = ofMonth.length === 0 ? null : `on ${joined(ofMonth)} of ${month}`;
  const onWeekdays = ofWeek.length === 0 ? null : joined(ofWeek);
  const monthOfWeekdays = inMonths === null ? "" : ` in ${inMonths}`;
  if (dayRule === "both") {
    if (isAnyDay) return onWeekdays === null ? "never: on no day" : `${onWeekdays}${monthOfWeekdays}`;
    if (isAnyWeekday) return onDays ?? "never: on no day";
    if (onDays === null || onWeekdays === null) return "never: on no day";
    const those = [...(weekdays.length === 0 ? [] : [ifWords(weekdays)]), ...movingInWeek.map(movingWords)];
    return `${onDays}, if that is ${joined(those, "or")}`;
  }
  if (onDays === null || onWeekdays === null) {
    return onDays ?? (onWeekdays === null ? "never: on no day" : `${onWeekdays}${monthOfWeekdays}`);
  }
  return `${onDays} and ${onWeekdays}${monthOfWeekdays}`;
}

function daysWords(days: readonly number[]): string {
  if (stepOf(days) > 1 && days.length >= FEWEST_STEPS) return everyNth("day", days, (day) => `the ${ordinal(day)}`);
  return `the ${listOf(days, ordinal)}`;
}

/** "a Monday or Friday", "a weekday". */
function ifWords(weekdays: readonly number[]): string {
  return weekdays.join("") === "12345" ? "a weekday" : `a ${joined(weekdays.map(dayName), "or")}`;
}

function weekdayWords(weekdays: readonly number[]): string {
  const key = weekdays.join("");
  if (key === "12345") return "every weekday";
  return `every ${listOf([...weekdays.filter((day) => day > 0), ...weekdays.filter((day) => day === 0)], dayName)}`;
}

const dayName = (weekday: number) => WEEKDAYS[weekday]!;

function movingWords(moving: MovingDay): string {
  switch (moving.kind) {
    case "last":
      return moving.daysBefore === 0 ? "the last day" : `the ${ordinal(moving.daysBefore + 1)} last day`;
    case "working":
      return `the working day nearest to the ${ordinal(moving.day)}`;
    case "last working":
      return "the last working day";
    case "nth weekday":
      return `the ${ordinal(moving.nth)} ${dayName(moving.weekday)} of the month`;
    case "last weekday":
      return `the last ${dayName(moving.weekday)} of the month`;
  }
}

// Words.

/** Three or more in a row become "Monday to Thursday". */
function listOf(values: readonly number[], name: (value: number) => string): string {
  const parts: string[] = [];
  for (let first = 0; first < values.length; ) {
    let last = first;
    while (last + 1 < values.length && values[last + 1] === values[last]! + 1) last++;
    if (last - first >= 2) parts.push(`${name(values[first]!)} to ${name(values[last]!)}`);
    else for (let index = first; index <= last; index++) parts.push(name(values[index]!));
    first = last + 1;
  }
  return joined(parts);
}

function ranges(values: readonly number[]): string {
  return listOf(values, String);
}

function joined(parts: readonly string[], joint = "and"): string {
  return parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(", ")} ${joint} ${parts.at(-1)}`;
}

function words(...parts: readonly (string | null)[]): string {
  return parts.filter((part) => part !== null).join(" ");
}

function ordinal(value: number): string {
  const ending = value % 100 >= 11 && value % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][value % 10] ?? "th");
  return `${value}${ending}`;
}

function clock(hour: number, minute: number): string {
  return `${two(hour)}:${two(minute)}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
