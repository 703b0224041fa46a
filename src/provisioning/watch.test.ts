import assert from "node:assert/strict";
import { test } from "node:test";
import type { Progress, Store } from "./store.ts";
import { Watch } from "./watch.ts";

test("when nothing comes any more the log says so, with a rate that falls to nothing", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const lines: string[] = [];
  const kept: (Progress | null)[] = [];
  const store = { progress: (progress: Progress | null) => kept.push(progress) } as unknown as Store;
  const watch = new Watch("model", store, (line) => lines.push(line));
  watch.progress({ bytes: 4_000_000, total: 10_000_000 });
  now = 1_000;
  watch.progress({ bytes: 5_000_000, total: 10_000_000 });
  for (let looks = 0; looks < 15; looks++) {
    now += 2_000;
    t.mock.timers.tick(2_000);
  }
  assert.deepEqual(lines, [
    "40 %  4.0 MB of 10 MB",
    "50 %  5.0 MB of 10 MB  1.0 MB/s",
    ...Array(3).fill("50 %  5.0 MB of 10 MB  0 B/s"),
  ]);
  assert.deepEqual(kept.at(-1), { step: "model", bytes: 5_000_000, total: 10_000_000, bytesPerSecond: 0 });
  watch.end();
  assert.equal(kept.at(-1), null);
});

test("a step that says nothing for minutes is told to be alive, one that prints is not", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const lines: string[] = [];
  const watch = new Watch("build", { progress: () => {} } as unknown as Store, (line) => lines.push(line));
  const passes = (seconds: number): void => {
    for (let at = 0; at < seconds; at += 2) {
      now += 2_000;
      t.mock.timers.tick(2_000);
    }
  };
  passes(130);
  assert.deepEqual(lines, ["still at it after 1m", "still at it after 2m"]);
  watch.heard();
  passes(58);
  assert.equal(lines.length, 2);
  watch.end();
  passes(600);
  assert.equal(lines.length, 2);
});
