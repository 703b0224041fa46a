/**
 * How a cell looks, as one number, because a screen has ten thousand of them and each is compared at every redraw:
 *
 *   bits 0–8   background, 0–255 or DEFAULT
 *   bits 9–17  foreground, the same
 *   bits 18–   BOLD UNDERLINE BLINK INVERSE, as the screen library counts them
 */
export type Attr = number;

export const DEFAULT = 0x1ff;
export const BOLD = 1;
export const UNDERLINE = 2;
export const INVERSE = 8;

export interface Look {
  /** 0–255; null: the terminal's own. */
  readonly fg?: number | null;
  readonly bg?: number | null;
  readonly bold?: boolean;
  readonly underline?: boolean;
  readonly inverse?: boolean;
}

export const PLAIN: Attr = (DEFAULT << 9) | DEFAULT;

export function attr({ fg, bg, bold, underline, inverse }: Look): Attr {
  const flags = (bold ? BOLD : 0) | (underline ? UNDERLINE : 0) | (inverse ? INVERSE : 0);
  return (flags << 18) | ((fg ?? DEFAULT) << 9) | (bg ?? DEFAULT);
}

export const fgOf = (of: Attr): number => (of >> 9) & 0x1ff;
export const bgOf = (of: Attr): number => of & 0x1ff;
export const flagsOf = (of: Attr): number => of >> 18;

export function withColours(of: Attr, fg: number, bg: number): Attr {
  return (flagsOf(of) << 18) | (fg << 9) | bg;
}

export function withFlags(of: Attr, flags: number): Attr {
  return (flags << 18) | (of & 0x3ffff);
}

/** A row that is chosen: its background, or turned round where there are no colours. What a cell says for itself stays. */
export function over(of: Attr, chosen: Attr): Attr {
  if ((flagsOf(chosen) & INVERSE) !== 0) return withFlags(withColours(of, DEFAULT, DEFAULT), INVERSE | flagsOf(of));
  return withColours(of, fgOf(of), bgOf(chosen));
}

/** The same without colours: weight, underline and inverse stay. */
export function colourless(of: Attr): Attr {
  return withColours(of, DEFAULT, DEFAULT);
}

/** The nearest of the 256 that terminals agree on (a cube of 6×6×6 and a row of greys). */
export function nearestOf256(red: number, green: number, blue: number): number {
  const byte = (value: number): number => Math.max(0, Math.min(255, value | 0));
  const [r, g, b] = [byte(red), byte(green), byte(blue)];
  const step = (value: number): number => (value < 48 ? 0 : value < 115 ? 1 : Math.floor((value - 35) / 40));
  const level = (index: number): number => (index === 0 ? 0 : 55 + 40 * index);
  const [x, y, z] = [step(r), step(g), step(b)];
  const grey = Math.max(0, Math.min(23, Math.round(((r + g + b) / 3 - 8) / 10)));
  const far = (a: number, c: number, d: number): number => (r - a) ** 2 + (g - c) ** 2 + (b - d) ** 2;
  const shade = 8 + 10 * grey;
  return far(level(x), level(y), level(z)) <= far(shade, shade, shade) ? 16 + 36 * x + 6 * y + z : 232 + grey;
}
