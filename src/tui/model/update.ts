/** The one function that changes the model: what happened goes in, the next model and what the edge shall do come out. */
import type { ActionResult } from "../../control/daemon.ts";
import { isTooSmall, listRows } from "../view/layout.ts";
import { notice, type Outcome } from "./act.ts";
import { type Deed, verbOf } from "./command.ts";
import { keepingPlaces, withEvent, withOutput, without, withPast, withSample } from "./facts.ts";
import { itemsOf, kept } from "./items.ts";
import type { Keymap } from "./keymap.ts";
import { withKey, withPaste } from "./keys.ts";
import { actOnLog } from "./log-actions.ts";
import { withLog, withLogOpen } from "./logs.ts";
import type { Message } from "./message.ts";
import type { Model } from "./model.ts";
import { needed } from "./needed.ts";
import { withMouse } from "./pointing.ts";

/** An action that nothing came of: its sign is taken away. */
const PENDING_AT_MOST_MS = 60_000;

/** `now`: milliseconds of the wall clock. */
export function update(before: Model, message: Message, keymap: Keymap, now: number = before.now): Outcome {
  const model = before.now === now ? before : { ...before, now };
  const [changed, commands] = step(model, message, keymap);
  const next = withLogOpen(firstChosen(keepingPlaces(model, changed)));
  return [next, [...commands, ...needed(model, next)]];
}

function step(model: Model, message: Message, keymap: Keymap): Outcome {
  switch (message.type) {
    case "key":
      return tooSmall(model, message.key) ?? withKey(model, message.key, keymap);
    case "paste":
      return withPaste(model, message.text);
    case "mouse":
      return isTooSmall(model) ? [model, []] : withMouse(model, message, keymap);
    case "resize":
      return [{ ...model, drawn: null, columns: message.columns, rows: message.rows }, []];
    case "tick":
      return [ticked(model), []];
    case "connection":
      return connected(model, message.isThere);
    case "everything": {
      const { health, services, jobs, mistakes, troubles } = message;
      const heardAt = new Map(services.map(({ name }) => [name, model.now]));
      return [{ ...model, connection: "there", health, services, heardAt, jobs, mistakes, troubles }, []];
    }
    case "sample":
      return [withSample(model, message.machine, message.usage), []];
    case "idle":
      return [{ ...model, idle: message.idle }, []];
    case "routes":
      return [{ ...model, routes: message.routes }, []];
    case "gpus":
      return [{ ...model, gpus: message.gpus }, []];
    case "event":
      return withEvent(model, message.id, message.event);
    case "past":
      return [withPast(model, message.events), []];
    case "detail":
      return [{ ...model, details: new Map([...model.details, [message.detail.status.name, message.detail]]) }, []];
    case "why":
      return [{ ...model, whys: new Map([...model.whys, [message.why.status.name, message.why]]) }, []];
    case "job why":
      return [{ ...model, jobWhys: new Map([...model.jobWhys, [message.why.status.name, message.why]]) }, []];
    case "job detail":
      return [{ ...model, jobDefinitions: new Map([...model.jobDefinitions, [message.name, message.definition]]) }, []];
    case "history":
      return [{ ...model, histories: new Map([...model.histories, [message.name, message.records]]) }, []];
    case "runs":
      return withRuns({ ...model, runStarts: new Map([...model.runStarts, [message.name, message.starts]]) });
    case "output":
      return [withOutput(model, message.key, message.text, message.position, message.isNew), []];
    case "log over":
      return [withLog(model, message.key, { flaw: message.flaw, isOver: true }), []];
    case "done":
      return [done(model, message.deed, message.results), []];
    case "failed":
      return [
        { ...model, pending: without(model.pending, message.names), notice: notice(model, message.what, "bad") },
        [],
      ];
    case "drafted":
      return [{ ...model, overlay: { is: "review", draft: message.draft, top: 0, button: 0 } }, []];
    case "installed": {
      const { mistakes } = message.report;
      const text = mistakes.length === 0 ? `${message.subject}: applied` : `${message.subject}: applied, with mistakes`;
      return [
        {
          ...model,
          overlay: null,
          details: new Map(),
          notice: notice(model, text, mistakes.length === 0 ? "good" : "bad"),
        },
        [{ do: "ask", question: { about: "everything" } }],
      ];
    }
    case "notice":
      return [{ ...model, notice: notice(model, message.text, message.weight) }, []];
  }
}

/** Below the least size there is one page, and one way out. */
function tooSmall(model: Model, key: string): Outcome | null {
  if (!isTooSmall(model)) return null;
  return /^(q|C-c|f10)$/.test(key) ? [model, [{ do: "quit" }]] : [model, []];
}

/** What is older than a moment is no news, and what has not come by now does not come. */
function ticked(model: Model): Model {
  const { now } = model;
  const hasExpired = model.notice !== null && model.notice.until <= now;
  const late = [...model.pending].filter(([, { since }]) => now - since > PENDING_AT_MOST_MS).map(([name]) => name);
  return {
    ...model,
    ...(hasExpired ? { notice: null } : {}),
    ...(late.length > 0 ? { pending: without(model.pending, late) } : {}),
  };
}

function connected(model: Model, isThere: boolean): Outcome {
  if (isThere) {
    // What happened meanwhile is asked for; place, filter and choice are the person's and stay.
    return [{ ...model, connection: "there" }, [{ do: "ask", question: { about: "everything" } }]];
  }
  if (model.connection === "lost") return [model, []];
  return [
    { ...model, connection: model.connection === "first" ? "first" : "lost", lostAt: model.now, pending: new Map() },
    [],
  ];
}

function done(model: Model, deed: Deed, results: readonly ActionResult[]): Model {
  const refused = results.filter(({ outcome }) => outcome === "refused");
  const over = results.filter(({ outcome }) => outcome !== "done").map(({ name }) => name);
  const settledNow = results
    .map(({ name }) => name)
    .filter((name) => isSettled(model, name, deed) || model.jobs.some((job) => job.name === name));
  const pending = without(model.pending, [...over, ...settledNow]);
  const [first] = refused.length > 0 ? refused : results;
  if (first === undefined) return { ...model, pending };
  const others = (refused.length > 0 ? refused : results).length - 1;
  const text = `${first.name}: ${first.what}${others > 0 ? `, and ${others} more` : ""}`;
  return { ...model, pending, notice: notice(model, text, refused.length > 0 ? "bad" : "good") };
}

/** Its event came before the answer. */
function isSettled(model: Model, name: string, deed: Deed): boolean {
  const state = model.services.find((service) => service.name === name)?.state;
  if (deed.kind === "start") return state === "RUNNING";
  if (deed.kind === "stop" || deed.kind === "kill" || deed.kind === "disable") return state === "STOPPED";
  return verbOf(deed) === "clear";
}

function withRuns(model: Model): Outcome {
  const { askedRun } = model;
  return askedRun === null ? [model, []] : actOnLog({ ...model, askedRun: null }, askedRun);
}

/** Somebody is chosen from the first list on. */
function firstChosen(model: Model): Model {
  const place = model.lists[model.view];
  if (place.chosen !== null) return model;
  const items = itemsOf(model);
  if (items.length === 0) return model;
  return { ...model, lists: { ...model.lists, [model.view]: kept(place, items, items, listRows(model)) } };
}
