/** The palette: every action that can be done now, and every service and job to go to, by the letters of their names. */

import { isSubsequence } from "./items.ts";
import { type Binding, bindingsNow, type Keymap } from "./keymap.ts";
import type { Model, ViewName } from "./model.ts";

export interface Entry {
  readonly title: string;
  readonly says: string;
  /** null: it leads to `name`. */
  readonly binding: Binding | null;
  readonly view: ViewName;
  readonly name: string;
}

const MOST = 200;

export function entriesOf(model: Model, keymap: Keymap, text: string): readonly Entry[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [
    ...bindingsNow(keymap, model)
      .filter(({ action }) => action !== "palette")
      .map((binding): Entry => ({ title: binding.action, says: binding.says, binding, view: model.view, name: "" })),
    ...model.services.map(
      ({ name, description }): Entry => ({
        title: name,
        says: description || "go to the service",
        binding: null,
        view: "services",
        name,
      }),
    ),
    ...model.jobs.map(
      ({ name, description }): Entry => ({
        title: name,
        says: description || "go to the job",
        binding: null,
        view: "jobs",
        name,
      }),
    ),
  ];
  const rank = (entry: Entry): number => {
    const title = entry.title.toLowerCase();
    if (words.length === 0) return 0;
    if (title.startsWith(words[0]!)) return 0;
    return title.includes(words[0]!) ? 1 : 2;
  };
  return all
    .filter(({ title, says }) => {
      const whole = `${title} ${says}`.toLowerCase();
      return words.every((word) => isSubsequence(word, title.toLowerCase()) || whole.includes(word));
    })
    .map((entry, index) => ({ entry, index }))
    .sort((a, b) => rank(a.entry) - rank(b.entry) || a.index - b.index)
    .slice(0, MOST)
    .map(({ entry }) => entry);
}
