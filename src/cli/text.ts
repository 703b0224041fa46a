/**
 * Text that somebody else wrote, made fit for a terminal: what could move the cursor, hide a line or answer in the
 * person's place is shown instead of obeyed, and widths are counted in columns as terminals do.
 */

// Control characters, the C1 ones that some terminals obey, line separators, and what turns the reading direction.
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Nearly every text: harmless, and a column for each character. */
const ORDINARY = /^[\x20-\x7e]*$/;

/** One line that is only seen: `\x1b[2J` stays visible as those characters. */
export function plain(text: string): string {
  if (ORDINARY.test(text)) return text;
  return text.replace(UNSAFE, (character) => {
    switch (character) {
      case "\n":
        return "\\n";
      case "\r":
        return "\\r";
      case "\t":
        return " ";
    }
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}

/** As `plain`, but line breaks stay. */
export function plainLines(text: string): string {
  return text.split("\n").map(plain).join("\n");
}

/** How many columns a terminal takes for it. */
export function width(text: string): number {
  if (ORDINARY.test(text)) return text.length;
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

/** At most this many columns; what is cut off is marked by `…`. */
export function cut(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  if (columns <= 0) return "";
  let kept = "";
  let used = 0;
  for (const character of text) {
    const more = columnsOf(character);
    if (used + more > columns - 1) break;
    kept += character;
    used += more;
  }
  return `${kept}…`;
}

export function pad(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - width(text)));
}

// Made when the first such character comes: to build these tables takes a millisecond, and most texts need none.
const isZeroWidth = (character: string): boolean => /^[\p{Mn}\p{Me}\p{Cf}]$/u.test(character);
// East Asian wide and fullwidth letters, and emoji that are drawn as pictures.
const isWide = (character: string): boolean =>
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]$|^\p{Emoji_Presentation}$/u.test(
    character,
  );

function columnsOf(character: string): number {
  const code = character.codePointAt(0)!;
  if (code < 0x300) return 1;
  if (isZeroWidth(character)) return 0;
  return isWide(character) ? 2 : 1;
}
