/**
 * A history that breaks, cut down to what it takes: services, deeds and faults are left out as long as it breaks in the same
 * way (ddmin: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
 */
import type { Strike } from "./fate.ts";
import { type HistoryOptions, type Result, replay, type Script, withoutServices } from "./history.ts";
import { type Deed, described } from "./people.ts";

/** Each try is a history of its own; a story that is not shorter by then is short enough. */
const MOST_TRIES = 3_000;

type Part = { readonly turn: number; readonly deed: Deed } | Strike;

export function shrink(result: Result, options: HistoryOptions = {}): Result {
  let tries = 0;
  let best = result;
  /** The same way to break: the same invariant, or the same thing thrown. */
  const breaks = (script: Script): boolean => {
    if (tries++ >= MOST_TRIES) return false;
    const again = replay(script, options);
    const isSame = again.broken !== null && again.invariant === result.invariant;
    if (isSame && (again.invariant !== null || firstLine(again) === firstLine(result))) {
      best = again;
      return true;
    }
    return false;
  };
  if (!breaks(result.script)) return result; // It needs what a replay does not have: nothing to shorten.
  const services = new Set(best.script.plan.services.keys());
  for (const { deed } of best.script.deeds)
    if (deed.do === "write") for (const { name } of deed.services) services.add(name);
  for (const name of [...services].reverse()) breaks(withoutServices(best.script, new Set([name])));
  let before: number;
  do {
    before = sizeOf(best.script);
    fewerParts(() => best.script, breaks);
    while (best.script.turns > 1 && breaks({ ...best.script, turns: Math.floor(best.script.turns / 2) }));
    for (const name of [...best.script.plan.services.keys()].reverse())
      breaks(withoutServices(best.script, new Set([name])));
  } while (sizeOf(best.script) < before && tries < MOST_TRIES);
  return best;
}

function sizeOf({ deeds, strikes, plan }: Script): number {
  return deeds.length + strikes.length + plan.services.size;
}

/** Leaves out halves, then quarters …, then single ones. */
function fewerParts(current: () => Script, breaks: (script: Script) => boolean): void {
  let pieces = 2;
  for (;;) {
    const script = current();
    const parts: readonly Part[] = [...script.deeds, ...script.strikes];
    if (parts.length === 0) return;
    const size = Math.ceil(parts.length / pieces);
    let isShorter = false;
    for (let start = 0; start < parts.length && !isShorter; start += size) {
      const rest = parts.filter((_, index) => index < start || index >= start + size);
      isShorter = breaks(withParts(script, rest));
    }
    if (isShorter) pieces = Math.max(pieces - 1, 2);
    else if (size === 1) return;
    else pieces = Math.min(pieces * 2, parts.length);
  }
}

function withParts(script: Script, parts: readonly Part[]): Script {
  return {
    ...script,
    deeds: parts.flatMap((part) => ("deed" in part ? [part] : [])),
    strikes: parts.flatMap((part) => ("fault" in part ? [part] : [])),
  };
}

function firstLine({ broken }: Result): string {
  return (broken ?? "").split("\n")[0] ?? "";
}

export function shortStory({ script, story, broken }: Result): string[] {
  const { services } = script.plan;
  const needs = [...services.values()].map(({ name, dependsOn }) =>
    dependsOn.length === 0
      ? name
      : `${name} (needs ${dependsOn.map((one) => `${one.name} ${one.condition}`).join(", ")})`,
  );
  return [
    `services: ${needs.join("; ")}`,
    `deeds: ${script.deeds.map(({ deed }) => described(deed)).join("; ") || "none"}`,
    `faults: ${script.strikes.map(({ fault, nth }) => `${fault} (${nth})`).join("; ") || "none"}`,
    ...story.slice(-60),
    broken ?? "",
  ];
}
