/**
 * From the words people give (`web`, `web-*`, `gpu:*`, `all`) to names of services.
 */
import { nearest } from "../plan/suggest.ts";
import type { Selection } from "./answers.ts";

export interface Selectable {
  readonly name: string;
  readonly groups: readonly string[];
}

/** Names in the order of `services`; each once. A word that fits nothing is given back with the nearest name. */
export function select(words: readonly string[], services: readonly Selectable[]): Selection {
  const names = services.map(({ name }) => name);
  const chosen = new Set<string>();
  const unknown: { word: string; suggestion: string | null }[] = [];
  for (const word of words) {
    const fits = services.filter((service) => matches(word, service));
    for (const { name } of fits) chosen.add(name);
    if (fits.length === 0 && word !== "all") unknown.push({ word, suggestion: nearest(word, names) });
  }
  return { names: names.filter((name) => chosen.has(name)), unknown };
}

function matches(word: string, { name, groups }: Selectable): boolean {
  if (word === "all" || word === name) return true;
  const [group, member] = splitGroup(word);
  if (group !== null) return groups.includes(group) && (member === "" || glob(member).test(name));
  // The name of a replicated service means all of its replicas.
  return (
    groups.some((own) => own === word && name.startsWith(`${own}@`)) || (/[*?[]/.test(word) && glob(word).test(name))
  );
}

function splitGroup(word: string): [group: string | null, member: string] {
  const colon = word.indexOf(":");
  return colon === -1 ? [null, word] : [word.slice(0, colon), word.slice(colon + 1)];
}

/** `*`, `?` and `[abc]` as in a shell, for the whole name. */
function glob(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /^$/; // `[` without its end fits nothing.
  }
}
