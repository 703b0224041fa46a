/** Moving in lists and pages: choice, marks, order, scrolling. */
import { layout, listRows, paneRows } from "../view/layout.ts";
import type { Outcome } from "./act.ts";
import { itemsOf, moved } from "./items.ts";
import type { ListPlace, Model, SortKey } from "./model.ts";

export function withList(model: Model, changes: Partial<ListPlace>): Model {
  return { ...model, lists: { ...model.lists, [model.view]: { ...model.lists[model.view], ...changes } } };
}

/** Another item: its pane begins anew. */
export function changedChoice(before: Model, after: Model): Model {
  if (before.lists[after.view].chosen === after.lists[after.view].chosen) return after;
  return { ...after, paneTop: 0, chosenRun: null, askedLog: null };
}

export function onList(model: Model, action: string): Outcome {
  const place = model.lists[model.view];
  const items = itemsOf(model);
  const rows = listRows(model);
  const by = (steps: number): Outcome => [changedChoice(model, withList(model, moved(place, items, steps, rows))), []];
  switch (action) {
    case "up":
      return by(-1);
    case "down":
      return by(1);
    case "page up":
      return by(-rows);
    case "page down":
      return by(rows);
    case "top":
      return by(-items.length);
    case "bottom":
      return by(items.length);
    case "filter":
      return [{ ...model, prompt: { for: "filter", text: place.filter, before: place.filter } }, []];
    case "mark": {
      if (place.chosen === null) return [model, []];
      const marks = new Set(place.marks);
      if (!marks.delete(place.chosen)) marks.add(place.chosen);
      const next = withList(model, { marks });
      return [changedChoice(model, withList(next, moved(next.lists[next.view], items, 1, rows))), []];
    }
    case "mark all":
      return [
        withList(model, { marks: items.every((item) => place.marks.has(item)) ? new Set() : new Set(items) }),
        [],
      ];
    default: {
      const sort = /^sort (.*)$/.exec(action)?.[1] as SortKey | undefined;
      if (sort === undefined) return [model, []];
      return [sortedBy(model, sort), []];
    }
  }
}

export function sortedBy(model: Model, sort: SortKey): Model {
  const place = model.lists[model.view];
  const isAgain = place.sort === sort;
  const next = withList(model, { sort, isDescending: isAgain && !place.isDescending });
  const items = itemsOf(next);
  // To a person who sorts, the order is the answer: the choice goes along, the top is shown.
  return withList(next, moved({ ...next.lists[next.view], top: 0 }, items, 0, listRows(next)));
}

export function onPage(model: Model, action: string): Model {
  const rows = paneRows(model);
  const to = (top: number): Model => ({ ...model, paneTop: Math.max(0, top) });
  if (model.view === "jobs" && model.pane === "runs" && !/page|top|bottom/.test(action)) {
    return chooseRun(model, action === "scroll up" ? -1 : 1);
  }
  switch (action) {
    case "scroll up":
      return to(model.paneTop - 1);
    case "scroll down":
      return to(model.paneTop + 1);
    case "page up":
      return to(model.paneTop - rows + 1);
    case "page down":
      return to(model.paneTop + rows - 1);
    case "top":
      return to(0);
    case "bottom":
      return to(Number.MAX_SAFE_INTEGER);
    default:
      return model;
  }
}

/** Among the runs of a job, newest first. */
function chooseRun(model: Model, by: number): Model {
  const { chosen: job } = model.lists.jobs;
  const status = model.jobs.find(({ name }) => name === job);
  const live = [...(status?.runs ?? [])].reverse().map(({ run }) => run);
  const over = (model.histories.get(job ?? "") ?? []).flatMap(({ run }) => (run === null ? [] : [run]));
  const runs = [...new Set([...live, ...over])];
  if (runs.length === 0) return model;
  const at = model.chosenRun === null ? -1 : runs.indexOf(model.chosenRun);
  const index = Math.min(Math.max(at + by, 0), runs.length - 1);
  const room = (layout(model).pane?.rows ?? 2) - 1;
  const paneTop = Math.min(Math.max(model.paneTop, index - room + 1), index);
  return { ...model, chosenRun: runs[index]!, paneTop };
}
