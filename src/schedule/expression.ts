/**
 * A schedule as text, in either dialect. `crontab` is exactly what a crontab may hold. `extended` adds seconds and days that
 * move with the month. A YAML job need not name one: what only the extended dialect can say is read by it, the rest as a
 * crontab would read it. `@every 5m` belongs to YAML alone.
 */
import { bad, quoted } from "../plan/flaw.ts";
import { formatDuration, parseDuration } from "../plan/units.ts";
import { type ExpressionReading, parseCrontabExpression } from "./crontab-expression.ts";
import { type DaysTogether, parseExtendedExpression } from "./extended-grammar.ts";

export type Dialect = "crontab" | "extended";

/** A timer is no way to keep a program running, and nobody waits a year for one. */
const SHORTEST_EVERY_MS = 1_000;
const LONGEST_EVERY_MS = 366 * 86_400_000;

/** `dialect: null`: a YAML job that names none. */
export function parseExpression(text: string, dialect: Dialect | null, days: DaysTogether = null): ExpressionReading {
  if (dialect === "crontab") return parseCrontabExpression(text);
  const written = text.trim();
  if (/^@every(\s|$)/.test(written)) return parseEvery(text);
  if (written.startsWith("@")) return parseCrontabExpression(text);
  if (dialect === "extended" || days !== null || needsExtended(written)) return parseExtendedExpression(text, days);
  return parseCrontabExpression(text);
}

/** Six fields, or a sign in a day field that a crontab does not know. */
function needsExtended(text: string): boolean {
  const words = text.split(/[ \t]+/);
  if (words.length === 6) return true;
  const [, , day = "", , weekday = ""] = words;
  return words.length === 5 && (/[LW?]/i.test(day) || /#|\?|\dL|^[a-z]{3}L/i.test(weekday));
}

function parseEvery(text: string): ExpressionReading {
  const at = text.indexOf("@every") + "@every".length;
  const written = text.slice(at).trim();
  const start = written === "" ? at : text.indexOf(written, at);
  const refuse = (what: string, fix: string): ExpressionReading => ({
    ok: false,
    flaw: { ...bad(what, fix).flaw, at: start },
  });
  if (written === "") return refuse("`@every` needs a duration", "write it like @every 5m");
  const duration = parseDuration(written);
  if (!duration.ok) return refuse(duration.flaw.what, duration.flaw.fix);
  if (duration.value < SHORTEST_EVERY_MS || duration.value > LONGEST_EVERY_MS) {
    const bounds = `${formatDuration(SHORTEST_EVERY_MS)} to ${formatDuration(LONGEST_EVERY_MS)}`;
    return refuse(`${quoted(written)} is out of bounds for \`@every\``, `choose from ${bounds}`);
  }
  return { ok: true, schedule: { kind: "every", everyMs: duration.value }, remarks: [], end: text.length };
}
