import assert from "node:assert/strict";
import { test } from "node:test";
import { isPermitted, readTargets } from "./permit-open.ts";

test("ports are forwarded to what is listed, under each name of this machine, and to nothing else", () => {
  const { targets, mistakes } = readTargets("localhost:18000, [::1]:8000 10.0.0.5:22,DB.internal:5432");
  assert.deepEqual(mistakes, []);
  for (const [host, port] of [
    ["localhost", 18000],
    ["LOCALHOST.", 18000],
    ["127.0.0.1", 8000],
    ["::1", 18000],
    ["10.0.0.5", 22],
    ["db.internal", 5432],
  ] as const)
    assert.ok(isPermitted(targets, host, port), host);
  for (const [host, port] of [
    ["localhost", 22],
    ["localhost", 5432],
    ["127.0.0.2", 18000],
    ["0.0.0.0", 18000],
    ["10.0.0.50", 22],
    ["db.internal.evil.com", 5432],
    ["", 18000],
    ["localhost:18000", 18000],
  ] as const)
    assert.ok(!isPermitted(targets, host, port), host);
});

test("what is no host and port is told", () => {
  const { targets, mistakes } = readTargets("18000,localhost,localhost:0,localhost:70000,localhost:*,*:80:90,none");
  assert.deepEqual(mistakes, ["18000", "localhost", "localhost:0", "localhost:70000", "localhost:*", "*:80:90"]);
  assert.deepEqual(targets, []);
});
