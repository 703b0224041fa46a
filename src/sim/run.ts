/**
 * One simulated history: a random plan, random weather, people who start, stop, restart and edit, and a look at every
 * invariant after every step. First the weather rages (safety), then it clears and everything that is wanted must come up
 * (liveness), then svcd is shut down and must leave.
 */
import type { Plan, Service } from "../plan/plan.ts";
import { runOf } from "../service/life.ts";
import type { Policy } from "../service/policy.ts";
import { policyOf } from "../service/simulate.ts";
import { isMet } from "../supervisor/dependencies.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { Random } from "./random.ts";
import { plan, service } from "./services.ts";
import { Broken, fairWeather, type Weather, World } from "./world.ts";

export interface Result {
  readonly seed: number;
  readonly steps: number;
  readonly coresStarted: number;
  readonly broken: string | null;
  /** The last things that happened, when something is broken. */
  readonly story: readonly string[];
}

export function simulateSeed(seed: number, mostSteps = 2_000): Result {
  const random = new Random(seed);
  const world = new World(random, randomPlan(random), randomWeather(random));
  let steps = 0;
  let broken: string | null = null;
  try {
    world.startCore();
    while (steps < mostSteps) {
      steps++;
      turn(world);
      lookAtEverything(world);
    }
    steps += mustConverge(world);
    steps += mustLeave(world);
  } catch (error) {
    broken = error instanceof Broken ? error.message : String(error instanceof Error ? error.stack : error);
  }
  return {
    seed,
    steps,
    coresStarted: world.coresStarted,
    broken,
    story: broken === null ? [] : world.story.slice(-120),
  };
}

// What may be.

function randomPlan(random: Random): Plan {
  const services = new Map<string, Service>();
  const count = 1 + random.below(7);
  for (let index = 0; index < count; index++) {
    const name = `s${index}`;
    services.set(name, randomService(random, name, [...services.keys()]));
  }
  return plan(...services.values());
}

function randomService(random: Random, name: string, earlier: readonly string[]): Service {
  const isJob = random.happens(0.2);
  const needed = earlier
    .filter(() => random.happens(0.35))
    .map((other) => [other, random.pick(["started", "ready"] as const)] as const);
  return service(name, {
    command: { kind: "text", text: `run ${name} ${random.below(1_000)}` },
    enabled: random.happens(0.95),
    autostart: random.happens(0.9),
    policy: randomPolicy(random, isJob),
    dependsOn: isJob ? {} : Object.fromEntries(needed),
    reloadSignal: random.happens(0.2) ? "SIGHUP" : null,
  });
}

function randomPolicy(random: Random, isJob: boolean): Policy {
  const health = {
    intervalMs: 2_000,
    timeoutMs: 1_000,
    retries: 1 + random.below(3),
    startPeriodMs: random.pick([0, 5_000, 60_000]),
    onUnhealthy: random.pick(["restart", "nothing"] as const),
  };
  return policyOf({
    restart: isJob ? random.pick(["on-failure", "no"] as const) : "always",
    startsecsMs: random.pick([0, 1_000, 5_000]),
    stopGraceMs: random.pick([500, 5_000, 20_000]),
    backoff: { firstMs: 200, factor: 2, longestMs: 60_000, jitter: 0.1, steadyMs: random.pick([1_000, 60_000]) },
    giveUp: random.pick([
      { kind: "never" },
      { kind: "window", failures: 10, withinMs: 600_000 },
      { kind: "startretries", retries: 3 },
    ] as const),
    health: !isJob && random.happens(0.5) ? health : null,
  });
}

/** Each kind of weather is there or not, and strong or weak: a swarm of different storms finds more than one average. */
function randomWeather(random: Random): Weather {
  const maybe = (most: number): number => (random.happens(0.5) ? random.next() * most : 0);
  return {
    coreDies: maybe(0.03),
    journalFails: maybe(0.1),
    wishFails: maybe(0.3),
    refuses: maybe(0.2),
    ignoresTerm: maybe(0.5),
    crashes: maybe(0.8),
    probeFails: maybe(0.4),
    probeHangs: maybe(0.1),
  };
}

