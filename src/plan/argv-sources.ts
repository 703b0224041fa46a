/**
 * Which variables each word of a command came from, for people who ask why a program was given it. A text is split only after its
 * variables were filled in, so one variable may be many words, and a word may hold several.
 */
import { interpolate, type Lookup, variablesIn } from "./interpolate.ts";
import type { Command } from "./plan.ts";
import { splitWords } from "./words.ts";

/** One list for each word of `argv`, in order of appearance; empty for what stands in the file as it is. */
export function argvSources(command: Command, lookup: Lookup, argv: readonly string[]): readonly (readonly string[])[] {
  const nothing = argv.map(() => []);
  switch (command.kind) {
    case "shell":
      return argv.map((_, index) => (index === 2 ? variablesIn(command.text) : []));
    case "words":
      return command.words.map((word) => variablesIn(word).filter((name) => (lookup(name) ?? "") !== ""));
    case "text": {
      const marks = new Marks(lookup);
      const filled = interpolate(command.text, marks.lookup);
      const words = filled.ok ? splitWords(filled.value.text) : filled;
      if (!words.ok) return nothing;
      const sources = marks.namesIn(words.value);
      return sources.length === argv.length ? sources : nothing;
    }
  }
}

/** Characters that no text holds (private use, plane 16) stand around each value while it is split. */
const FIRST_MARK = 0x100000;
const END = String.fromCodePoint(0x10fffd);

class Marks {
  readonly #lookup: Lookup;
  readonly #names: string[] = [];

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  readonly lookup: Lookup = (name) => {
    const value = this.#lookup(name);
    if (value === undefined || value === "") return value; // An empty one must still count as empty.
    this.#names.push(name);
    return `${String.fromCodePoint(FIRST_MARK + this.#names.length - 1)}${value}${END}`;
  };

  namesIn(words: readonly string[]): string[][] {
    const open: string[] = [];
    const sources: string[][] = [];
    for (const word of words) {
      const names = new Set(open);
      let isText = word === "";
      for (const char of word) {
        const mark = char.codePointAt(0)! - FIRST_MARK;
        if (char === END) open.pop();
        else if (mark >= 0 && mark < this.#names.length) {
          open.push(this.#names[mark]!);
          names.add(this.#names[mark]!);
        } else isText = true;
      }
      if (isText) sources.push([...names]); // Marks alone are no word: the value was blank there.
    }
    return sources;
  }
}
