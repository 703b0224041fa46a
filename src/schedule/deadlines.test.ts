import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Deadlines } from "./deadlines.ts";

test("whatever is set, moved and taken away: what is due comes out once, earliest first", () => {
  const deed = fc.record({
    name: fc.constantFrom("a", "b", "c", "d", "e", "f", "g"),
    at: fc.option(fc.integer({ min: 0, max: 100 }), { nil: null }),
    now: fc.integer({ min: 0, max: 100 }),
    look: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 120 }), (deeds) => {
      const deadlines = new Deadlines();
      const model = new Map<string, number>();
      for (const { name, at, now, look } of deeds) {
        deadlines.set(name, at);
        if (at === null) model.delete(name);
        else model.set(name, at);
        assert.equal(deadlines.next(), model.size === 0 ? null : Math.min(...model.values()));
        if (!look) continue;
        const due = deadlines.due(now);
        const expected = [...model].filter(([, when]) => when <= now);
        assert.deepEqual([...due].sort(), expected.map(([which]) => which).sort());
        const times = due.map((which) => model.get(which)!);
        assert.deepEqual(
          times,
          [...times].sort((a, b) => a - b),
        );
        for (const which of due) model.delete(which);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("a deadline that is moved a million times costs no memory", () => {
  const deadlines = new Deadlines();
  for (let n = 0; n < 1_000_000; n++) deadlines.set("web", n);
  assert.deepEqual(deadlines.due(2_000_000), ["web"]);
  assert.equal(deadlines.next(), null);
});
