import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { uuidOf } from "./nvidia-smi.ts";
import { StandInGpus } from "./stand-in-gpus.ts";

const folder = mkdtempSync(join(tmpdir(), "stand-in-gpus-"));
after(() => rmSync(folder, { recursive: true }));

function smi(gpus: StandInGpus, ...args: string[]): string {
  const { stdout, status } = spawnSync("nvidia-smi", args, { env: { ...process.env, ...gpus.env }, encoding: "utf8" });
  return `${stdout}exit ${status}`;
}

const CSV = "--format=csv,noheader,nounits";

test("the stand-in answers about devices as nvidia-smi does", () => {
  const gpus = new StandInGpus(join(folder, "devices"), [{}, { temperature: "[N/A]", mig: "[N/A]", powerDraw: 7 }]);
  assert.equal(
    smi(gpus, "--query-gpu=index,uuid,memory.total,memory.used,temperature.gpu,power.draw,name", CSV),
    `0, ${uuidOf(0)}, 81559, 4, 31, 68.50, NVIDIA H100 80GB HBM3
1, ${uuidOf(1)}, 81559, 4, [N/A], 7.00, NVIDIA H100 80GB HBM3
exit 0`,
  );
  assert.equal(
    smi(gpus, "--query-gpu=index,memory.total", "--format=csv"),
    "index, memory.total [MiB]\n0, 81559 MiB\n1, 81559 MiB\nexit 0",
  );
  assert.equal(smi(gpus, "--query-gpu=nonsense", CSV), 'Field "nonsense" is not a valid field to query.\n\nexit 2');
});

test("who holds memory is listed while it lives; an orphan's and a hidden process's memory stays used", async () => {
  const gpus = new StandInGpus(join(folder, "holders"), [{}, {}]);
  const apps = () => smi(gpus, "--query-compute-apps=gpu_uuid,pid,used_memory,process_name", CSV);
  const used = () => smi(gpus, "--query-gpu=memory.used", CSV);
  const env = { ...process.env, ...gpus.env, CUDA_VISIBLE_DEVICES: "1" };
  const holder = spawn("hold-gpu-memory", ["500", "sh", "-c", "echo here; exec sleep 1000"], { env });
  await new Promise((heard) => holder.stdout.once("data", heard));
  assert.equal(apps(), `${uuidOf(1)}, ${holder.pid}, 500, python3\nexit 0`);
  assert.equal(used(), "4\n504\nexit 0");
  holder.kill("SIGKILL");
  await new Promise((ended) => holder.once("exit", ended));
  assert.equal(apps(), "exit 0");
  gpus.hold({ gpu: 0, pid: 999_999, memoryMiB: 60, isOrphan: true }, { gpu: 0, pid: 7, memoryMiB: 1, isHidden: true });
  assert.equal(apps(), `${uuidOf(0)}, 999999, 60, python3\nexit 0`);
  assert.equal(used(), "65\n4\nexit 0");
});

test("it misbehaves as it is told", () => {
  const gpus = new StandInGpus(join(folder, "bad"), [{}, {}]);
  gpus.change((state) => {
    state.gpus[0]!.isLost = true;
  });
  assert.equal(smi(gpus, "--query-gpu=index,uuid", CSV), `0, ${uuidOf(1)}\nexit 0`);
  gpus.change((state) => {
    state.gpus[1]!.isLost = true;
  });
  assert.equal(smi(gpus, "--query-gpu=index", CSV), "No devices were found\nexit 6");
  gpus.change((state) => {
    state.says = "�\0, nonsense\n";
    state.exit = 9;
  });
  assert.equal(smi(gpus, "--query-gpu=index", CSV), "�\0, nonsense\nexit 9");
  gpus.change((state) => {
    state.hangs = true;
  });
  const hung = spawnSync("nvidia-smi", [], {
    env: { ...process.env, ...gpus.env },
    timeout: 1_000,
    killSignal: "SIGKILL",
  });
  assert.equal(hung.signal, "SIGKILL");
  assert.ok(gpus.calls().length >= 4);
});
