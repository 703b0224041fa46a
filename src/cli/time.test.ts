import assert from "node:assert/strict";
import { test } from "node:test";
import { localTime, sinceThen, span } from "./time.ts";

test("a span shows its two largest units", () => {
  assert.equal(span(0), "0s");
  assert.equal(span(999), "0s");
  assert.equal(span(12_000), "12s");
  assert.equal(span(252_000), "4m 12s");
  assert.equal(span(7_500_000), "2h 5m");
  assert.equal(span(273_600_000), "3d 4h");
  assert.equal(span(259_205_000), "3d");
});

test("a clock that jumped back, or a date that is none, shows no time instead of nonsense", () => {
  assert.equal(sinceThen("2026-11-22T12:00:00Z", new Date("2026-11-22T11:00:00Z")), "0s");
  assert.equal(sinceThen("soon", new Date()), "0s");
  assert.equal(localTime("soon"), "soon");
});
