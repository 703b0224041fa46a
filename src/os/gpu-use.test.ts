import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuView } from "../gpu/device.ts";
import { device, seen, uuid } from "../gpu/testing.ts";
import type { Reading } from "../idle/idle.ts";
import { GpuUse } from "./gpu-use.ts";

function gpus(isConcerned: (uuid: string) => boolean = () => true) {
  let view: GpuView = { kind: "unknown" };
  const source = new GpuUse(async () => view, isConcerned);
  return (next: GpuView, now: number): Promise<Reading> => {
    view = next;
    return new Promise((done) => source.read(now, done));
  };
}

test("a GPU that works is a use, one that hardly does is none, and when it last did is remembered", async () => {
  const read = gpus();
  const at = (...percents: number[]) => seen(percents.map((utilization, index) => device(index, { utilization })));
  assert.deepEqual(await read(at(0, 4), 1_000), {
    source: "GPU",
    lastUsedAt: null,
    what: "GPU 0 at 0 %, GPU 1 at 4 %",
  });
  assert.equal((await read(at(0, 87), 2_000)).lastUsedAt, 2_000);
  const after = await read(at(0, 0), 65_000);
  assert.deepEqual([after.lastUsedAt, after.what], [2_000, "GPU 0 at 0 %, GPU 1 at 0 %, busy 1m3s ago"]);
});

test("of a service only its own devices count", async () => {
  const read = gpus((one) => one === uuid(0));
  const view = seen([device(0), device(1, { utilization: 100 })]);
  assert.deepEqual(await read(view, 1_000), { source: "GPU", lastUsedAt: null, what: "GPU 0 at 0 %" });
});

test("a silent nvidia-smi and a card that does not tell its use prove nothing; where there is no GPU none is used", async () => {
  const read = gpus();
  const trouble = await read({ kind: "trouble", why: "nvidia-smi does not answer, for 10s now", last: null }, 1);
  assert.deepEqual([trouble.isUnknown, trouble.what], [true, "nvidia-smi does not answer, for 10s now"]);
  const silent = await read(seen([device(0, { utilization: null })]), 1);
  assert.deepEqual(
    [silent.isUnknown, silent.what],
    [true, "GPU 0: nvidia-smi does not tell its use; `gpu: false` leaves it out"],
  );
  const none = await read({ kind: "none", why: "nvidia-smi is not installed" }, 1);
  assert.deepEqual([none.isUnknown, none.lastUsedAt], [undefined, null]);
});
