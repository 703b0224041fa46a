import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gpuCount, gpuVariables, leaseFrom, leaseInWords, leaseText } from "./lease.ts";
import { GIB, holds } from "./testing.ts";

const lease = holds("x", [1, 3]).lease!;

test("a run sees its devices by their numbers on the bus, and by UUID where CUDA counts otherwise", () => {
  const byBus = { CUDA_DEVICE_ORDER: "PCI_BUS_ID", CUDA_VISIBLE_DEVICES: "1,3" };
  assert.deepEqual(gpuVariables(lease, {}), byBus);
  assert.deepEqual(gpuVariables(lease, { CUDA_DEVICE_ORDER: "", CUDA_VISIBLE_DEVICES: "0,1,2" }), byBus);
  assert.deepEqual(gpuVariables(lease, { CUDA_DEVICE_ORDER: "FASTEST_FIRST" }), {
    CUDA_DEVICE_ORDER: "FASTEST_FIRST",
    CUDA_VISIBLE_DEVICES: "GPU-11111111,GPU-33333333",
  });
});

test("GPU_COUNT is never more than was given; what somebody set to less stays", () => {
  for (const [set, count] of [
    [undefined, "2"],
    ["8", "2"],
    ["2", "2"],
    ["1", "1"],
    ["0", "2"],
    ["all", "2"],
    ["", "2"],
  ] as const) {
    assert.equal(gpuCount(lease, set === undefined ? {} : { GPU_COUNT: set }), count, set);
  }
});

test("a lease in words", () => {
  assert.equal(leaseInWords(lease), "GPU 1 and 3");
  assert.equal(leaseInWords(holds("x", [0], 20).lease!), "20 GiB of GPU 0");
});

test("a lease is read back from the environment as it was written, and from nothing else", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(9), { minLength: 1 }), fc.option(fc.nat(100)), (indexes, share) => {
      const one = holds("x", indexes, share ?? undefined).lease;
      assert.deepEqual(leaseFrom(leaseText(one!)), one);
    }),
  );
  for (const text of ["", "0=GPU-1", "0=MIG-1;;", "x;;", "0=GPU-1,;;", `0=GPU-1;${GIB}x;`]) {
    if (text === "0=GPU-1") continue;
    assert.equal(leaseFrom(text), null, text);
  }
});
