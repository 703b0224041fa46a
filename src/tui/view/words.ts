/** Figures as people read them at a glance, in few columns. */
import { instant } from "../text/instant.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** `4s` `12m` `3h20m` `5d4h` `41d`: at most six columns. */
export function span(ms: number): string {
  const rest = Math.max(0, Number.isFinite(ms) ? ms : 0);
  if (rest < 60_000) return `${Math.floor(rest / 1000)}s`;
  if (rest < HOUR_MS) {
    const minutes = Math.floor(rest / 60_000);
    return minutes < 10 ? `${minutes}m${String(Math.floor((rest % 60_000) / 1000)).padStart(2, "0")}s` : `${minutes}m`;
  }
  if (rest < DAY_MS)
    return `${Math.floor(rest / HOUR_MS)}h${String(Math.floor((rest % HOUR_MS) / 60_000)).padStart(2, "0")}m`;
  const days = Math.floor(rest / DAY_MS);
  return days < 10 ? `${days}d${String(Math.floor((rest % DAY_MS) / HOUR_MS)).padStart(2, "0")}h` : `${days}d`;
}

/** `812K` `18.2G` `1.5T`: at most five columns. */
export function size(bytes: number): string {
  let value = bytes / 1024;
  for (const unit of ["K", "M", "G", "T", "P"]) {
    if (value < 9.95) return `${value.toFixed(value < 0.05 ? 0 : 1)}${unit}`;
    if (value < 999.5)
      return `${value < 99.95 && unit !== "K" && unit !== "M" ? value.toFixed(1) : Math.round(value)}${unit}`;
    value /= 1024;
  }
  return "lots";
}

export function percent(value: number): string {
  return value < 9.95 ? `${value.toFixed(1)}%` : `${Math.round(value)}%`;
}

const two = (part: number): string => String(part).padStart(2, "0");

export function timeOfDay(ms: number): string {
  const date = new Date(ms);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `03:00` today, `Mon 03:00` in the days around, `1 Jan` farther away. */
export function calendar(iso: string, now: number): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) return clock;
  if (Math.abs(date.getTime() - now) < 6 * DAY_MS) return `${DAYS[date.getDay()]} ${clock}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}`;
}

/** `in 5m` */
export function until(iso: string, now: number): string {
  const ms = instant(iso) - now;
  return ms <= 0 ? "now" : `in ${span(ms)}`;
}

/** `2h`: the largest unit only. */
export function roughly(ms: number): string {
  return span(ms).replace(/^(\d+[dhm]).+$/, "$1");
}

/** The largest unit only: `in 7h`, where there is little room. */
export function roughlyUntil(iso: string, now: number): string {
  return until(iso, now).replace(/^(in \d+[dhm]).+$/, "$1");
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: HOUR_MS, d: DAY_MS };

/** “retrying in 54s”, so many milliseconds after it was said. */
export function after(sentence: string, passedMs: number): string {
  return sentence.replace(/\bin ((?:\d+(?:\.\d+)?(?:ms|s|m|h|d) ?)+)/, (whole, words: string) => {
    let ms = -passedMs;
    for (const [, value, unit] of words.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) ms += Number(value) * UNIT_MS[unit!]!;
    return ms < 1_000 ? "now" : `in ${span(ms)}${whole.endsWith(" ") ? " " : ""}`;
  });
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
