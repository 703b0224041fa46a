import assert from "node:assert/strict";
import { test } from "node:test";
import { type ServiceStatus, STATES } from "../control/daemon.ts";
import { service } from "./fake-daemon.ts";
import { type Awaited, hopeless, verdict } from "./verdict.ts";

const start: Awaited = { name: "web", goal: "up", runBefore: 3, already: false };
const restart: Awaited = { ...start, goal: "again" };
const stop: Awaited = { ...start, goal: "down" };
const apply: Awaited = { ...start, goal: "as planned" };

test("a start is done when a new run is RUNNING, not when an old one still is", () => {
  is("open", restart, { state: "RUNNING", run: 3 });
  is("done", restart, { state: "RUNNING", run: 4 });
  is("done", start, { state: "RUNNING", run: 4 });
  is("done", { ...start, already: true }, { state: "RUNNING", run: 3 });
});

test("a late word about an earlier run never ends the waiting", () => {
  for (const state of STATES) {
    for (const awaited of [start, restart]) {
      assert.equal(verdict(awaited, service({ state, run: 3, wanted: "up" }), false).is, "open", state);
    }
  }
});

test("a start has failed when its run ended, even if the next try is under way", () => {
  is("failed: exit 1; again in 2s", start, { state: "BACKOFF", run: 4, why: "exit 1", next: "again in 2s" });
  is("failed: gave up", start, { state: "FATAL", run: 4, why: "gave up" });
  is("failed: exit 3", start, { state: "EXITED", run: 4, why: "exit 3" });
  is("failed: its first start failed, now: starts", start, { state: "STARTING", run: 5, restarts: 1, why: "starts" });
  is("open", start, { state: "STARTING", run: 4 });
});

test("a one-shot that ended with exit 0 is done", () => {
  is("done: done (exit 0)", start, { state: "EXITED", run: 4, why: "exit 0" });
});

test("a service that this machine does not want is skipped, with the reason", () => {
  is("skipped: MODEL_NAME is not set", start, { state: "SKIPPED", why: "MODEL_NAME is not set" });
});

test("a stop is done when nothing runs and nobody wants it up", () => {
  is("open", stop, { state: "STOPPING", wanted: "down", pid: 12 });
  is("open", stop, { state: "RUNNING", wanted: "down", pid: 12 });
  is("done", stop, { state: "STOPPED", wanted: "down", pid: null });
  is("failed: it was started again meanwhile", stop, { state: "STARTING", wanted: "up", run: 4 });
});

test("somebody else's stop ends the waiting for a start", () => {
  is("failed: it was stopped meanwhile", start, { state: "STOPPED", wanted: "down" });
  is("open", restart, { state: "STOPPED", wanted: "up" });
});

test("an applied service that is not to start by itself is as planned", () => {
  is("done: stays stopped", apply, { state: "STOPPED", wanted: "down" });
  is("done: skipped (no GPU)", apply, { state: "SKIPPED", why: "no GPU" });
});

test("a service that is removed meanwhile has stopped, and cannot start", () => {
  assert.equal(verdict(stop, null, true).is, "done");
  assert.equal(verdict(start, null, true).is, "failed");
});

test("waiting is given up only when nothing under way can meet the condition", () => {
  const about = (changes: Partial<ServiceStatus>) =>
    hopeless({ name: "db", condition: "ready", status: service({ name: "db", why: "reason", ...changes }) });
  assert.equal(about({ state: "FATAL" }), "it waits for db, which is FATAL: reason");
  assert.equal(about({ state: "STOPPED", wanted: "down" }), "it waits for db, which is STOPPED: reason");
  for (const state of ["WAITING", "STARTING", "RUNNING", "BACKOFF", "STOPPING"] as const)
    assert.equal(about({ state }), null);
  assert.equal(about({ state: "STOPPED", wanted: "up" }), null);
});

function is(expected: string, awaited: Awaited, changes: Partial<ServiceStatus>) {
  const found = verdict(awaited, service({ run: 3, wanted: "up", ...changes }), true);
  assert.equal("what" in found && found.what !== null ? `${found.is}: ${found.what}` : found.is, expected);
}
