/**
 * Spans of time as people say them: the two largest units, because nobody needs the seconds of a day.
 */

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** `3d 4h`, `2h 5m`, `12s`, `0s`. */
export function span(ms: number): string {
  let rest = Math.max(0, Number.isFinite(ms) ? ms : 0);
  const parts: string[] = [];
  for (const [name, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${name}`);
    else if (parts.length > 0) break; // "3d", not "3d 5s".
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0s";
}

/** How long ago an ISO date was; a clock that went back meanwhile counts as no time. */
export function sinceThen(then: string, now: Date): string {
  return span(now.getTime() - Date.parse(then));
}

/** `2026-11-22 21:37:05`, in the time zone of the person who reads. */
export function localTime(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const two = (number: number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_MS = 86_400_000;

/** `03:00` today, `Mon 03:00` in the days around, `1 Jan` in the months around: as short as it can be without being mistaken. */
export function calendarTime(iso: string, now: Date): string {
  const date = new Date(iso);
  const [day = "", time = ""] = localTime(iso).split(" ");
  const clock = time.endsWith(":00") ? time.slice(0, 5) : time;
  const away = date.getTime() - now.getTime();
  if (day === localTime(now.toISOString()).split(" ")[0]) return clock;
  if (away > 0 && away < 6 * DAY_MS) return `${DAYS[date.getDay()]} ${clock}`;
  if (Math.abs(away) < 300 * DAY_MS) return `${date.getDate()} ${MONTHS[date.getMonth()]}`;
  return day;
}
