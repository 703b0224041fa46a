/**
 * Short stories of what svcd is for, to be told again with one thing going wrong at each place where it can (`sweep.test.ts`).
 */
import type { Plan } from "../plan/plan.ts";
import type { StateName } from "../service/life.ts";
import { Fate, type Strike } from "./fate.ts";
import type { Fault } from "./faults.ts";
import { type Deed, perform } from "./people.ts";
import { comesToRest, leaves } from "./rest.ts";
import { plan, service } from "./services.ts";
import { World, type WorldOptions } from "./world.ts";

type Step = Deed | { readonly do: "wait"; readonly ms: number } | { readonly do: "shut down" };

export interface Scenario {
  readonly title: string;
  readonly plan: Plan;
  readonly steps: readonly Step[];
  /** Faults that outlast it. */
  readonly mayEndOtherwiseAfter?: readonly Fault[];
}

export interface Told {
  readonly world: World;
  /** What is so in the end; empty when svcd has left. */
  readonly states: Readonly<Record<string, StateName>>;
  readonly pids: Readonly<Record<string, number>>;
}

/** Longer than the backoff, the grace and the chains of needs here. */
const QUIET_MS = 3 * 60_000;
const ASKS_AGAIN_AFTER_MS = 1_000;
const MOST_TRIES = 10;

const health = {
  intervalMs: 2_000,
  timeoutMs: 1_000,
  retries: 2,
  startPeriodMs: 5_000,
  onUnhealthy: "restart",
} as const;

const db = service("db", { policy: { startsecsMs: 500, stopGraceMs: 2_000, health } });
const web = service("web", { dependsOn: { db: "ready" }, policy: { stopGraceMs: 2_000 } });
const cache = service("cache", { reloadSignal: "SIGHUP", policy: { stopGraceMs: 2_000 } });
const setUp = service("set-up", { policy: { restart: "on-failure" } });
const worker = service("worker", { dependsOn: { "set-up": "completed" } });
const all = plan(db, web, cache, setUp, worker);

const wait = (ms: number): Step => ({ do: "wait", ms });
const changed = (one: typeof web, text: string): typeof web => ({ ...one, command: { kind: "text", text } });

export const SCENARIOS: readonly Scenario[] = [
  { title: "everything starts", plan: all, steps: [wait(10_000)] },
  { title: "two are stopped", plan: all, steps: [wait(8_000), { do: "stop", names: ["db", "web"] }, wait(5_000)] },
  {
    title: "one is started with what it needs",
    plan: plan({ ...db, autostart: false }, { ...web, autostart: false }),
    steps: [wait(100), { do: "start", names: ["web"] }, wait(8_000)],
  },
  {
    title: "a restart of what depends on each other",
    plan: all,
    steps: [wait(8_000), { do: "restart", names: ["web", "db"] }, wait(10_000)],
  },
  { title: "a reload", plan: all, steps: [wait(8_000), { do: "reload", names: ["cache", "web"] }, wait(5_000)] },
  {
    title: "an edit of everything",
    plan: all,
    steps: [
      wait(8_000),
      { do: "write", services: [changed(web, "new"), { ...db, policy: { ...db.policy, stopGraceMs: 900 } }] },
      { do: "delete", names: ["cache"] },
      { do: "write", services: [service("mail"), { ...worker, enabled: false }] },
      wait(12_000),
    ],
  },
  {
    title: "an edit of what is being stopped, and a start",
    plan: all,
    steps: [
      wait(8_000),
      { do: "stop", names: ["db", "web"] },
      wait(10),
      { do: "write", services: [changed(db, "new")] },
      wait(600),
      { do: "start", names: ["db"] },
      wait(12_000),
    ],
  },
  {
    title: "a file is taken away and comes back",
    plan: all,
    steps: [
      wait(8_000),
      { do: "delete", names: ["cache"] },
      wait(600),
      { do: "write", services: [cache] },
      wait(12_000),
    ],
  },
  {
    title: "a broken file, and mended",
    plan: all,
    steps: [wait(8_000), { do: "break", names: ["web", "db"] }, wait(2_000), { do: "mend" }, wait(12_000)],
  },
  { title: "an upgrade", plan: all, steps: [wait(8_000), { do: "upgrade" }, wait(5_000)] },
  {
    title: "a crash loop until it is given up",
    mayEndOtherwiseAfter: ["freezes", "leaves children", "no process to spare"],
    plan: plan(service("loop", { policy: { giveUp: { kind: "window", failures: 3, withinMs: 60_000 } } })),
    steps: [1, 2, 3].flatMap(() => [
      wait(3_000),
      { do: "end", name: "loop", exit: { kind: "code", code: 1 } } as const satisfies Deed,
    ]),
  },
  {
    title: "a keeper dies, and the next one stops and starts what it adopted",
    plan: all,
    steps: [
      wait(8_000),
      { do: "kill keeper" },
      wait(6_000),
      { do: "stop", names: ["web"] },
      wait(4_000),
      { do: "start", names: ["web"] },
      wait(3_000),
    ],
  },
  {
    title: "disabled, enabled",
    plan: all,
    steps: [
      wait(8_000),
      { do: "disable", names: ["cache", "worker"] },
      wait(3_000),
      { do: "enable", names: ["cache"] },
      wait(3_000),
    ],
  },
  {
    title: "taken out by hand, and taken up again",
    mayEndOtherwiseAfter: ["freezes"],
    plan: all,
    steps: [
      wait(8_000),
      { do: "stop", names: ["cache"] },
      wait(3_000),
      { do: "remove", names: ["cache"] },
      wait(100),
      { do: "apply", names: ["cache"] },
      wait(3_000),
    ],
  },
  { title: "a shutdown", plan: all, steps: [wait(8_000), { do: "shut down" }, wait(30_000)] },
];

/** `cutAt`: of the journal no more than that many lines are left when the last core comes up. */
export function tell(scenario: Scenario, strikes: readonly Strike[], options: WorldOptions = {}, cutAt?: number): Told {
  const world = new World(Fate.given(1, strikes), scenario.plan, options);
  world.startCore();
  for (const step of scenario.steps) take(world, step);
  if (cutAt !== undefined) {
    world.losesLinesAfter(cutAt);
    world.killCore("after losing lines of its journal");
  }
  const endsItself = scenario.steps.some((step) => step.do === "shut down");
  if (endsItself) leaves(world);
  else comesToRest(world, QUIET_MS);
  const members = world.hasLeft ? [] : [...world.core!.supervisor.members];
  const told: Told = {
    world,
    states: Object.fromEntries(members.map(([name, { life }]) => [name, life.state.at])),
    pids: Object.fromEntries([...world.keeper.runs.values()].map(({ service: name, pid }) => [name, pid])),
  };
  if (!endsItself) leaves(world);
  return told;
}

/** Whoever is cut off asks again, as `svctl` knocks again. */
function take(world: World, step: Step): void {
  if (step.do === "shut down") return world.shutdown();
  if (step.do === "wait") return passes(world, step.ms);
  for (let tries = 1; !perform(world, step) && tries < MOST_TRIES; tries++) passes(world, ASKS_AGAIN_AFTER_MS);
}

function passes(world: World, ms: number): void {
  const until = world.agenda.now + ms;
  while (world.passes(until));
}
