import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceStatus } from "../control/daemon.ts";
import { type Facts, readiness, retryAfter } from "./readiness.ts";

type Progress = NonNullable<ServiceStatus["progress"]>;

function factsOf(progress: Partial<Progress> | null): Facts {
  const known: Progress = {
    phase: "x",
    done: null,
    total: null,
    percent: null,
    bytes: null,
    leftMs: null,
    left: null,
    ...progress,
  };
  const status = {
    ...{
      name: "vllm",
      state: "STARTING",
      health: "starting",
      phase: "x",
      why: "starting",
      next: "soon",
      since: "2026-01-01",
    },
    ...(progress === null ? {} : { progress: known }),
  } as unknown as ServiceStatus;
  const found = readiness(status);
  assert.ok(found.is === "not ready");
  return found.facts;
}

test("how far a start is comes from its phases: percent, or so many of so many; without them nothing is said", () => {
  assert.equal(factsOf({ percent: 37.9 }).percent, 37);
  assert.equal(factsOf({ done: 4, total: 9 }).percent, 44);
  assert.equal(factsOf({ done: 0, total: 0 }).percent, null);
  assert.equal(factsOf(null).percent, null);
});

test("a client is told to come back when the start is expected to be over, within two seconds and two minutes", () => {
  const after = (leftMs: number | null) => retryAfter(factsOf({ leftMs }));
  assert.deepEqual([45_000, 100, 5_400_000, null].map(after), [45, 2, 120, 5]);
});
