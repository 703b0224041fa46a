/** What can go wrong with GPUs: nvidia-smi hangs or says nonsense, a device falls off the bus, core and keeper are killed. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { isAlive, kill } from "./box.ts";
import { killCore, killSvcd } from "./cron-box.ts";
import { gpuBox } from "./gpu-box.ts";

const HOLD = "command: hold-gpu-memory 60000\nstartsecs: 0s\n";
const BY_HAND = "autostart: false\n";

test("leases outlive the core, the keeper, and the journal", async (t) => {
  const { box } = await gpuBox(t, [{}, {}], {
    "vllm.yaml": `${HOLD}gpus: [1]`,
    "all.yaml": `${HOLD}gpus: all\ndepends_on: { vllm: ready }`,
  });
  const pid = await box.pid("vllm");
  const stillHeld = async (): Promise<void> => {
    await box.until("all", ({ why }) => why === "waits for GPU 1: held by vllm");
    assert.equal((await box.status("vllm")).pid, pid);
    const [, held] = (await box.control.gpus()).devices;
    assert.deepEqual(held?.leases, [{ by: "vllm", memoryBytes: null, shared: false }]);
  };
  await stillHeld();
  await killCore(box);
  await stillHeld();
  await killSvcd(box);
  await box.start();
  await stillHeld();
  // What nobody wrote down is asked of the process.
  await killSvcd(box);
  writeFileSync(box.path("run/core.journal"), "");
  await box.start();
  await stillHeld();
});

test("where nobody knows any more what a run was given, no other gets a GPU beside it", async (t) => {
  // As programs do that rename themselves: nothing of their environment is left.
  const renames = `command: env -u SVCD_GPUS sleep 1000\nstartsecs: 0s\ngpus: [1]\n`;
  const { box } = await gpuBox(t, [{}, {}], { "vllm.yaml": renames, "one.yaml": `${HOLD}${BY_HAND}gpus: 1` });
  await box.until("vllm", "RUNNING");
  await killSvcd(box);
  writeFileSync(box.path("run/core.journal"), "");
  await box.start();
  await box.until("vllm", "RUNNING");
  await box.svctl("start", "--no-wait", "one");
  const why = "waits for GPU 0 and 1: perhaps held by vllm, nobody knows any more what it was given";
  await box.until("one", (status) => status.why === why);
  await box.svctl("restart", "vllm");
  assert.equal((await box.until("one", "RUNNING")).why, "up, on GPU 0");
});

test("nvidia-smi hangs: who needs it waits and says so, nobody else notices, and no other is started beside it", async (t) => {
  const { box, gpus } = await gpuBox(
    t,
    [{}],
    {
      "vllm.yaml": `${HOLD}gpus: all`,
      "web.yaml": "command: sleep 1000\nstartsecs: 0s",
    },
    {
      before: ({ gpus }) =>
        gpus.change((state) => {
          state.hangs = true;
        }),
    },
  );
  await box.until("web", "RUNNING");
  assert.equal((await box.until("vllm", "WAITING")).why, "waits for nvidia-smi to tell which GPUs there are");
  const why = "waits for nvidia-smi to tell which GPUs there are (nvidia-smi does not answer, for 10s now)";
  await box.until("vllm", (status) => status.why === why);
  const { code, stdout } = await box.svctl("gpus");
  assert.deepEqual([code, stdout], [1, "trouble: nvidia-smi does not answer, for 10s now\n"]);
  assert.match((await box.svctl("doctor")).stdout, /^warn {2}GPUs: nvidia-smi does not answer/m);
  assert.equal((await box.svctl("restart", "web")).code, 0);
  const pids = gpus.calls().map((line) => Number(line.split(" ")[0]));
  assert.ok(pids.filter(isAlive).length <= 1, pids.join());
  gpus.change((state) => {
    state.hangs = false;
  });
  await box.until("vllm", "RUNNING");
});

test("nonsense and failures of nvidia-smi are told as they are, and what runs goes on", async (t) => {
  const { box, gpus } = await gpuBox(t, [{}, {}], {
    "vllm.yaml": `${HOLD}gpus: 1`,
    "two.yaml": `${HOLD}${BY_HAND}gpus: 1`,
  });
  const pid = await box.pid("vllm");
  gpus.change((state) => {
    state.says = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n";
    state.exit = 9;
  });
  await box.becomes("it is seen", async () => (await box.control.gpus()).state === "trouble");
  await box.svctl("start", "--no-wait", "two");
  await box.until("two", ({ why }) => why.includes("nvidia-smi fails (exit 9): NVIDIA-SMI has failed because"));
  gpus.change((state) => {
    state.says = "\u0000\u001b[31m<html>\n";
    state.exit = 0;
  });
  await box.until("two", ({ why }) => why.includes("nvidia-smi says what nobody understands: [31m<html>"));
  assert.equal((await box.status("vllm")).pid, pid);
  gpus.change((state) => {
    delete state.says;
    delete state.exit;
  });
  assert.equal((await box.until("two", "RUNNING")).why, "up, on GPU 1");
});

test("a device that falls off the bus is waited for by who needs it, and the numbers of the others move", async (t) => {
  const { box, gpus } = await gpuBox(t, [{}, {}, {}], {
    "pair.yaml": `${HOLD}gpus: [1, 2]`,
    "one.yaml": `command: sh -c 'echo $$CUDA_VISIBLE_DEVICES; exec sleep 1000'\n${BY_HAND}gpus: [GPU-00000002]`,
  });
  await box.until("pair", "RUNNING");
  const lose = (isLost: boolean): void =>
    gpus.change((state) => {
      state.gpus[0]!.isLost = isLost;
    });
  lose(true);
  kill(await box.pid("pair"), "SIGKILL");
  assert.equal(
    (await box.until("pair", ({ why }) => why.includes("GPU 0"))).why,
    "waits for GPU 0: no longer seen by nvidia-smi",
  );
  assert.match((await box.svctl("gpus")).stdout, /^note: GPU 0 was there before/m);
  await box.svctl("stop", "pair");
  await box.svctl("start", "one");
  await box.says("one", "1\n"); // The third is the second now.
  await box.svctl("stop", "one");
  lose(false);
  await box.svctl("start", "pair");
  assert.equal((await box.status("pair")).why, "up, on GPU 1 and 2");
});

test("nobody looks, so nobody asks nvidia-smi; a scrape of the metrics is a look", async (t) => {
  const { box, gpus } = await gpuBox(t, [{ temperature: 64 }], { "vllm.yaml": `${HOLD}gpus: 1` });
  await box.until("vllm", "RUNNING");
  const before = gpus.calls().length;
  for (const words of [["status"], ["why", "vllm"], ["restart", "--no-wait", "nobody"]]) await box.svctl(...words);
  assert.equal(gpus.calls().length, before);
  let page = "";
  await box.becomes("a scrape is a look", async () => {
    page = (await box.run("curl", ["-s", "--unix-socket", box.path("run/svcd.sock"), "http://svcd/metrics"])).stdout;
    return gpus.calls().length > before;
  });
  assert.match(page, /^svcd_gpu_answers 1$/m);
  assert.match(page, /^svcd_gpu_temperature_celsius\{gpu="0",uuid="GPU-0+-[-\d]+"\} 64$/m);
  assert.match(page, /^svcd_gpu_leased\{gpu="0",uuid="[^"]+",by="vllm"\} 1$/m);
});
