import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuDevice } from "../../control/daemon.ts";
import { gpusIn } from "./gpu-answer.ts";

const DEVICE: GpuDevice = {
  index: 0,
  uuid: "GPU-1",
  name: "H100",
  memoryTotalBytes: 80,
  memoryUsedBytes: 41,
  utilization: 37,
  temperatureC: 54,
  powerW: 310,
  powerLimitW: 700,
  notForUse: null,
  isGone: false,
  leases: [{ by: "vllm", memoryBytes: null, shared: false }],
  holders: [
    { pid: 1, command: "python3", memoryBytes: 40, name: "vllm", run: 1 },
    { pid: 2, command: "python3", memoryBytes: 1, name: null, run: null },
    { pid: 3, command: null, memoryBytes: null, name: null, run: null },
  ],
};

test("devices, their leases and who holds their memory are shown, strangers by their command", () => {
  const gpus = gpusIn({ state: "seen", why: null, at: null, devices: [DEVICE] });
  assert.ok(gpus !== null && typeof gpus !== "string");
  assert.deepEqual(gpus[0]?.leases, ["vllm"]);
  assert.deepEqual(
    gpus[0]?.holders.map(({ what, name }) => [what, name]),
    [
      ["vllm", "vllm"],
      ["python3", null],
      ["pid 3", null],
    ],
  );
  assert.equal(gpus[0]?.flaw, null);
});

test("a machine without GPUs, and one whose driver does not answer, say why", () => {
  assert.equal(
    gpusIn({ state: "none", why: "nvidia-smi is not installed", at: null, devices: [] }),
    "nvidia-smi is not installed",
  );
  const gpus = gpusIn({ state: "trouble", why: "nvidia-smi hangs", at: null, devices: [DEVICE] });
  assert.ok(gpus !== null && typeof gpus !== "string");
  assert.equal(gpus[0]?.flaw, "as seen before: nvidia-smi hangs");
});
