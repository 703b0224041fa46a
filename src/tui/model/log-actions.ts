/** The keys of a log. */
import { notice, type Outcome, said } from "./act.ts";
import type { Command } from "./command.ts";
import {
  ALL_BYTES,
  firstLine,
  hitFrom,
  jumpedTo,
  logNow,
  newestRun,
  opened,
  paneSize,
  scrolled,
  topOf,
  withPlace,
} from "./logs.ts";
import type { LogSource, Model, OpenLog } from "./model.ts";

/** Its log on the whole screen. */
export function openLog(model: Model): Outcome {
  const { chosen } = model.lists[model.view];
  if (chosen === null) return said(model, "nothing is chosen", "quiet");
  if (model.view === "jobs" && model.chosenRun === null && newestRun(model, chosen) === null) {
    return said(model, `${chosen} has not run yet`, "quiet");
  }
  const ask: Command[] = model.view === "services" ? [{ do: "ask", question: { about: "runs", name: chosen } }] : [];
  return [
    { ...model, pane: "log", paneBehind: model.paneBehind ?? model.pane, isFull: true, focus: "pane", askedLog: null },
    ask,
  ];
}

export function actOnLog(model: Model, action: string): Outcome {
  const log = logNow(model);
  if (log === null) return [model, []];
  const { place, text } = log;
  const { rows, columns } = paneSize(model);
  switch (action) {
    case "scroll up":
      return [scrolled(model, -1), []];
    case "scroll down":
      return [scrolled(model, 1), []];
    case "page up":
      return [scrolled(model, -Math.max(1, rows - 1)), []];
    case "page down":
      return [scrolled(model, Math.max(1, rows - 1)), []];
    case "top":
      return [withPlace(model, log, { follows: false, top: firstLine(log, model.now) }), []];
    case "bottom":
      return [withPlace(model, log, { follows: true }), []];
    case "follow": {
      const { line } = topOf(log, rows, columns, model.now);
      return [withPlace(model, log, { follows: !place.follows, top: line }), []];
    }
    case "wrap":
      return [withPlace(model, log, { wraps: !place.wraps, shift: 0 }), []];
    case "times":
      return [withPlace(model, log, { showsTimes: !place.showsTimes }), []];
    case "left":
      return [withPlace(model, log, { shift: Math.max(0, place.shift - 10) }), []];
    case "right":
      return place.wraps
        ? said(model, "lines are wrapped: w cuts them", "quiet")
        : [withPlace(model, log, { shift: place.shift + 10 }), []];
    case "search":
      return [{ ...model, prompt: { for: "search", text: "", before: place.search?.text ?? "" } }, []];
    case "next hit":
      return nextHit(model, log, 1);
    case "previous hit":
      return nextHit(model, log, -1);
    case "marker": {
      const now = new Date(model.now);
      log.text.mark(clock(now), model.now);
      return [{ ...model }, []];
    }
    case "copy":
      return copied(model, shownLines(model, log));
    case "copy line": {
      const line = place.search?.at ?? text.end - 1;
      return copied(model, line < text.first ? [] : [text.plain(line)]);
    }
    case "previous run":
      return otherRun(model, log, 1);
    case "next run":
      return otherRun(model, log, -1);
    default: {
      const range = /^range (.*)$/.exec(action)?.[1];
      return range === undefined ? [model, []] : ranged(model, log, range);
    }
  }
}

/** The view is cleared; the log itself is untouched. */
export function clearedView(model: Model): Model {
  const log = logNow(model);
  return log === null ? model : withPlace(model, log, { from: log.text.end, follows: true });
}

function nextHit(model: Model, log: OpenLog, step: 1 | -1): Outcome {
  const { search } = log.place;
  if (search === null || search.text === "") return said(model, "nothing is searched: / does that", "quiet");
  const from = search.at === null ? (step === 1 ? firstLine(log, model.now) : log.text.end - 1) : search.at + step;
  const line = hitFrom(log, search, from, step, model.now);
  if (line !== null) return [jumpedTo(model, log, search, line), []];
  const around = hitFrom(log, search, step === 1 ? firstLine(log, model.now) : log.text.end - 1, step, model.now);
  if (around === null) return said(model, `“${search.text}” is not in it`, "quiet");
  const next = jumpedTo(model, log, search, around);
  return [
    {
      ...next,
      notice: notice(model, `searched around ${step === 1 ? "from the beginning" : "from the end"}`, "quiet"),
    },
    [],
  ];
}

