import assert from "node:assert/strict";
import { test } from "node:test";
import { RunStarts } from "./run-starts.ts";

test("the last ten runs of a service are known by where their output begins, newest first", () => {
  const starts = new RunStarts();
  for (let run = 1; run <= 12; run++) starts.note("web", { run, at: "2026-11-02T10:00:00.000Z", position: run * 100 });
  assert.deepEqual(
    starts.of("web").map(({ run }) => run),
    [12, 11, 10, 9, 8, 7, 6, 5, 4, 3],
  );
  assert.equal(starts.of("web")[1]?.position, 1100);
  starts.forget("web");
  assert.deepEqual(starts.of("web"), []);
});
