import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuAsk } from "../gpu/ask.ts";
import { diffServices } from "./diff.ts";
import { jobFrom, planOf, serviceFrom } from "./testing.ts";

const usual = { memoryBytes: null, share: false, waitForMemory: true };
const GIB = 1024 ** 3;

test("GPUs are asked for as a word, a number, a list or a map", () => {
  const asks: Record<string, GpuAsk | undefined> = {
    all: { which: { kind: "all" }, ...usual },
    "2": { which: { kind: "count", count: 2 }, ...usual },
    '"2"': { which: { kind: "count", count: 2 }, ...usual },
    "-1": { which: { kind: "all" }, ...usual },
    "[0, 1]": { which: { kind: "these", devices: [0, 1] }, ...usual },
    "[0, 0, GPU-8932f937]": { which: { kind: "these", devices: [0, "GPU-8932f937"] }, ...usual },
    "{ count: all }": { which: { kind: "all" }, ...usual },
    "{ devices: 3 }": { which: { kind: "these", devices: [3] }, ...usual },
    "{ count: 1, memory: 20G, share: true }": {
      which: { kind: "count", count: 1 },
      ...usual,
      memoryBytes: 20 * GIB,
      share: true,
    },
    "{ count: 1, wait_for_memory: false }": { which: { kind: "count", count: 1 }, ...usual, waitForMemory: false },
    "${BOX_GPUS:-1}": { which: { kind: "count", count: 1 }, ...usual },
    "0": undefined,
    none: undefined,
    "${BOX_GPUS:-0}": undefined,
  };
  for (const [written, ask] of Object.entries(asks)) {
    assert.deepEqual(serviceFrom(`command: x\ngpus: ${written}`).gpus, ask, written);
    assert.deepEqual(jobFrom(`schedule: "@daily"\ncommand: x\ngpus: ${written}`).service.gpus, ask, written);
  }
});

test("each of several replicas asks for GPUs of its own", () => {
  const plan = planOf({ "w.yaml": "command: x\nreplicas: 2\ngpus: 1" });
  assert.deepEqual(
    [...plan.services.values()].map(({ name, gpus }) => [name, gpus?.which]),
    [1, 2].map((number) => [`w@${number}`, { kind: "count", count: 1 }]),
  );
});

test("what is wrong with an ask is told with what to write instead", () => {
  const wrong: Record<string, string> = {
    "gpus: some": "2:7 `gpus`: `some` is not a number of GPUs (write all, or a number from 0 to 64)",
    "gpus: 65": "2:7 `gpus`: `65` is not a number of GPUs (write all, or a number from 0 to 64)",
    "gpus: []": "2:7 `gpus`: the list is empty (add an item, or remove the line)",
    "gpus: [first]":
      "2:8 `gpus` (item 1): `first` is no GPU (write its number as nvidia-smi counts, or its UUID (GPU-…))",
    "gpus: [MIG-1]":
      "2:8 `gpus` (item 1): `MIG-1` is a part of a GPU (svcd gives whole GPUs; for a MIG instance set CUDA_VISIBLE_DEVICES in `environment:`)",
    "gpus: { memory: 3G }": "2:1 `gpus` does not say how many (add `count:` or `devices:`)",
    "gpus: { count: 1, devices: 1 }":
      "2:9 `gpus.count`: `devices` is there too, and one of them decides (remove one of the two)",
    "gpus: { count: 1, share: true }":
      "2:19 `gpus.share` needs to know what goes around (add `memory:`, what it takes of each device)",
    "gpus: { count: 1, device_ids: [0] }": "2:19 unknown key `device_ids` in `gpus` (write `devices:`)",
    "gpus: { count: 1, memory: much }":
      "2:27 `gpus.memory`: `much` is not a size (write it like 512k, 50M or 1G (a bare number is bytes))",
    "gpus: 1\nenvironment: { CUDA_VISIBLE_DEVICES: 0 }":
      "3:16 `environment.CUDA_VISIBLE_DEVICES` is set by `gpus` (remove one of the two: with `gpus` svcd says which devices it may use)",
  };
  for (const [text, expected] of Object.entries(wrong)) {
    const { mistakes } = planOf({ "web.yaml": `command: x\n${text}` });
    const told = mistakes.map(({ line, column, what, fix }) => `${line}:${column} ${what} (${fix})`);
    assert.deepEqual(told, [expected], text);
  }
});

test("another ask restarts the service, and the plan says which", () => {
  const before = serviceFrom("command: x\ngpus: 1");
  const diff = diffServices(before, serviceFrom("command: x\ngpus: { count: 2, memory: 20G, share: yes }"));
  assert.equal(diff?.restart, true);
  assert.deepEqual(diff?.details, [{ field: "gpus", before: "1 GPU", after: "2 GPUs with 20 GiB each, shared" }]);
  assert.equal(diffServices(serviceFrom("command: x"), before)?.details[0]?.before, "(none)");
});
