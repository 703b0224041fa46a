/** A line of output: as cells while a program may still write into it, and as few spans for the thousands that are over. */
import { type Attr, PLAIN } from "./attr.ts";

export interface Span {
  readonly text: string;
  readonly attr: Attr;
}

export interface TextLine {
  readonly spans: readonly Span[];
  /** When it came, if we were there; milliseconds of the wall clock. */
  readonly at: number | null;
  /** Put there by the person who reads. */
  readonly isMark?: true;
  /** Who wrote it, where several are merged. */
  readonly from?: string;
}

/** By column; the second cell of a wide character is empty. */
export interface Open {
  glyphs: string[];
  attrs: Attr[];
  at: number | null;
}

export function spansOf({ glyphs, attrs }: Open): Span[] {
  const spans: Span[] = [];
  let length = glyphs.length;
  while (length > 0 && glyphs[length - 1] === " " && attrs[length - 1] === PLAIN) length--;
  for (let at = 0; at < length; ) {
    const attr = attrs[at]!;
    let end = at;
    while (end < length && attrs[end] === attr) end++;
    // In one piece: text that grows by single characters stays a chain of them in memory.
    spans.push({ text: glyphs.slice(at, end).join(""), attr });
    at = end;
  }
  return spans;
}

/** What it costs to keep. */
export function lengthOf({ spans }: TextLine): number {
  let sum = 40; // What a line costs without a character.
  for (const { text } of spans) sum += text.length;
  return sum;
}
