import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuDevice, GpuReport } from "../control/daemon.ts";
import { gpus } from "./checkup.ts";
import { FakeDaemon, svctl } from "./fake-daemon.ts";
import { width } from "./text.ts";

const GIB = 1024 ** 3;

function device(index: number, changes: Partial<GpuDevice> = {}): GpuDevice {
  return {
    index,
    uuid: `GPU-${index}`,
    name: "NVIDIA H100 80GB HBM3",
    memoryTotalBytes: 80 * GIB,
    memoryUsedBytes: 0,
    utilization: 0,
    temperatureC: 31,
    powerW: 68.5,
    powerLimitW: 700,
    notForUse: null,
    isGone: false,
    leases: [],
    holders: [],
    ...changes,
  };
}

function report(devices: GpuDevice[], changes: Partial<GpuReport> = {}): GpuReport {
  return { state: "seen", why: null, at: "2026-11-22T12:00:00.000Z", devices, ...changes };
}

async function shown(answer: GpuReport, words = "gpus", terminal?: number) {
  await using daemon = await new FakeDaemon().open();
  daemon.on("GET", "/v1/gpus", () => answer);
  return await svctl(daemon, words, terminal === undefined ? {} : { terminal });
}

const vllm = { by: "vllm", memoryBytes: null, shared: false };
const busy = device(0, {
  memoryUsedBytes: 61.2 * GIB,
  utilization: 87,
  temperatureC: 64,
  powerW: 411.6,
  leases: [vllm],
  holders: [
    { pid: 4711, command: "VLLM::EngineCore", memoryBytes: 60 * GIB, name: "vllm", run: 3 },
    { pid: 812, command: "python3 train.py", memoryBytes: 1.2 * GIB, name: null, run: null },
    { pid: 99, command: null, memoryBytes: null, name: null, run: null },
  ],
});

test("gpus shows what each device does, to whom it is leased, and who holds its memory", async () => {
  const shares = [
    { by: "a", memoryBytes: 20 * GIB, shared: true },
    { by: "train/7", memoryBytes: 1.5 * GIB, shared: true },
  ];
  const { stdout, exitCode } = await shown(report([busy, device(1, { leases: shares })]));
  assert.equal(exitCode, 0);
  assert.equal(
    stdout,
    `GPU  USE  MEMORY     TEMP  POWER      LEASED TO                      NAME
0    87%  61/80 GiB  64°C  412/700 W  vllm                           NVIDIA H100 80GB HBM3
1    0%   0/80 GiB   31°C  69/700 W   a (20 GiB), train/7 (1.5 GiB)  NVIDIA H100 80GB HBM3

GPU  PID   MEMORY   WHO
0    4711  60 GiB   vllm, run 3 (VLLM::EngineCore)
0    812   1.2 GiB  not svcd's: python3 train.py
0    99    -        cannot be seen from here (outside of this container)
`,
  );
});

test("what a card does not tell is a dash, and what is not for use or gone is noted", async () => {
  const dumb = { memoryTotalBytes: null, memoryUsedBytes: null, utilization: null, temperatureC: null } as const;
  const { stdout } = await shown(
    report([
      device(0, { ...dumb, powerW: null, powerLimitW: null, notForUse: "it is split by MIG" }),
      device(1, { ...dumb, memoryTotalBytes: 80 * GIB, powerW: null, powerLimitW: 700, isGone: true }),
    ]),
  );
  const [, first, second, ...notes] = stdout.split("\n");
  assert.match(first!, /^0 {4}- {4}- +- +- +- +NVIDIA/);
  assert.match(second!, /^1 {4}- {4}\?\/80 GiB {2}- {5}\?\/700 W/);
  assert.deepEqual(notes.slice(0, 2), [
    "note: svcd gives GPU 0 to nobody: it is split by MIG",
    "note: GPU 1 was there before, and nvidia-smi lists it no longer",
  ]);
});

test("a machine without GPUs is told in one line; trouble with nvidia-smi is told first, and fails", async () => {
  const none = report([], { state: "none", why: "nvidia-smi is not installed", at: null });
  const nothing = await shown(none);
  assert.deepEqual([nothing.exitCode, nothing.stdout], [0, "no GPU on this machine: nvidia-smi is not installed\n"]);
  const why = "nvidia-smi does not answer, for 30s now";
  const silent = await shown(report([device(0)], { state: "trouble", why }));
  assert.equal(silent.exitCode, 1);
  assert.match(
    silent.stdout,
    /^trouble: nvidia-smi does not answer, for 30s now\nwhat it said last, .* ago:\nGPU {2}USE/,
  );
});

test("on a terminal no line is wider than it, and --json is what svcd says", async () => {
  const { stdout } = await shown(report([busy]), "--no-color gpus", 60);
  for (const line of stdout.split("\n")) assert.ok(width(line) <= 60, line);
  assert.deepEqual(JSON.parse((await shown(report([busy]), "gpus --json")).stdout), report([busy]));
});

test("doctor says what GPUs there are and what is wrong with them", () => {
  const found = (answer: GpuReport): string => {
    const { level, found } = gpus(answer);
    return `${level}: ${found}`;
  };
  assert.equal(found(report([busy, device(1)])), "ok: 2 × NVIDIA H100 80GB HBM3");
  assert.match(
    found(report([], { state: "none", why: "nvidia-smi is not installed" })),
    /^ok: none: nvidia-smi is not/,
  );
  assert.equal(found(report([], { state: "trouble", why: "it hangs" })), "warn: it hangs");
  assert.equal(found(report([device(0), device(1, { isGone: true })])), "warn: GPU 1 fell off the bus");
  assert.match(found(report([device(0, { notForUse: "MIG" })])), /^ok: 1 × .*; not for use: GPU 0 \(MIG\)$/);
});
