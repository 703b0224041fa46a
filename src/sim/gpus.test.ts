import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuAsk } from "../gpu/ask.ts";
import { device, seen } from "../gpu/testing.ts";
import type { Plan } from "../plan/plan.ts";
import { nothingHeld } from "../plan/vanished.ts";
import type { Inherited, Memory } from "../ports.ts";
import type { Ports } from "../supervisor/loop.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { simulateSeed } from "./history.ts";
import { plan, service } from "./services.ts";

const one: GpuAsk = { which: { kind: "count", count: 1 }, memoryBytes: null, share: false, waitForMemory: true };
const nothing: Memory = {
  ...{ lives: new Map(), services: new Map(), good: new Map(), jobs: new Map(), jobDefinitions: new Map() },
  ...{ lookedAt: null, lastRuns: new Map(), removed: [], aside: [], held: nothingHeld, settings: null },
};
const nobody: Inherited = {
  ...{ sameKeeper: true, live: [], ended: [], uncleared: [], stopping: null, lastRuns: {} },
};

/** A supervisor on a machine with one GPU of which nobody outside of svcd holds anything. */
function machine() {
  const world = { now: 1_000, asked: 0, spawned: [] as string[] };
  const launch = { argv: ["x"], file: "/x", cwd: "/", env: {}, umask: null, uid: null };
  const ports: Ports = {
    clock: { now: () => world.now, wallTime: () => new Date(0), wakeAt: () => {} },
    chance: { next: () => 0.5 },
    processes: {
      spawn: ({ name }, run) => void world.spawned.push(`${name}#${run}`),
      ...{ signal: () => {}, end: () => {}, noted: () => {}, logsChanged: () => {}, forget: () => {} },
      ...{ stopping: () => {}, leave: () => {} },
    },
    launcher: {
      prepare: () => ({ kind: "launch", launch }),
      explainRefusal: (_, code) => ({ cause: code, permanent: true }),
      unmet: () => null,
      gpuLimit: () => {
        world.asked++;
        return null;
      },
    },
    prober: { began: () => {}, probe: () => {}, forget: () => {} },
    journal: { record: () => {}, together: (act) => act() },
    wishes: { of: () => ({ enabled: null, stopped: false }), save: () => {} },
    hooks: { run: () => {} },
    announcer: { announce: () => {} },
    gpus: {
      view: () => seen([device(0)], { begunAt: world.now, at: world.now }),
      look: () => {},
      leaseOf: () => null,
    },
  };
  const supervisor = new Supervisor(ports);
  const ends = (name: string): void => {
    supervisor.spawned({ service: name, run: 1, pid: 1, startedAt: world.now });
    supervisor.exited({ service: name, run: 1, exit: { kind: "code", code: 0 }, isClear: true });
  };
  const takes = (all: Plan): void => {
    supervisor.inherit(nothing, nobody, all);
    supervisor.apply(all, null, "start");
  };
  return { world, supervisor, takes, ends };
}

const once = { gpus: one, policy: { restart: "no" } } as const;

test("a thousand services that wait for a GPU are each asked at most twice when one comes free", () => {
  const { world, supervisor, takes, ends } = machine();
  takes(plan(...Array.from({ length: 1_000 }, (_, index) => service(`s${index}`, once))));
  assert.deepEqual(world.spawned, ["s0#1"]);
  assert.equal(supervisor.status("s999")?.why, "waits for GPU 0: held by s0");
  world.asked = 0;
  ends("s0");
  assert.deepEqual(world.spawned, ["s0#1", "s1#1"]);
  assert.equal(supervisor.status("s999")?.why, "waits for GPU 0: held by s1");
  // Once for the end, and once because it is s1 now that has it.
  assert.ok(world.asked <= 2_000, `${world.asked} questions`);
});

test("who has waited longest for a GPU gets it", () => {
  const { world, supervisor, takes, ends } = machine();
  const byHand = { ...once, autostart: false };
  takes(plan(service("first", once), service("a", byHand), service("b", byHand), service("c", byHand)));
  for (const name of ["c", "a", "b"]) {
    world.now += 1_000;
    supervisor.act("start", [name]);
  }
  for (const name of ["first", "c", "a", "b"]) ends(name);
  assert.deepEqual(world.spawned, ["first#1", "c#1", "a#1", "b#1"]);
});

test("histories that once broke hold: one that waits for all devices kept the free one from everybody", () => {
  assert.equal(simulateSeed(2277).broken, null);
});
