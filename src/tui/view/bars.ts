/** Bars and lanes, of characters. */

import type { Piece } from "./canvas.ts";
import type { InkName, Looks } from "./looks.ts";

/** `share` from 0 to 1. Loud only where it is nearly full. */
export function bar(share: number, columns: number, { ink, signs }: Looks, calm: InkName = "good"): Piece[] {
  const bounded = Math.min(Math.max(Number.isFinite(share) ? share : 0, 0), 1);
  const full = Math.round(bounded * columns);
  return [
    { text: signs.full.repeat(full), attr: ink[inkOfShare(bounded, calm)] },
    { text: signs.empty.repeat(columns - full), attr: ink.rule },
  ];
}

export function inkOfShare(share: number, calm: InkName): InkName {
  return share >= 0.95 ? "bad" : share >= 0.85 ? "warn" : calm;
}

/** Values as a line of little columns, the newest at the right. */
export function sparkline(values: readonly number[], columns: number, most: number, { signs }: Looks): string {
  const shown = values.slice(-columns);
  const levels = [...signs.levels];
  return shown
    .map(
      (value) =>
        levels[Math.min(levels.length - 1, Math.floor((value / Math.max(most, 1e-9)) * levels.length))] ?? levels[0]!,
    )
    .join("");
}

/** How far a start is, where its phase says so: “loading weights 3/8”, “42%”. null: it does not. */
export function progressIn(phase: string): number | null {
  const [, percent] = /(\d{1,3}(?:\.\d+)?) ?%/.exec(phase) ?? [];
  if (percent !== undefined) return Math.min(1, Number(percent) / 100);
  const [, done, all] = /\b(\d{1,6}) ?(?:\/|of) ?(\d{1,6})\b/.exec(phase) ?? [];
  return done !== undefined && all !== undefined && Number(all) > 0 ? Math.min(1, Number(done) / Number(all)) : null;
}
