/** GPUs that services and jobs have, wait for, and give back: the real svcd, with a stand-in for nvidia-smi. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { kill } from "./box.ts";
import { gpuBox } from "./gpu-box.ts";

const HOLD = "hold-gpu-memory 60000";

test("two services want the one GPU: the second waits for the first by name, and starts when it stops", async (t) => {
  const { box } = await gpuBox(t, [{}], {
    "vllm.yaml": `command: ${HOLD}\ngpus: all`,
    "train.yaml": `command: ${HOLD}\ngpus: 1\nautostart: false`,
  });
  const running = await box.until("vllm", "RUNNING");
  assert.equal(running.why, "up, on GPU 0");
  await box.svctl("start", "--no-wait", "train");
  const waiting = await box.until("train", "WAITING");
  assert.equal(waiting.why, "waits for GPU 0: held by vllm");
  assert.match((await box.svctl("gpus")).stdout, /^0 .* vllm .*\n\nGPU .*\n0 +\d+ +59 GiB +vllm, run 1 \(/m);
  await box.svctl("stop", "vllm");
  assert.equal((await box.until("train", "RUNNING")).why, "up, on GPU 0");
});
