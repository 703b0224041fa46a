/**
 * Durations and sizes as people write them: `200ms`, `1m30s`, `1.5s`, `2d`; `50M`, `1GiB`, `512k`.
 *
 * A bare number is seconds, or bytes. Sizes count in 1024s whatever the spelling (`M`, `MB`, `MiB`), as Compose does.
 */
import { bad, good, quoted, type Reading } from "./flaw.ts";

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const BYTES: Readonly<Record<string, number>> = { b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** Ten years: longer is a slip of the pen, and every sum of instants stays an exact integer. */
const LONGEST_MS = 3650 * 86_400_000;

export const DURATION_PATTERN = /^(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d|w) *)+)$/;
export const SIZE_PATTERN = /^\d+(\.\d+)? *([bB]|[kKmMgGtT]([iI]?[bB])?)?$/;

export const DURATION_FIX = "write it like 200ms, 45s, 1m30s, 1h or 2d (a bare number is seconds)";
export const SIZE_FIX = "write it like 512k, 50M or 1G (a bare number is bytes)";

/** Milliseconds, rounded to whole ones. */
export function parseDuration(text: string): Reading<number> {
  const written = text.trim();
  const no = bad(`${quoted(text)} is not a duration`, DURATION_FIX);
  if (written.length > 100 || !DURATION_PATTERN.test(written)) return no;
  if (/^[\d.]+$/.test(written)) return shortEnough(Number(written) * 1000, text);
  let total = 0;
  const seen = new Set<string>();
  for (const [, amount, unit] of written.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw]) */g)) {
    if (seen.has(unit!)) return bad(`${quoted(text)} says \`${unit}\` twice`, DURATION_FIX);
    seen.add(unit!);
    total += Number(amount) * MS[unit!]!;
  }
  return shortEnough(total, text);
}

function shortEnough(ms: number, text: string): Reading<number> {
  if (ms > LONGEST_MS) return bad(`${quoted(text)} is longer than ten years`, "write a shorter duration");
  return good(Math.round(ms));
}

/** `1m30s`: what `parseDuration` reads back to the same milliseconds. */
export function formatDuration(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1000) return whole === 0 ? "0s" : `${whole}ms`;
  const seconds = (whole % 60_000) / 1000;
  const minutes = Math.floor(whole / 60_000) % 60;
  const hours = Math.floor(whole / 3_600_000) % 24;
  const days = Math.floor(whole / 86_400_000);
  return [days && `${days}d`, hours && `${hours}h`, minutes && `${minutes}m`, seconds && `${seconds}s`]
    .filter(Boolean)
    .join("");
}

/** Bytes, rounded to whole ones. */
export function parseSize(text: string): Reading<number> {
  const written = text.trim();
  if (written.length > 100 || !SIZE_PATTERN.test(written)) return bad(`${quoted(text)} is not a size`, SIZE_FIX);
  const amount = Number.parseFloat(written);
  const unit = /[a-z]/i.exec(written)?.[0].toLowerCase() ?? "b";
  const bytes = Math.round(amount * BYTES[unit]!);
  if (!Number.isSafeInteger(bytes))
    return bad(`${quoted(text)} is more than any disk or memory holds`, "write a smaller size");
  return good(bytes);
}

/** `50M`: the largest unit that needs no fraction. */
export function formatSize(bytes: number): string {
  for (const unit of ["T", "G", "M", "k"]) {
    const size = BYTES[unit.toLowerCase()]!;
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}
