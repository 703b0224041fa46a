import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Reading } from "../idle/idle.ts";
import { GatewayActivity } from "./gateway-activity.ts";

const WALL = Date.parse("2026-11-24T22:00:00Z");

function seenIn(path: string, service: string | null): Reading | null {
  let found: Reading | null | undefined;
  new GatewayActivity(path, service, () => WALL).read(1_000_000, (reading) => (found = reading));
  assert.ok(found !== undefined);
  return found;
}

function readingOf(path: string, service: string | null): Reading {
  const reading = seenIn(path, service);
  assert.ok(reading !== null);
  return reading;
}

/** As the gateway signs its file, were it this process. */
const startTicks = Number(
  readFileSync("/proc/self/stat", "latin1")
    .replace(/^.*\) /s, "")
    .split(" ")[19],
);
const OURS = { pid: process.pid, startTicks };

test("what came through the gateway is a use of its service, and of the machine", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "svcd-activity-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "gateway.activity.json");
  assert.equal(seenIn(path, "vllm"), null); // No gateway has run: that is no source, and proves nothing.
  const services = {
    vllm: { lastRequestAt: "2026-11-24T21:58:00Z", underWay: 0, requests: 3 },
    jupyter: { lastRequestAt: "2026-11-24T21:00:00Z", underWay: 2, requests: 9 },
  };
  writeFileSync(path, JSON.stringify({ ...OURS, services }));
  assert.deepEqual(readingOf(path, "vllm"), { source: "gateway", lastUsedAt: 880_000, what: "last request 2m ago" });
  assert.equal(readingOf(path, "jupyter").lastUsedAt, 1_000_000);
  assert.equal(readingOf(path, "other").lastUsedAt, null);
  assert.equal(readingOf(path, null).what, "2 requests under way");
  writeFileSync(path, JSON.stringify({ ...OURS, startTicks: 1, services })); // It was killed, and another has its pid.
  assert.equal(readingOf(path, "jupyter").what, "last request 1h ago");
  writeFileSync(path, "half");
  assert.equal(readingOf(path, "vllm").isUnknown, true);
});
