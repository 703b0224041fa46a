import assert from "node:assert/strict";
import { test } from "node:test";
import { leftInWords, leftMs, type PastStart } from "./eta.ts";

const start = (downloadMs: number, loadMs: number, captureMs: number): PastStart => ({
  phases: [
    { name: "download", afterMs: 1_000 },
    { name: "load", afterMs: 1_000 + downloadMs },
    { name: "capture", afterMs: 1_000 + downloadMs + loadMs },
  ],
  totalMs: 1_000 + downloadMs + loadMs + captureMs,
});

test("without an earlier start, or with none that went through this phase, nothing is said", () => {
  assert.equal(leftMs([], { phase: "load", forMs: 0, fraction: 0.5 }), null);
  assert.equal(leftMs([start(1, 1, 1)], { phase: "convert", forMs: 0, fraction: null }), null);
});

test("what is left of a phase goes by its bar, else by how long it took before; the later phases come on top", () => {
  const past = [start(60_000, 20_000, 10_000)];
  assert.equal(leftMs(past, { phase: "load", forMs: 15_000, fraction: 0.5 }), 20_000);
  assert.equal(leftMs(past, { phase: "load", forMs: 15_000, fraction: null }), 15_000);
  assert.equal(leftMs(past, { phase: "load", forMs: 99_000, fraction: null }), 10_000, "longer than ever: the rest");
  assert.equal(leftMs(past, { phase: "capture", forMs: 0, fraction: 1 }), 0);
});

test("of several earlier starts the median counts, so that one bad day says little", () => {
  const past = [start(0, 10_000, 0), start(0, 12_000, 0), start(0, 900_000, 0)];
  assert.equal(leftMs(past, { phase: "load", forMs: 0, fraction: 0 }), 12_000);
  assert.equal(leftMs(past.slice(0, 2), { phase: "load", forMs: 0, fraction: 0 }), 11_000);
});

test("in words that promise no more than is known", () => {
  assert.equal(leftInWords(400), "");
  assert.equal(leftInWords(4_400), "about 4 s left");
  assert.equal(leftInWords(43_000), "about 40 s left");
  assert.equal(leftInWords(125_000), "about 2 min left");
  assert.equal(leftInWords(2 * 3_600_000), "about 2 h left");
});