// What happens.

/** The next thing on the agenda, or something somebody does. */
function turn(world: World): void {
  const { random } = world;
  if (random.happens(0.12)) somebodyActs(world);
  else world.agenda.next(world.agenda.now + random.between(0, 3_000))?.act();
}

function somebodyActs(world: World): void {
  const { random } = world;
  const names = [...world.plan.services.keys()];
  const chosen = names.filter(() => random.happens(0.4));
  const deed = random.below(100);
  if (deed < 20) start(world, chosen);
  else if (deed < 40) stop(world, chosen);
  else if (deed < 55) restart(world, chosen);
  else if (deed < 60) world.inCore((supervisor) => supervisor.act("reload", chosen));
  else if (deed < 65) setEnabled(world, chosen, random.happens(0.6));
  else if (deed < 80) edit(world);
  else if (deed < 85) world.killCore("by somebody");
  else if (deed < 87) world.killKeeper();
  else if (deed < 92 && names.length > 0) world.processEnds(random.pick(names), { kind: "signal", signal: "SIGSEGV" });
  else {
    world.skipped = new Set(names.filter(() => random.happens(0.1)));
    world.inCore((supervisor) => supervisor.recheckConditions());
  }
}

/** Asks the core; what it acknowledged counts, what was cut off by its death may or may not. */
function acknowledged(world: World, act: (supervisor: Supervisor) => void): boolean {
  const before = world.core;
  world.inCore(act);
  return before !== null && world.core === before;
}

function start(world: World, names: readonly string[]): void {
  world.tell(`start ${names}`);
  // From the request on it may run; a start may also reach what these depend on.
  for (const name of withAllDependencies(world, names)) world.mustStayDown.delete(name);
  acknowledged(world, (supervisor) => supervisor.act("start", names));
}

function restart(world: World, names: readonly string[]): void {
  world.tell(`restart ${names}`);
  for (const name of names) world.mustStayDown.delete(name);
  acknowledged(world, (supervisor) => supervisor.act("restart", names));
}

function stop(world: World, names: readonly string[]): void {
  world.tell(`stop ${names}`);
  if (!acknowledged(world, (supervisor) => supervisor.act("stop", names))) return;
  // A spawn that was ordered before may still arrive at the keeper; it is stopped then. Only what is down for good counts.
  world.agenda.after(50, () => {
    for (const name of names) if (isDownForGood(world, name)) world.mustStayDown.add(name);
  });
}

function isDownForGood(world: World, name: string): boolean {
  const life = world.core?.supervisor.members.get(name)?.life;
  return (
    life !== undefined && life.wanted === "down" && runOf(life.state) === null && world.process(name) === undefined
  );
}

function setEnabled(world: World, names: readonly string[], enabled: boolean): void {
  world.tell(`${enabled ? "enable" : "disable"} ${names}`);
  if (enabled) for (const name of names) world.mustStayDown.delete(name);
  acknowledged(world, (supervisor) => {
    try {
      supervisor.setEnabled(names, enabled);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== "OperatorError") throw error;
    }
  });
}

function withAllDependencies(world: World, names: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    for (const dependency of world.core?.supervisor.members.get(name)?.service.dependsOn ?? []) visit(dependency.name);
    for (const dependency of world.plan.services.get(name)?.dependsOn ?? []) visit(dependency.name);
  };
  for (const name of names) visit(name);
  return [...found];
}

