import assert from "node:assert/strict";
import { test } from "node:test";
import type { DaemonEvent } from "./daemon.ts";
import { EventLog } from "./event-log.ts";

const said = (text: string): DaemonEvent => ({ type: "daemon", at: "2026-11-22T12:00:00.000Z", text });

function textsSince(log: EventLog, id: string): string[] | null {
  return log.since(id)?.map(({ event }) => (event.type === "daemon" ? event.text : "")) ?? null;
}

test("a client that comes back gets exactly what it missed", () => {
  const log = new EventLog("e");
  log.add(said("a"));
  const id = log.lastId();
  log.add(said("b"));
  log.add(said("c"));
  assert.deepEqual(textsSince(log, id), ["b", "c"]);
  assert.deepEqual(textsSince(log, "e-0"), ["a", "b", "c"]);
  assert.deepEqual(textsSince(log, log.lastId()), []);
});

test("events that are no longer kept, of another core, or of the future cannot be resumed", () => {
  const log = new EventLog("e");
  for (let n = 1; n <= 5_000; n++) log.add(said(String(n)));
  assert.equal(log.since("e-1"), null);
  assert.equal(log.since("f-4999"), null);
  assert.equal(log.since("e-5001"), null);
  assert.equal(log.since("nonsense"), null);
  assert.equal(log.since(""), null);
  assert.equal(log.since("e-"), null);
  assert.deepEqual(textsSince(log, "e-4998"), ["4999", "5000"]);
  assert.equal(log.since("e-904")?.length, 4_096);
});

test("who listens hears each event once, until it listens no more", () => {
  const log = new EventLog("e");
  const heard: string[] = [];
  const end = log.subscribe(({ id }) => heard.push(id));
  log.add(said("a"));
  end();
  log.add(said("b"));
  assert.deepEqual(heard, ["e-1"]);
});
