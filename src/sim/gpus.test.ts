import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuAsk } from "../gpu/ask.ts";
import { device, seen } from "../gpu/testing.ts";
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

test("a thousand services that wait for a GPU are each asked at most twice when one comes free, and the longest waiting gets it", () => {
  let asked = 0;
  const spawned: [name: string, run: number][] = [];
  const launch = { argv: ["x"], file: "/x", cwd: "/", env: {}, umask: null, uid: null };
  const ports: Ports = {
    clock: { now: () => 1_000, wallTime: () => new Date(0), wakeAt: () => {} },
    chance: { next: () => 0.5 },
    processes: {
      spawn: ({ name }, run) => void spawned.push([name, run]),
      ...{ signal: () => {}, end: () => {}, noted: () => {}, logsChanged: () => {}, forget: () => {} },
      ...{ stopping: () => {}, leave: () => {} },
    },
    launcher: {
      prepare: () => ({ kind: "launch", launch }),
      explainRefusal: (_, code) => ({ cause: code, permanent: true }),
      unmet: () => null,
      gpuLimit: () => {
        asked++;
        return null;
      },
    },
    prober: { began: () => {}, probe: () => {}, forget: () => {} },
    journal: { record: () => {} },
    wishes: { of: () => ({ enabled: null, stopped: false }), save: () => {} },
    hooks: { run: () => {} },
    announcer: { announce: () => {} },
    gpus: { view: () => seen([device(0)], { begunAt: 1_000, at: 1_000 }), look: () => {}, leaseOf: () => null },
  };
  const supervisor = new Supervisor(ports);
  const services = Array.from({ length: 1_000 }, (_, index) =>
    service(`s${index}`, { gpus: one, policy: { restart: "no" } }),
  );
  const all = plan(...services);
  supervisor.inherit(nothing, nobody, all);
  supervisor.apply(all, null, "start");
  assert.deepEqual(spawned, [["s0", 1]]);
  assert.equal(supervisor.status("s999")?.why, "waits for GPU 0: held by s0");
  supervisor.spawned({ service: "s0", run: 1, pid: 1, startedAt: 1_000 });
  asked = 0;
  supervisor.exited({ service: "s0", run: 1, exit: { kind: "code", code: 0 }, isClear: true });
  assert.deepEqual(spawned, [
    ["s0", 1],
    ["s1", 1],
  ]);
  assert.equal(supervisor.status("s999")?.why, "waits for GPU 0: held by s1");
  // Once for the end, and once because it is s1 now that has it.
  assert.ok(asked <= 2_000, `${asked} questions`);
});

test("histories that once broke hold: one that waits for all devices kept the free one from everybody", () => {
  assert.equal(simulateSeed(2277).broken, null);
});
