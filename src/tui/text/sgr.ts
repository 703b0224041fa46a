/** Select Graphic Rendition (ECMA-48, `ESC [ … m`): colours and weights of a program's output, as attributes. */
import {
  type Attr,
  BOLD,
  bgOf,
  DEFAULT,
  fgOf,
  flagsOf,
  INVERSE,
  nearestOf256,
  PLAIN,
  UNDERLINE,
  withColours,
  withFlags,
} from "./attr.ts";

/** Parameters as they stand between `[` and `m`. What is not known changes nothing; hidden and blinking text is shown plainly. */
export function afterSgr(before: Attr, parameters: string): Attr {
  const numbers = parameters.split(/[;:]/).map((text) => (text === "" ? 0 : Number(text)));
  let now = before;
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at]!;
    if (code === 38 || code === 48) {
      const [colour, used] = extended(numbers, at + 1);
      at += used;
      if (colour === null) continue;
      now = code === 38 ? withColours(now, colour, bgOf(now)) : withColours(now, fgOf(now), colour);
    } else now = afterOne(now, code);
  }
  // Writing on its own colour is a way to hide it.
  return fgOf(now) === bgOf(now) && fgOf(now) !== DEFAULT ? withColours(now, fgOf(now), DEFAULT) : now;
}

function afterOne(now: Attr, code: number): Attr {
  const flags = flagsOf(now);
  if (code >= 30 && code <= 37) return withColours(now, code - 30, bgOf(now));
  if (code >= 90 && code <= 97) return withColours(now, code - 82, bgOf(now));
  if (code >= 40 && code <= 47) return withColours(now, fgOf(now), code - 40);
  if (code >= 100 && code <= 107) return withColours(now, fgOf(now), code - 92);
  switch (code) {
    case 0:
      return PLAIN;
    case 1:
      return withFlags(now, flags | BOLD);
    case 2: // Faint: no attribute of ours, and grey says the same.
      return fgOf(now) === DEFAULT ? withColours(now, 8, bgOf(now)) : now;
    case 4:
      return withFlags(now, flags | UNDERLINE);
    case 7:
      return withFlags(now, flags | INVERSE);
    case 22:
      return withFlags(now, flags & ~BOLD);
    case 24:
      return withFlags(now, flags & ~UNDERLINE);
    case 27:
      return withFlags(now, flags & ~INVERSE);
    case 39:
      return withColours(now, DEFAULT, bgOf(now));
    case 49:
      return withColours(now, fgOf(now), DEFAULT);
    default:
      return now;
  }
}

/** After 38 or 48: `5;N`, or `2;R;G;B`. The colour, and how many numbers were read. */
function extended(numbers: readonly number[], at: number): [colour: number | null, used: number] {
  const [kind, a = 0, b = 0, c = 0] = numbers.slice(at, at + 4);
  if (kind === 5) return [a >= 0 && a <= 255 ? a | 0 : null, 2];
  if (kind === 2) return [nearestOf256(a, b, c), 4];
  return [null, 1];
}
