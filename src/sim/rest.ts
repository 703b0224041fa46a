/**
 * The weather clears: from now on no new fault. Whatever is wanted and can run must run, in bounded time, whatever happened
 * before; and all that is known must be so. Then svcd is shut down and must leave.
 */
import { diffServices } from "../plan/diff.ts";
import type { Service } from "../plan/plan.ts";
import { runOf } from "../service/life.ts";
import { isMet } from "../supervisor/dependencies.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { heldBy } from "./edits.ts";
import { DEVICES } from "./gpus.ts";
import { Broken } from "./invariants.ts";
import { lookAround } from "./look.ts";
import type { World } from "./world.ts";

/** Longer than every backoff, start period, freeze and chain of services together. */
const QUIET_MS = 20 * 60_000;
const MOST_STEPS = 100_000;
/** The sum of all grace periods here is below. */
const LEAVES_WITHIN_MS = 10 * 60_000;

/** Steps that it took. */
export function comesToRest(world: World, quietMs = QUIET_MS): number {
  world.tell("the weather clears");
  world.fate.clears();
  world.keeper.thawAll();
  world.unmet = new Set();
  let steps = 0;
  const until = world.agenda.now + quietMs;
  while (world.passes(until)) {
    steps++;
    lookAround(world);
    if (steps > MOST_STEPS) throw new Broken(4, "it does not come to rest");
  }
  if (world.hasLeft) return steps; // Something essential ended it.
  if (world.core === null) throw new Broken(4, "no core came up");
  const { supervisor } = world.core;
  runsAsWanted(world, supervisor);
  knowsWhatRuns(world, supervisor);
  isAsTheFilesSay(world, supervisor);
  isAsPeopleSay(world, supervisor);
  return steps;
}

/** 4 */
function runsAsWanted(world: World, { members }: Supervisor): void {
  for (const [name, { life, service }] of members) {
    const { at } = life.state;
    const run = runOf(life.state);
    const isRunning = run !== null && world.keeper.run(name)?.run === run;
    if (life.wanted === "down" && run !== null) throw new Broken(4, `${name} is unwanted and ${at}`);
    if (at === "running" && !isRunning) throw new Broken(4, `${name} is RUNNING without a process`);
    if (life.wanted === "down" || at === "running" || at === "exited" || at === "fatal") continue;
    const isBlocked = service.dependsOn.some((dependency) => {
      const other = members.get(dependency.name);
      return other === undefined || !isMet(dependency, other);
    });
    const isUnready = at === "starting" && service.policy.health !== null;
    if (at === "waiting" && isBlocked) continue;
    if (at === "waiting" && waitsForGpus(world, service)) continue;
    throw new Broken(4, `${name} is wanted and ${at} when all is quiet${isUnready ? " (with a check)" : ""}`);
  }
}

/** 25: not enough of them are free. */
function waitsForGpus({ gpus }: World, { gpus: ask }: Service): boolean {
  if (ask === undefined) return false;
  return gpus.free < (ask.which.kind === "count" ? ask.which.count : DEVICES);
}

/** 1 and 7: nothing runs that nobody knows, no end is left over. */
function knowsWhatRuns(world: World, { members }: Supervisor): void {
  for (const { service, run } of world.keeper.runs.values()) {
    const life = members.get(service)?.life;
    if (life === undefined || runOf(life.state) !== run)
      throw new Broken(1, `${service}#${run} runs and nobody knows it`);
  }
  const [unnoted] = world.keeper.unnoted;
  if (unnoted !== undefined) throw new Broken(7, `the end of ${unnoted.service}#${unnoted.run} was never noted`);
}

/** 10: the files are what is in force, also in the processes. */
function isAsTheFilesSay(world: World, supervisor: Supervisor): void {
  const { members } = supervisor;
  const held = heldBy(supervisor);
  const { plan } = world.files;
  for (const [name, service] of plan.services) {
    if (world.perhapsAside.has(name) || (world.journal.isHurt && world.onceAside.has(name))) continue;
    const member = members.get(name);
    if (member === undefined) throw new Broken(10, `${name} stands in the files and svcd does not know it`);
    const differs = diffServices(member.service, service);
    if (differs !== null) throw new Broken(10, `${name} is not as its file says: ${differs.fields}`);
    const process = world.keeper.run(name);
    const needs = process === undefined ? null : diffServices(process.definition, service);
    // A lost line may be the one that said the restart was due; what a run was started with stands nowhere else.
    if (needs?.restart === true && !world.journal.isHurt)
      throw new Broken(10, `${name}#${process?.run} runs with an old ${needs.fields}`);
  }
  for (const name of members.keys()) {
    if (!plan.services.has(name) && !plan.brokenNames.has(name) && !held.has(name))
      throw new Broken(10, `${name} stands in no file and stays`);
  }
}

/** 3 and 13, and what a naive model says. */
function isAsPeopleSay(world: World, { members }: Supervisor): void {
  for (const [name, { life }] of members) {
    if (world.staysDown(name) && life.wanted === "up")
      throw new Broken(3, `${name} was stopped by a person and is wanted`);
    if (world.journal.isHurt) continue; // Who was wanted without a file or a wish saying so was in the lost lines.
    const wanted = world.naive.wanted(name);
    if (wanted !== null && wanted !== "either" && wanted !== life.wanted)
      throw new Broken(13, `${name} is wanted ${life.wanted}, and the last word was ${wanted}`);
  }
}

/** Also while the weather rages: what is in state D is left behind in bounded time. */
export function leaves(world: World): number {
  world.shutdown();
  let { generation } = world.keeper;
  let steps = 0;
  let until = world.agenda.now + LEAVES_WITHIN_MS;
  while (!world.hasLeft) {
    if (!world.passes(until)) {
      const living = [...world.keeper.runs.keys()];
      throw new Broken(22, `shutdown does not end: ${living.length === 0 ? "nothing" : living} runs`);
    }
    steps++;
    if (world.keeper.generation === generation) continue;
    // Killed over it: what it was asked died with it, and the next svcd is asked anew.
    generation = world.keeper.generation;
    until = world.agenda.now + LEAVES_WITHIN_MS;
    world.shutdown();
  }
  return steps;
}
