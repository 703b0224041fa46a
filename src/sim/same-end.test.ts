/** What must make no difference makes none: two histories that differ in it only end the same way. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fairFate } from "./fate.ts";
import { simulateSeed } from "./history.ts";
import { type Deed, drawDeed, perform } from "./people.ts";
import { randomPlan } from "./plans.ts";
import { Random } from "./random.ts";
import { comesToRest } from "./rest.ts";
import { World } from "./world.ts";

const SEEDS = 60;
const DEEDS = 15;

/** A world in fair weather in which people do these things, each in its own quiet minute; `between` happens in every pause. */
function lived(
  seed: number,
  deeds: readonly Deed[] | null,
  between: (world: World) => void,
): { world: World; deeds: Deed[] } {
  const world = new World(fairFate(seed), randomPlan(new Random(seed)));
  const done: Deed[] = [];
  world.startCore();
  for (let turn = 0; turn < DEEDS && !world.hasLeft; turn++) {
    passes(world, 60_000);
    between(world);
    passes(world, 60_000);
    const deed = deeds?.[turn] ?? drawDeed(world.fate.of("people"), world);
    done.push(deed);
    if (deed.do !== "kill core" && deed.do !== "upgrade" && deed.do !== "kill keeper") perform(world, deed);
  }
  if (!world.hasLeft) comesToRest(world);
  return { world, deeds: done };
}

function passes(world: World, ms: number): void {
  const until = world.agenda.now + ms;
  while (world.passes(until));
}

/** Which run of each service is in which state: nothing was started once more, nothing once less. */
function end({ core, hasLeft }: World): unknown {
  if (hasLeft) return "left";
  const members = [...core!.supervisor.members];
  return members.map(([name, { life }]) => [name, life.wanted, life.state.at, life.lastRun]).sort();
}

function makesNoDifference(between: (world: World) => void): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const plain = lived(seed, null, () => {});
    const other = lived(seed, plain.deeds, between);
    assert.deepEqual(end(other.world), end(plain.world), `seed ${seed}`);
  }
}

test("looking at files and conditions that are as before makes no difference", () => {
  makesNoDifference((world) => {
    perform(world, { do: "rescan" });
    perform(world, { do: "recheck" });
  });
});

test("a core that dies while nothing happens makes no difference: the same processes run", () => {
  makesNoDifference((world) => world.killCore("by the test"));
});

test("an alarm that rings for nothing makes no difference", () => {
  makesNoDifference((world) => world.inCore((supervisor) => supervisor.tick()));
});

test("the wall clock may jump as it likes: the story is the same, word for word", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const [still, jumping] = [0, 0.2].map((probability) =>
      simulateSeed(seed, 500, { weather: { "wall clock jumps": probability }, tells: true }).story.filter(
        (line) => !line.includes("wall clock"),
      ),
    );
    assert.deepEqual(jumping, still, `seed ${seed}`);
  }
});
