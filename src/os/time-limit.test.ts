import assert from "node:assert/strict";
import { test } from "node:test";
import { timeLimit } from "./time-limit.ts";

/** Nothing of this process runs meanwhile, as on a machine that is suspended. */
function sleepMs(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

test("a time limit that passed while svcd slept is given once more, and then it counts", async () => {
  const heard: string[] = [];
  const over = new Promise<void>((done) => {
    timeLimit(100, () => {
      heard.push("over");
      done();
    });
  });
  sleepMs(1_300);
  // Due by now: had it not been given again, it would come before one that begins only now and is shorter.
  await new Promise<void>((done) => void timeLimit(50, done));
  assert.deepEqual(heard, []);
  await over;
  assert.deepEqual(heard, ["over"]);
});

test("what is answered in time never hears of its limit, however long that is", async () => {
  const heard: string[] = [];
  const cancel = timeLimit(20, () => heard.push("short"));
  const cancelLong = timeLimit(2 ** 40, () => heard.push("long"));
  cancel();
  await new Promise<void>((over) => void timeLimit(40, over));
  assert.deepEqual(heard, []);
  cancelLong();
});
