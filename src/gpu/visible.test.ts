import assert from "node:assert/strict";
import { test } from "node:test";
import { device, uuid } from "./testing.ts";
import { visibleIn } from "./visible.ts";

const devices = [device(0), device(1), device(2, { uuid: "GPU-11ab0000" })];

test("CUDA_VISIBLE_DEVICES of svcd limits its services as CUDA reads it", () => {
  const numbers = (variable: string | undefined): unknown => {
    const visible = visibleIn(variable, devices);
    return visible && devices.filter((one) => visible.has(one.uuid)).map(({ index }) => index);
  };
  assert.equal(numbers(undefined), null);
  assert.deepEqual(numbers("0, 2"), [0, 2]);
  assert.deepEqual(numbers(uuid(1)), [1]);
  assert.deepEqual(numbers("gpu-11ab"), [2]);
  assert.deepEqual(numbers("GPU-11"), [], "several begin so");
  assert.deepEqual(numbers("0,7,1"), [0], "it ends at the first that is no device");
  for (const none of ["", "-1", "NoDevFiles", "MIG-1"]) assert.deepEqual(numbers(none), [], none);
});
