import assert from "node:assert/strict";
import { test } from "node:test";
import { heardFirst, onceMore, type Progress, stallsAt, told } from "./progress.ts";

const STALL = 600_000;
const word = (phase: string, done: number, moved = true) => ({
  step: { phase, done, total: 9, percent: null, bytes: null },
  moved,
  stallMs: null,
});

test("it stalls when nothing has moved on for so long", () => {
  const first = told(null, word("load", 1), 1_000, STALL);
  assert.equal(stallsAt(first, STALL), 601_000);
  assert.equal(stallsAt(told(first, word("load", 2), 400_000, STALL), STALL), 1_000_000);
  assert.equal(stallsAt(told(first, word("load", 1, false), 400_000, STALL), STALL), 601_000);
});

test("a phase with a time of its own has that", () => {
  const progress = told(null, { ...word("compile", 1), stallMs: 1_800_000 }, 0, STALL);
  assert.equal(stallsAt(progress, STALL), 1_800_000);
});

test("the journal hears of each phase and of a tenth of the time, not of each percent", () => {
  let progress: Progress | null = null;
  let written = 0;
  for (let second = 0; second < 600; second++) {
    const next: Progress = told(progress, word(second < 300 ? "load" : "capture", second), second * 1_000, STALL);
    if (next.notedAt !== progress?.notedAt) written++;
    progress = next;
  }
  assert.ok(written >= 2 && written <= 12, String(written));
  assert.deepEqual(progress?.phases, [
    { name: "load", since: 0 },
    { name: "capture", since: 300_000 },
  ]);
});

test("after a sleep it has its time once more, and once only until it moves on", () => {
  const slept = onceMore(told(null, word("load", 1), 0, STALL), 5_000_000);
  assert.equal(stallsAt(slept, STALL), 5_600_000);
  assert.equal(slept.again, true);
  assert.equal(told(slept, word("load", 1, false), 5_000_001, STALL).again, true);
  assert.equal(told(slept, word("load", 2), 5_000_001, STALL).again, undefined);
});

test("a core that takes over hears what was said meanwhile before it calls anything stalled", () => {
  const progress = told(null, word("load", 1), 0, STALL);
  assert.equal(stallsAt(heardFirst(progress, 599_999, STALL, 5_000), STALL), 604_999);
  assert.equal(heardFirst(progress, 1_000, STALL, 5_000), progress);
});
