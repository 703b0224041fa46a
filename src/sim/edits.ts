/**
 * Files become a plan that the core takes up. What such an edit does not concern must not feel it.
 */
import { diffServices } from "../plan/diff.ts";
import type { Plan } from "../plan/plan.ts";
import { isEnding, runOf } from "../service/life.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { Broken } from "./invariants.ts";
import type { World } from "./world.ts";

/** Who wants files to be taken up. */
export type By = "files" | "start" | "person";

/** What stands in no file any more and goes on, because most files vanished at once. */
export function heldBy(supervisor: Supervisor): ReadonlySet<string> {
  const held = supervisor.statuses().filter(({ file }) => file.note?.startsWith("held:"));
  return new Set(held.map(({ name }) => name));
}

/** false: no core did it to its end. */
export function takeUp(world: World, plan: Plan, names: readonly string[] | null, by: By): boolean {
  const { core } = world;
  if (core === null || core.supervisor.isShuttingDown) return false;
  const before = untouchable(core.supervisor, plan);
  if (names === null) world.lastApplied = plan;
  const isDone = world.inCore((supervisor) => supervisor.apply(plan, names, by));
  world.naive.taken(plan, names, by, isDone, heldBy(core.supervisor));
  if (!isDone) return false;
  const concerned = [...plan.services.keys()].filter((name) => names?.includes(name) ?? true);
  if (by === "person") for (const name of concerned) world.perhapsAside.delete(name);
  if (core.supervisor.isShuttingDown) return true; // Something essential failed over it.
  for (const [name, { run, invariant }] of before) {
    const state = core.supervisor.members.get(name)?.life.state;
    if (state === undefined || runOf(state) !== run || isEnding(state))
      throw new Broken(invariant, `${name}#${run} is ended by an edit that does not concern it`);
  }
  return true;
}

/** What runs, is wanted, and stands in the plan as it is, or in a broken file. */
function untouchable(supervisor: Supervisor, plan: Plan): Map<string, { run: number; invariant: 10 | 11 }> {
  const found = new Map<string, { run: number; invariant: 10 | 11 }>();
  for (const [name, { service, life, isRemoved }] of supervisor.members) {
    const { state } = life;
    if (isRemoved || life.wanted === "down" || life.restartDue) continue;
    if (state.at !== "starting" && state.at !== "running") continue;
    const next = plan.services.get(name);
    const isBroken = next === undefined && plan.brokenNames.has(name);
    const isSame = next !== undefined && diffServices(service, next) === null && next.enabled;
    if (isBroken || isSame) found.set(name, { run: state.run, invariant: isBroken ? 10 : 11 });
  }
  return found;
}
