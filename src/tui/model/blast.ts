/** Before something is done that hurts: who else is concerned, in sentences. */
import type { ServiceStatus } from "../../control/daemon.ts";
import type { Command, Deed } from "./command.ts";
import type { Model } from "./model.ts";
import type { Confirm } from "./overlay.ts";

/** Everybody who needs one of these, directly or not, and is up. Only as far as svcd has told yet. */
export function dependentsOf(model: Model, names: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const visit = (name: string): void => {
    for (const other of model.details.get(name)?.neededBy ?? []) {
      if (found.has(other) || names.includes(other)) continue;
      found.add(other);
      visit(other);
    }
  };
  for (const name of names) visit(name);
  return [...found].filter((name) => isUp(model.services.find((service) => service.name === name))).sort();
}

function isUp(service: ServiceStatus | undefined): boolean {
  return service !== undefined && service.pid !== null;
}

/** null: it may be done at once. */
export function question(model: Model, deed: Deed, names: readonly string[]): Confirm | null {
  const commands: Command[] = [{ do: "act", deed, names }];
  const ask = (does: string, lines: readonly string[]): Confirm => ({
    is: "confirm",
    title: `${does} ${namesInWords(names)}?`,
    lines,
    does,
    commands,
    onYes: false,
  });
  const dependents = dependentsOf(model, names);
  switch (deed.kind) {
    case "stop":
      return ask("Stop", [
        ...whatRuns(model, names),
        ...left(dependents, "without it"),
        "It stays down until somebody starts it, or the machine boots.",
      ]);
    case "kill":
      return ask("Kill", [
        ...whatRuns(model, names),
        "KILL at once: it cannot finish or save anything. It stays down.",
        ...left(dependents, "without it"),
      ]);
    case "hard restart":
      return ask("Kill and restart", [
        ...whatRuns(model, names),
        "KILL at once: it cannot finish or save anything.",
        ...left(dependents, "and lose it meanwhile"),
      ]);
    case "restart":
    case "reload":
      if (names.length === 1 && dependents.length === 0) return null;
      return ask(deed.kind === "restart" ? "Restart" : "Reload", [
        ...whatRuns(model, names),
        ...left(dependents, "and lose it meanwhile"),
      ]);
    case "disable":
      return ask("Disable", [
        ...whatRuns(model, names),
        ...left(dependents, "without it"),
        "It stays down, also after the next boot, until somebody enables it.",
      ]);
    case "clear":
      return ask("Empty the log of", [
        "Its log file is emptied and the rotated ones are removed. That cannot be undone.",
      ]);
    case "signal":
      if (!/^(KILL|TERM|INT|QUIT|ABRT|STOP)$/.test(deed.signal) && names.length === 1) return null;
      return ask(`Send SIG${deed.signal} to`, [
        ...whatRuns(model, names),
        ...left(dependents, "whatever it does then"),
      ]);
    case "end runs":
      return ask("End what runs of", [...runsOf(model, names), "A retry does not follow."]);
    case "run":
      return deed.isForced || names.length > 1
        ? ask("Run now", [
            ...runsOf(model, names),
            ...(deed.isForced ? ["Whatever `overlap` says, beside what runs."] : []),
          ])
        : null;
    case "pause":
      return names.length > 1
        ? ask("Pause", ["Due times start nothing until they are resumed; what runs goes on."])
        : null;
    case "start":
    case "enable":
    case "resume":
      return null;
  }
}

function namesInWords(names: readonly string[]): string {
  const [first = "nothing", second] = names;
  if (names.length <= 2) return second === undefined ? first : `${first} and ${second}`;
  return `${names.length} of them`;
}

const MOST_LISTED = 8;

function listed(names: readonly string[]): string {
  if (names.length <= MOST_LISTED) return names.join(", ");
  return `${names.slice(0, MOST_LISTED).join(", ")} and ${names.length - MOST_LISTED} more`;
}

function whatRuns(model: Model, names: readonly string[]): string[] {
  const running = names.filter((name) => isUp(model.services.find((service) => service.name === name)));
  if (names.length === 1) {
    const [name = ""] = names;
    const processes = model.usage.get(name)?.processes ?? 0;
    if (running.length === 0) return [`${name} does not run now.`];
    return processes > 1 ? [`${name} runs, with ${processes} processes.`] : [];
  }
  return [`These: ${listed(names)}.`, `${running.length} of ${names.length} run now.`];
}

function left(dependents: readonly string[], how: string): string[] {
  if (dependents.length === 0) return ["Nobody who runs depends on it."];
  const verb = dependents.length === 1 ? "needs it and goes on" : "need it and go on";
  return [`${listed(dependents)} ${verb} running, ${how}.`];
}

function runsOf(model: Model, names: readonly string[]): string[] {
  const count = model.jobs.filter(({ name }) => names.includes(name)).flatMap(({ runs }) => runs).length;
  return names.length === 1 && count === 0
    ? ["Nothing of it runs now."]
    : [`${count === 1 ? "One run is" : `${count} runs are`} not over: ${listed(names)}.`];
}
