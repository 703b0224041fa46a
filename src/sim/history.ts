/**
 * One history: a random plan, random weather, people who start, stop, restart and edit, and a look at every invariant after
 * every step. First the weather rages (safety), then it clears and everything that is wanted must come up (liveness), then
 * svcd is shut down and must leave.
 *
 * What chance decided is noted as a script, which tells the same history again, whole or with parts left out.
 */
import type { Plan } from "../plan/plan.ts";
import { Fate, type Strike } from "./fate.ts";
import { randomWeather, type Weather } from "./faults.ts";
import { Broken, type Invariant } from "./invariants.ts";
import { lookAround } from "./look.ts";
import { type Deed, drawDeed, needingNone, perform, without } from "./people.ts";
import { randomPlan } from "./plans.ts";
import { Random } from "./random.ts";
import { comesToRest, leaves } from "./rest.ts";
import { plan as planOf } from "./services.ts";
import { World, type WorldOptions } from "./world.ts";

export interface Script {
  readonly seed: number;
  /** Turns of the storm. */
  readonly turns: number;
  readonly plan: Plan;
  /** By the number of the turn. */
  readonly deeds: readonly { readonly turn: number; readonly deed: Deed }[];
  readonly strikes: readonly Strike[];
}

export interface Result {
  readonly script: Script;
  readonly steps: number;
  readonly coresStarted: number;
  readonly broken: string | null;
  /** null: nothing is broken, or something was thrown that is no invariant. */
  readonly invariant: Invariant | null;
  /** The last things that happened, when something is broken. */
  readonly story: readonly string[];
}

export interface HistoryOptions extends WorldOptions {
  /** Other weather than the seed says. */
  readonly weather?: Partial<Weather>;
  /** Keep the story of a history that holds, too. */
  readonly tells?: boolean;
}

export function simulateSeed(seed: number, turns = 2_000, options: HistoryOptions = {}): Result {
  const random = new Random(seed);
  const plan = randomPlan(random);
  const fate = Fate.drawn(seed, { ...randomWeather(random), ...options.weather });
  const deeds: { turn: number; deed: Deed }[] = [];
  let isBusy = false;
  const draw = (turn: number, world: World): Deed | null => {
    const people = world.fate.of("people");
    // Clients come in bunches.
    isBusy = people.happens(isBusy ? 0.3 : 0.08);
    if (!isBusy) return null;
    const deed = drawDeed(people, world);
    deeds.push({ turn, deed });
    return deed;
  };
  return lived({ seed, turns, plan, deeds, strikes: fate.struck }, fate, draw, options);
}

/** The same again, or what is left of it. */
export function replay(script: Script, options: HistoryOptions = {}): Result {
  const deeds = new Map(script.deeds.map(({ turn, deed }) => [turn, deed]));
  const fate = Fate.given(script.seed, script.strikes);
  return lived(script, fate, (turn) => deeds.get(turn) ?? null, options);
}

export function withoutServices(script: Script, out: ReadonlySet<string>): Script {
  const left = [...script.plan.services.values()].filter(({ name }) => !out.has(name));
  const deeds = script.deeds.flatMap(({ turn, deed }) => {
    const rest = without(deed, out);
    return rest === null ? [] : [{ turn, deed: rest }];
  });
  return { ...script, plan: planOf(...left.map((service) => needingNone(service, out))), deeds };
}

function lived(
  script: Script,
  fate: Fate,
  deedOf: (turn: number, world: World) => Deed | null,
  options: HistoryOptions,
): Result {
  const world = new World(fate, script.plan, options);
  const pauses = fate.of("turns");
  let turn = 0;
  let steps = 0;
  let error: unknown = null;
  try {
    world.startCore();
    while (turn < script.turns && !world.hasLeft) {
      turn++;
      const pause = pauses.between(0, 3_000);
      if (world.strikes("wall clock jumps", null)) world.wallJumps();
      const deed = deedOf(turn, world);
      if (deed !== null) perform(world, deed);
      else if (world.strikes("machine pauses", null)) world.pauses();
      else world.passes(world.agenda.now + pause);
      lookAround(world);
    }
    // Something essential can have ended it; and some are shut down in the middle of the storm.
    if (!world.hasLeft && script.seed % 4 !== 0) steps += comesToRest(world);
    steps += leaves(world);
  } catch (caught) {
    error = caught;
  }
  const isTold = error !== null || options.tells === true;
  return {
    // Nothing that comes after the break matters.
    script: { ...script, turns: error === null ? script.turns : turn },
    steps: turn + steps,
    coresStarted: world.coresStarted,
    broken:
      error === null
        ? null
        : error instanceof Error && !(error instanceof Broken)
          ? String(error.stack)
          : String((error as Error).message),
    invariant: error instanceof Broken ? error.invariant : null,
    story: isTold ? world.story : [],
  };
}