function edit(world: World): void {
  const { random } = world;
  const services = new Map(world.plan.services);
  const names = [...services.keys()];
  const deed = random.below(10);
  if (deed < 2 && names.length > 1) {
    // What others need stays: a plan never refers to what is not there.
    const name = random.pick(names);
    if ([...services.values()].some(({ dependsOn }) => dependsOn.some((dependency) => dependency.name === name)))
      return;
    services.delete(name);
    world.mustStayDown.delete(name);
  } else if (deed < 4) {
    const name = `s${random.below(12)}`;
    if (!services.has(name))
      services.set(
        name,
        randomService(
          random,
          name,
          names.filter((other) => other < name),
        ),
      );
  } else {
    const name = random.pick(names);
    const earlier = names.filter((other) => Number(other.slice(1)) < Number(name.slice(1)));
    const old = services.get(name)!;
    const young = randomService(random, name, earlier);
    services.set(name, deed < 7 ? young : { ...old, policy: young.policy });
    world.mustStayDown.delete(name); // Enabled or not is the file's to say, too.
  }
  world.plan = plan(...services.values());
  world.tell(`edit: ${[...services.keys()]}`);
  if (!world.isStopping) world.inCore((supervisor) => supervisor.apply(world.plan, null, "person"));
}

// What must be.

function lookAtEverything(world: World): void {
  const { core } = world;
  if (core === null) return;
  for (const [name, { life, service }] of core.supervisor.members) {
    if (life.streak.recent.length > 10) throw new Broken(`${name} keeps ${life.streak.recent.length} failures`);
    if (life.state.at === "waiting" && life.wanted === "down") throw new Broken(`${name} waits and is not wanted`);
    if (life.state.at === "backoff" && life.state.until - world.agenda.now > service.policy.backoff.longestMs) {
      throw new Broken(`${name} backs off longer than allowed`);
    }
  }
  if (world.agenda.size > 5_000) throw new Broken(`the agenda grows: ${world.agenda.size}`);
  if (world.random.happens(0.05)) everyStateIsExplained(core.supervisor);
}

function everyStateIsExplained(supervisor: Supervisor): void {
  for (const status of supervisor.statuses()) {
    if (status.why === "" || status.next === "") throw new Broken(`${status.name} ${status.state} is not explained`);
  }
}

/** The weather clears. Whatever is wanted and can run must run, in bounded time, whatever happened before. */
function mustConverge(world: World): number {
  world.weather = fairWeather;
  world.skipped = new Set();
  world.tell("the weather clears");
  let steps = 0;
  const until = world.agenda.now + 20 * 60_000;
  // As the rescan of the directory does it.
  const recheck = (): void => {
    world.inCore((supervisor) => supervisor.recheckConditions());
    if (world.agenda.now < until) world.agenda.after(10_000, recheck);
  };
  recheck();
  while (world.agenda.now < until) {
    const happening = world.agenda.next(until);
    if (happening === null) break;
    happening.act();
    steps++;
    lookAtEverything(world);
    if (steps > 100_000) throw new Broken("it does not come to rest");
  }
  const supervisor = world.core?.supervisor;
  if (supervisor === undefined) throw new Broken("no core came up");
  for (const [name, { life, service }] of supervisor.members) {
    const { at } = life.state;
    const isRunning = world.process(name)?.run === runOf(life.state) && runOf(life.state) !== null;
    if (life.wanted === "down" && (isRunning || runOf(life.state) !== null))
      throw new Broken(`${name} is unwanted and ${at}`);
    if (at === "running" && !isRunning) throw new Broken(`${name} is RUNNING without a process`);
    if (life.wanted === "up" && !["running", "exited", "fatal"].includes(at)) {
      const blocked = service.dependsOn.some((dependency) => {
        const other = supervisor.members.get(dependency.name);
        return other === undefined || !isMet(dependency.condition, other);
      });
      if (at !== "waiting" || !blocked) throw new Broken(`${name} is wanted and ${at} after 20 quiet minutes`);
    }
  }
  for (const { service, run } of world.living) {
    const life = supervisor.members.get(service)?.life;
    if (life === undefined || runOf(life.state) !== run) throw new Broken(`${service}#${run} runs and nobody knows it`);
  }
  return steps;
}

function mustLeave(world: World): number {
  world.shutdown();
  let steps = 0;
  const until = world.agenda.now + 10 * 60_000;
  while (!world.hasLeft) {
    const happening = world.agenda.next(until);
    if (happening === null)
      throw new Broken(`shutdown does not end: ${world.living.map(({ service }) => service)} run`);
    happening.act();
    steps++;
  }
  return steps;
}
