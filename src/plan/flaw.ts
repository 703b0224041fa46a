/**
 * Something wrong in a piece of text, said before anyone knows in which file the text stands.
 *
 * The small readers of this folder (durations, words, templates, …) answer with a `Reading`: the value, or a flaw. Whoever
 * knows the file turns a flaw into a `Mistake` with line and column. Nothing here is thrown: a mistake of a person is a
 * value.
 */
export interface Flaw {
  /** One sentence with the real text in it: "`soon` is not a duration". */
  readonly what: string;
  /** What to write instead. */
  readonly fix: string;
  /** Characters from the start of the text, where that is known better than "in this text". */
  readonly at?: number;
}

export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly flaw: Flaw };

export function good<T>(value: T): Reading<T> {
  return { ok: true, value };
}

export function bad(what: string, fix: string, at?: number): { readonly ok: false; readonly flaw: Flaw } {
  return { ok: false, flaw: at === undefined ? { what, fix } : { what, fix, at } };
}

/** Text from a file as it stands in a message: in backquotes, on one line, not endless. */
export function quoted(text: string): string {
  const oneLine = text.replace(/\s+/g, " ").trim();
  return oneLine.length > 60 ? `\`${oneLine.slice(0, 59)}…\`` : `\`${oneLine}\``;
}

/** `a`, `b` and `c`, the way a sentence lists names. */
export function listed(names: readonly string[], joint = "and"): string {
  const marked = names.map((name) => `\`${name}\``);
  const last = marked.pop() ?? "nothing";
  return marked.length === 0 ? last : `${marked.join(", ")} ${joint} ${last}`;
}
