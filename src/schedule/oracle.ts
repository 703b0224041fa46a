/**
 * For tests: Debian's cron by brute force. Every minute is looked at as its loop looks at them (`cron.c`), with the local
 * time that `Intl` shows and with the fields of a line taken apart anew, so that nothing of what is tested is used.
 */

export interface OracleMinute {
  /** Milliseconds of UTC. */
  readonly at: number;
  /** Minutes since 1970 of the clock on the wall. */
  readonly local: number;
}

/** The clock of a zone, asked every `askedEvery` minutes, which must divide the distance of its shifts from the hour. */
export function minutesOf(zone: string, begin: number, end: number, askedEvery: number): OracleMinute[] {
  const clock = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  const minutes: OracleMinute[] = [];
  let offset = 0;
  for (let at = begin; at < end; at += 60_000) {
    if ((at / 60_000) % askedEvery === 0 || at === begin) {
      const part: Record<string, number> = {};
      for (const { type, value } of clock.formatToParts(at)) part[type] = Number(value);
      const { year, month, day, hour, minute } = part as Record<"year" | "month" | "day" | "hour" | "minute", number>;
      offset = Date.UTC(year, month - 1, day, hour, minute) / 60_000 - at / 60_000;
    }
    minutes.push({ at, local: at / 60_000 + offset });
  }
  return minutes;
}

/** When the loop starts the job, and how often in that minute. */
export function debianStarts(line: string, minutes: readonly OracleMinute[]): { at: number; coalesced: number }[] {
  const fits = matcherOf(line);
  const isWildcard = line.startsWith("@hourly") || /^\*|^\S+ \*/.test(line);
  const starts = new Map<number, number>();
  let virtual = minutes[0]!.local - 1;
  for (const { at, local } of minutes) {
    const run = (minute: number) => {
      if (fits(minute)) starts.set(at, (starts.get(at) ?? 0) + 1);
    };
    const late = local - virtual;
    if (late > 180 || late <= -180 || late === 1) {
      virtual = local;
      run(local);
    } else if (late > 5) {
      if (isWildcard) run(local);
      for (virtual++; virtual <= local; virtual++) if (!isWildcard) run(virtual);
      virtual = local;
    } else if (late > 0) {
      for (virtual++; virtual <= local; virtual++) run(virtual);
      virtual = local;
    } else if (isWildcard) run(local);
  }
  return [...starts].map(([at, coalesced]) => ({ at, coalesced }));
}

const NICKNAMES: Record<string, string> = {
  "@hourly": "0 * * * *",
  "@daily": "0 0 * * *",
  "@weekly": "0 0 * * 0",
  "@monthly": "0 0 1 * *",
};

function matcherOf(line: string): (localMinute: number) => boolean {
  const texts = (NICKNAMES[line] ?? line).split(" ");
  const [minutes, hours, days, months, weekdays] = texts.map((text, index) =>
    valuesOf(text, [0, 0, 1, 1, 0][index]!, [59, 23, 31, 12, 7][index]!),
  );
  const isBoth = texts[2]!.startsWith("*") || texts[4]!.startsWith("*");
  const isDay = (date: Date): boolean => {
    if (!months!.has(date.getUTCMonth() + 1)) return false;
    const weekday = date.getUTCDay();
    const isDayOfMonth = days!.has(date.getUTCDate());
    const isWeekday = weekdays!.has(weekday) || (weekday === 0 && weekdays!.has(7));
    return isBoth ? isDayOfMonth && isWeekday : isDayOfMonth || isWeekday;
  };
  let known = { day: Number.NaN, fits: false }; // A year has half a million minutes.
  return (localMinute) => {
    if (!minutes!.has(localMinute % 60) || !hours!.has(Math.floor(localMinute / 60) % 24)) return false;
    const day = Math.floor(localMinute / 1440);
    if (day !== known.day) known = { day, fits: isDay(new Date(localMinute * 60_000)) };
    return known.fits;
  };
}

function valuesOf(text: string, low: number, high: number): Set<number> {
  const values = new Set<number>();
  for (const element of text.split(",")) {
    const [range, step = "1"] = element.split("/");
    const [first, last = first] = range === "*" ? [String(low), String(high)] : range!.split("-");
    for (let value = Number(first); value <= Number(last); value += Number(step)) values.add(value);
  }
  return values;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A line as people and fuzzers write them; hours like 0 to 3, where clocks are changed, are the most frequent. */
export function randomLine(random: () => number): string {
  const below = (end: number) => Math.floor(random() * end);
  const oneOf = <T>(...choices: T[]) => choices[below(choices.length)]!;
  if (random() < 0.05) return oneOf(...Object.keys(NICKNAMES));
  const value = (low: number, high: number) => low + below(high - low + 1);
  const element = (low: number, high: number): string => {
    const first = value(low, high);
    const last = value(first, high);
    return oneOf(`${first}`, `${first}`, `${first}-${last}`, `${first}-${last}/${value(1, 7)}`);
  };
  const field = (low: number, high: number, star: number): string => {
    if (random() < star) return oneOf("*", "*", `*/${value(1, 12)}`, `*,${value(low, high)}`);
    return Array.from({ length: oneOf(1, 1, 1, 2, 3) }, () => element(low, high)).join(",");
  };
  const hour = random() < 0.5 ? element(0, 3) : field(0, 23, 0.4);
  return [field(0, 59, 0.25), hour, field(1, 31, 0.6), field(1, 12, 0.8), field(0, 7, 0.6)].join(" ");
}
