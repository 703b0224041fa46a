/** GPUs that services and jobs have, wait for, and give back: the real svcd, with a stand-in for nvidia-smi. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { uuidOf } from "../stand-ins/nvidia-smi.ts";
import { kill } from "./box.ts";
import { killCore, recorded, runLog, writeJobs } from "./cron-box.ts";
import { gpuBox } from "./gpu-box.ts";

const HOLD = "command: hold-gpu-memory 60000\nstartsecs: 0s\n";
const BY_HAND = "autostart: false\n";
const SHOWS = "command: sh -c 'echo $$CUDA_VISIBLE_DEVICES $$CUDA_DEVICE_ORDER $$GPU_COUNT; exec sleep 1000'\n";

test("two services want the one GPU: the second waits for the first by name, and starts when it stops", async (t) => {
  const { box } = await gpuBox(t, [{}], {
    "vllm.yaml": `${HOLD}gpus: all`,
    "train.yaml": `${HOLD}${BY_HAND}gpus: 1`,
  });
  assert.equal((await box.until("vllm", "RUNNING")).why, "up, on GPU 0");
  await box.svctl("start", "--no-wait", "train");
  assert.equal((await box.until("train", "WAITING")).why, "waits for GPU 0: held by vllm");
  const page = /^0 .* 59\/80 GiB .* vllm .*\n\nGPU .*\n0 +\d+ +59 GiB +vllm, run 1 \(/m;
  await box.becomes("it is shown", async () => page.test((await box.svctl("gpus")).stdout));
  assert.match((await box.svctl("why", "train")).stdout, /^Waits for\n {2}GPU 0: held by vllm$/m);
  await box.svctl("stop", "vllm");
  assert.equal((await box.until("train", "RUNNING")).why, "up, on GPU 0");
});

test("a run sees its own devices and no others, and knows how many; each of several replicas has its own", async (t) => {
  const { box } = await gpuBox(t, [{}, {}, {}, {}], {
    "each.yaml": `${SHOWS}gpus: 1\nreplicas: 2`,
    "pair.yaml": `command: [sh, -c, 'echo --tp $$0 $$CUDA_VISIBLE_DEVICES; exec sleep 1000', "\${GPU_COUNT}"]
depends_on: [each]
gpus: 2`,
    "plain.yaml": SHOWS,
  });
  await box.says("pair", "--tp 2 2,3\n");
  const each = [1, 2].map((replica) => box.log(`each@${replica}`)).sort();
  assert.deepEqual(each, ["0 PCI_BUS_ID 1\n", "1 PCI_BUS_ID 1\n"]);
  await box.says("plain", "\n");
});

test("a box's own count of GPUs does not speak of more than a service has, and what the service writes itself counts", async (t) => {
  const own = { CUDA_DEVICE_ORDER: "FASTEST_FIRST", GPU_COUNT: "8" };
  const files = {
    "one.yaml": `${SHOWS}gpus: [1]`,
    "two.yaml": `${SHOWS}gpus: [0]\nenvironment: { CUDA_DEVICE_ORDER: PCI_BUS_ID, GPU_COUNT: many }`,
  };
  const { box } = await gpuBox(t, [{}, {}], files, { env: own });
  await box.says("one", `${uuidOf(1)} FASTEST_FIRST 1\n`);
  await box.says("two", "0 PCI_BUS_ID many\n");
});

test("CUDA_VISIBLE_DEVICES in an env file limits what the service is given", async (t) => {
  const { box } = await gpuBox(
    t,
    [{}, {}, {}],
    { "vllm.yaml": `${SHOWS}env_file: box.env\ngpus: all`, "other.yaml": `${SHOWS}gpus: 1` },
    { before: ({ box }) => writeFileSync(box.path("box.env"), "CUDA_VISIBLE_DEVICES=1,2\nGPU_COUNT=3\n") },
  );
  await box.says("vllm", "1,2 PCI_BUS_ID 2\n");
  await box.says("other", "0 PCI_BUS_ID 1\n");
});

test("a restart waits until the memory of the last run is back, and says who holds it", async (t) => {
  const { box, gpus } = await gpuBox(t, [{}], { "vllm.yaml": `${HOLD}gpus: all` });
  await box.until("vllm", "RUNNING");
  // This test is a stranger to svcd; the other is gone, and the driver has not given back what it had.
  gpus.hold({ gpu: 0, pid: process.pid, memoryMiB: 20 * 1024 });
  kill(await box.pid("vllm"), "SIGKILL");
  const waiting = await box.until("vllm", ({ why }) => why.includes("held by pid"));
  assert.match(waiting.why, new RegExp(`^waits for GPU 0: 20 GiB still held by pid ${process.pid} \\(node.*\\)$`));
  gpus.free();
  gpus.hold({ gpu: 0, pid: 4_000_000, memoryMiB: 20 * 1024, isOrphan: true });
  await box.until("vllm", ({ why }) => /held by a process that cannot be seen from here \(pid 4000000/.test(why));
  gpus.free();
  gpus.hold({ gpu: 0, pid: 7, memoryMiB: 20 * 1024, isHidden: true });
  await box.until("vllm", ({ why }) => /held by a process that cannot be seen from here$/.test(why));
  gpus.free();
  assert.equal((await box.until("vllm", ({ state, run }) => state === "RUNNING" && run === 2)).why.split(",")[0], "up");
});

test("what a stranger holds for ever can be started beside, when the file says so", async (t) => {
  const { box } = await gpuBox(
    t,
    [{}],
    { "web.yaml": `${HOLD}gpus: 1`, "now.yaml": `${HOLD}${BY_HAND}gpus: { count: 1, wait_for_memory: false }` },
    { before: ({ gpus }) => gpus.hold({ gpu: 0, pid: process.pid, memoryMiB: 70_000 }) },
  );
  await box.until("web", ({ why }) => why.includes(`held by pid ${process.pid}`));
  await box.svctl("start", "now");
  assert.equal((await box.status("now")).why, "up, on GPU 0");
});

test("services share a GPU as long as its memory goes around", async (t) => {
  const shares = (gib: number) =>
    `command: hold-gpu-memory ${gib * 1024}\ngpus: { count: 1, memory: ${gib}G, share: true }\n`;
  const { box } = await gpuBox(t, [{ memoryTotalMiB: 80 * 1024 }], {
    "a.yaml": shares(30),
    "b.yaml": shares(30),
    "c.yaml": `${shares(30)}${BY_HAND}`,
    "d.yaml": `${shares(15)}${BY_HAND}`,
    "e.yaml": `${HOLD}${BY_HAND}gpus: 1`,
  });
  await box.until("a", "RUNNING");
  assert.equal((await box.until("b", "RUNNING")).why, "up, on 30 GiB of GPU 0");
  await box.svctl("start", "--no-wait", "c");
  await box.until("c", ({ why }) => why === "waits for GPU 0: 20 GiB of it are left beside a, b");
  await box.svctl("start", "d");
  await box.svctl("start", "--no-wait", "e");
  await box.until("e", ({ why }) => why === "waits for GPU 0: held by a, b, d");
  await box.svctl("stop", "a");
  await box.until("c", "RUNNING");
});

test("a run of a job waits for a GPU, has it, and gives it back", async (t) => {
  const job = `schedule: "@yearly"\ncommand: sh -c 'echo on $$CUDA_VISIBLE_DEVICES; read -r word < go'\ngpus: 1\n`;
  const { box } = await gpuBox(
    t,
    [{}],
    { "vllm.yaml": `${HOLD}gpus: 1` },
    {
      before: ({ box }) => {
        mkdirSync(box.path("cron.d"), { mode: 0o700 });
        writeJobs(box, "train.yaml", job);
      },
    },
  );
  await box.fifo("go");
  await box.until("vllm", "RUNNING");
  await box.svctl("run", "--no-wait", "train");
  const why = async () => (await box.control.job("train")).status.why;
  await box.becomes(
    "it waits",
    async () => (await why()) === "run 1 waits for GPU 0: held by vllm",
    () => "",
  );
  await box.svctl("stop", "vllm");
  await box.becomes("it runs", async () => /^run 1 runs for .*, on GPU 0$/.test(await why()));
  assert.equal(runLog(box, "train", 1), "on 0\n");
  await box.svctl("start", "--no-wait", "vllm");
  await box.until("vllm", ({ why }) => why === "waits for GPU 0: held by train/1");
  await killCore(box); // It knows again who has what.
  await box.until("vllm", ({ why }) => why === "waits for GPU 0: held by train/1");
  await box.put("go", "\n");
  assert.equal((await recorded(box, "train", 1))[0]?.result, "success");
  await box.until("vllm", "RUNNING");
});

test("a service that restarts keeps its GPU, although others wait for it", async (t) => {
  const { box } = await gpuBox(t, [{}], {
    "vllm.yaml": `${HOLD}gpus: 1\nbackoff: { first: 2s }\n`,
    "other.yaml": `${HOLD}${BY_HAND}gpus: 1`,
  });
  await box.until("vllm", "RUNNING");
  await box.svctl("start", "--no-wait", "other");
  await box.until("other", "WAITING");
  await box.svctl("restart", "vllm");
  kill(await box.pid("vllm"), "SIGKILL");
  assert.equal((await box.until("vllm", ({ state, run }) => state === "RUNNING" && run === 3)).run, 3);
  assert.equal((await box.status("other")).run, 0);
});

test("without nvidia-smi what asks for a GPU is SKIPPED, and starts once there is one", async (t) => {
  const { box, gpus } = await gpuBox(
    t,
    [{}, {}],
    { "vllm.yaml": `${HOLD}gpus: all`, "four.yaml": `${HOLD}gpus: 4\n`, "web.yaml": "command: sleep 1000" },
    {
      before: ({ gpus, box }) => {
        gpus.uninstall();
        mkdirSync(box.path("cron.d"), { mode: 0o700 });
        writeJobs(box, "train.yaml", 'schedule: "@yearly"\ncommand: "true"\ngpus: 1\n');
      },
    },
  );
  const why = "no GPU on this machine: nvidia-smi is not installed";
  for (const name of ["vllm", "four"]) assert.equal((await box.until(name, "SKIPPED")).why, why);
  await box.until("web", "RUNNING");
  assert.equal((await box.svctl("status")).code, 0, "nothing is wrong with such a machine");
  assert.equal((await box.svctl("gpus")).stdout, `${why}\n`);
  await box.svctl("run", "--no-wait", "train");
  assert.deepEqual(
    (await recorded(box, "train", 1)).map((record) => [record.result, record.why]),
    [["skipped", why]],
  );
  assert.match((await box.svctl("doctor")).stdout, /^ok {4}GPUs: none: nvidia-smi is not installed/m);
  gpus.install();
  await box.until("vllm", "RUNNING");
  assert.equal((await box.until("four", "FATAL")).why, "asks for 4 GPUs, this machine has 2");
  assert.match((await box.svctl("doctor")).stdout, /^ok {4}GPUs: 2 × NVIDIA H100 80GB HBM3$/m);
});

test("the recipe for vLLM spreads a model over the GPUs that it is given, and svctl explain says so before it starts", async (t) => {
  const { box } = await gpuBox(t, [{}, {}, {}, {}], {
    "vllm.yaml": `recipe: vllm\ncommand: echo serve \${VLLM_MODEL} \${VLLM_TP_ARGS}\nenvironment: { MODEL_NAME: m }\ngpus: [0, 1, 3]\n${BY_HAND}`,
  });
  await box.control.gpus();
  assert.match((await box.svctl("explain", "vllm")).stdout, /--tensor-parallel-size 3/);
  await box.svctl("start", "--no-wait", "vllm");
  await box.becomes("it is given three", () => box.log("vllm").startsWith("serve m --tensor-parallel-size 3\n"));
});

test("a GPU that works keeps its service from being idle", async (t) => {
  const { box, gpus } = await gpuBox(t, [{ utilization: 90 }, { utilization: 90 }], {
    "vllm.yaml": `${HOLD}gpus: [0]\nidle: { after: 2s }`,
  });
  await box.becomes("its use is seen", async () => /GPU: GPU 0 at 90 %/.test((await box.svctl("why", "vllm")).stdout));
  gpus.change((state) => {
    state.gpus[0]!.utilization = 0;
  });
  assert.match((await box.until("vllm", "STOPPED")).why, /nobody has used vllm/);
});
