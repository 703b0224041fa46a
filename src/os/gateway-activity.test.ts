import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Reading } from "../idle/idle.ts";
import { GatewayActivity } from "./gateway-activity.ts";

const WALL = Date.parse("2026-11-24T22:00:00Z");

function readingOf(path: string, service: string | null): Reading {
  let found: Reading | null = null;
  new GatewayActivity(path, service, () => WALL).read(1_000_000, (reading) => (found = reading));
  assert.ok(found !== null);
  return found;
}

test("what came through the gateway is a use of its service, and of the machine", (t) => {
  const dir = mkdtempSync(join(tmpdir(), "svcd-activity-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "gateway.activity.json");
  assert.deepEqual(readingOf(path, "vllm"), {
    source: "gateway",
    lastUsedAt: null,
    what: "no request has come through it",
  });
  const services = {
    vllm: { lastRequestAt: "2026-11-24T21:58:00Z", underWay: 0, requests: 3 },
    jupyter: { lastRequestAt: "2026-11-24T21:00:00Z", underWay: 2, requests: 9 },
  };
  writeFileSync(path, JSON.stringify({ services }));
  assert.deepEqual(readingOf(path, "vllm"), { source: "gateway", lastUsedAt: 880_000, what: "last request 2m ago" });
  assert.equal(readingOf(path, "jupyter").lastUsedAt, 1_000_000);
  assert.equal(readingOf(path, "other").lastUsedAt, null);
  assert.equal(readingOf(path, null).what, "2 requests under way");
  writeFileSync(path, "half");
  assert.equal(readingOf(path, "vllm").isUnknown, true);
});
