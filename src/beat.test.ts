import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BEAT_MS, toBeat } from "./beat.ts";

test("whoever waits for the beat wakes on it, within the time that was asked for, and not twice for one beat", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e9, noNaN: true }),
      fc.integer({ min: BEAT_MS, max: 10 * BEAT_MS }),
      (now, most) => {
        const waits = toBeat(now, most);
        const offBeat = (now + waits + BEAT_MS / 2) % BEAT_MS;
        assert.ok(Math.abs(offBeat - BEAT_MS / 2) < 0.01);
        assert.ok(waits >= 50 && waits > most - BEAT_MS && waits <= most + 50, `${waits}`);
      },
    ),
  );
});

test("what comes oftener than the beat keeps its own time", () => {
  assert.equal(toBeat(12_345, 2_000), 2_000);
});
