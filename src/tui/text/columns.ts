/**
 * How text falls into the cells of a terminal. A cell holds one character with the marks above and below it; wide characters
 * (CJK, emoji) take two. What could move the cursor, turn the reading direction or join what terminals join differently is left
 * out here, so nothing that goes through `cells` can reach beyond its place.
 */

/** Nearly every text: harmless, and a column for each character. */
const ORDINARY = /^[\x20-\x7e]*$/;

/** More are drawn over each other by no sensible writing; a terminal would carry them all. */
export const MOST_MARKS = 4;

// Made when the first such character comes: to build these tables takes a millisecond, and most texts need none.
let tables: { readonly mark: RegExp; readonly drop: RegExp; readonly wide: RegExp } | null = null;
const unicode = () => {
  tables ??= {
    // Also vowels and finals of Hangul that join what is before them.
    mark: /^[\p{Mn}\p{Me}\u1160-\u11ff]$/u,
    // Controls, formats (ZWJ, bidi), separators, skin tones: terminals disagree about their width.
    drop: /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Emoji_Modifier}]$/u,
    // East Asian wide and fullwidth, and emoji that are drawn as pictures; a flag is two letters of one column each.
    wide: /^(?![\u{1f1e6}-\u{1f1ff}])(?:[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})$/u,
  };
  return tables;
};

/** Columns of one character (a code point); 0: it joins what is before it; -1: it is left out. */
export function columnsOf(character: string): -1 | 0 | 1 | 2 {
  const code = character.codePointAt(0)!;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code === 0xad) return -1;
  if (code < 0x300) return 1;
  if ((code >= 0xfe00 && code <= 0xfe0f) || code >= 0xe0000) return -1; // Variation selectors, tags, and what nobody draws.
  const { drop, mark, wide } = unicode();
  if (mark.test(character) && !drop.test(character)) return 0;
  if (drop.test(character)) return -1;
  return wide.test(character) ? 2 : 1;
}

/** Calls `each` for every cell: what is in it, and how many columns it takes. */
export function cells(text: string, each: (glyph: string, columns: 1 | 2) => void): void {
  if (ORDINARY.test(text)) {
    for (let at = 0; at < text.length; at++) each(text[at]!, 1);
    return;
  }
  let glyph = "";
  let columns: 1 | 2 = 1;
  let marks = 0;
  for (const character of text) {
    const more = columnsOf(character);
    if (more === -1) continue;
    if (more === 0) {
      if (glyph !== "" && marks++ < MOST_MARKS) glyph += character;
      continue;
    }
    if (glyph !== "") each(glyph, columns);
    glyph = character;
    columns = more;
    marks = 0;
  }
  if (glyph !== "") each(glyph, columns);
}

export function width(text: string): number {
  if (ORDINARY.test(text)) return text.length;
  let sum = 0;
  cells(text, (_, columns) => {
    sum += columns;
  });
  return sum;
}

/** At most so many columns; `more` marks that something is missing. */
export function cut(text: string, columns: number, more = "…"): string {
  if (columns <= 0) return "";
  if (width(text) <= columns) return text;
  let kept = "";
  let used = 0;
  let isFull = false;
  cells(text, (glyph, taken) => {
    isFull ||= used + taken > columns - 1;
    if (isFull) return;
    kept += glyph;
    used += taken;
  });
  return kept + more;
}

export function padded(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}

export function paddedLeft(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - width(text))) + text;
}

/** Words broken into lines of at most so many columns; a word that is too long is broken where it must. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/ +/)) {
    let rest = word;
    while (width(rest) > columns) {
      const room = columns - (line === "" ? 0 : width(line) + 1);
      const head = room > columns / 2 || line === "" ? firstColumns(rest, line === "" ? columns : room) : "";
      if (head !== "") line = line === "" ? head : `${line} ${head}`;
      lines.push(line);
      line = "";
      rest = rest.slice(head.length);
    }
    if (line !== "" && width(line) + 1 + width(rest) > columns) {
      lines.push(line);
      line = rest;
    } else line = line === "" ? rest : `${line} ${rest}`;
  }
  return [...lines, line];
}

/** As it stands in the text, so that the rest follows by length. */
function firstColumns(text: string, columns: number): string {
  let taken = "";
  let used = 0;
  for (const character of text) {
    const more = Math.max(0, columnsOf(character));
    if (used + more > columns && taken !== "") break;
    taken += character;
    used += more;
  }
  return taken;
}