function shownLines(model: Model, log: OpenLog): string[] {
  const { rows, columns } = paneSize(model);
  const { line } = topOf(log, rows, columns, model.now);
  const lines: string[] = [];
  for (let number = line; number < log.text.end && lines.length < rows; number++) lines.push(log.text.plain(number));
  return lines;
}

export function copied(model: Model, lines: readonly string[]): Outcome {
  if (lines.length === 0) return said(model, "there is nothing to copy", "quiet");
  const what = lines.length === 1 ? "a line" : `${lines.length} lines`;
  return [
    { ...model, notice: notice(model, `${what} sent to the clipboard (if the terminal lets it: OSC 52)`, "good") },
    [{ do: "copy", text: `${lines.join("\n")}\n` }],
  ];
}

function ranged(model: Model, log: OpenLog, range: string): Outcome {
  const { source } = log;
  switch (range) {
    case "tail":
      return [
        withPlace({ ...model, askedLog: null }, logNow({ ...model, askedLog: null }) ?? log, {
          range: "tail",
          follows: true,
          from: 0,
        }),
        [],
      ];
    case "1m":
    case "5m":
    case "1h":
      return [
        {
          ...withPlace(model, log, { range, follows: true }),
          notice: notice(
            model,
            `the last ${range}: lines that came while we watched, or that begin with a time`,
            "quiet",
          ),
        },
        [],
      ];
    case "run": {
      if (source.kind !== "service") return [model, []];
      const [start] = model.runStarts.get(source.name) ?? [];
      if (start === undefined)
        return said(model, "where this run begins is not known: svcd's core is younger than it", "quiet");
      return [
        asked(model, {
          kind: "service",
          name: source.name,
          run: start.run,
          begin: { from: start.position },
          until: null,
        }),
        [],
      ];
    }
    default: {
      if (source.kind !== "service") return [model, []];
      return [
        asked(model, { kind: "service", name: source.name, run: null, begin: { bytes: ALL_BYTES }, until: null }),
        [],
      ];
    }
  }
}

function asked(model: Model, source: LogSource): Model {
  return { ...opened({ ...model, askedLog: source }, source), askedLog: source };
}

function otherRun(model: Model, log: OpenLog, back: 1 | -1): Outcome {
  const { source } = log;
  if (source.kind === "merged") return [model, []];
  if (source.kind === "job") {
    const status = model.jobs.find(({ name }) => name === source.name);
    const over = (model.histories.get(source.name) ?? []).flatMap(({ run }) => (run === null ? [] : [run]));
    const runs = [...new Set([...(status?.runs ?? []).map(({ run }) => run), ...over])].sort((a, b) => b - a);
    const next = runs[runs.indexOf(source.run) + back];
    if (next === undefined)
      return said(model, back === 1 ? "that is the oldest run that is kept" : "that is the newest run", "quiet");
    return [{ ...model, chosenRun: next }, []];
  }
  const starts = model.runStarts.get(source.name);
  if (starts === undefined) {
    const askedRun = back === 1 ? "previous run" : "next run";
    return [{ ...model, askedRun }, [{ do: "ask", question: { about: "runs", name: source.name } }]];
  }
  const at = source.run === null ? 0 : starts.findIndex(({ run }) => run === source.run);
  const start = starts[at + back];
  if (start === undefined) {
    return said(
      model,
      back === 1 ? "no earlier run is known: svcd's core began after it" : "that is the present run",
      "quiet",
    );
  }
  const until = starts[at + back - 1]?.position ?? null;
  return [
    asked(model, { kind: "service", name: source.name, run: start.run, begin: { from: start.position }, until }),
    [],
  ];
}

export function clock(date: Date): string {
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}
