/**
 * Stopping and restarting as vLLM needs it. Its tree (API server, engine, workers in sessions of their own) is the real one of
 * the stand-in; so are an exit 0 after the engine's death, a TERM that is ignored while it loads, and workers that outlive a KILL
 * of their parent and hold the memory of a GPU, so that a start beside them fails.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";
import { commOf, freePort, STAND_IN, type Vllm, type VllmBox, vllmBox } from "./vllm-box.ts";

const WAYS = ["cgroup", "subreaper", "scan"] as const;

/** null: this machine does not allow the way, and the test is skipped, loudly. */
async function openWith(t: TestContext, way: (typeof WAYS)[number], vllm: Vllm = {}): Promise<VllmBox | null> {
  const opened = await vllmBox(t, { ...vllm, options: { env: { SVCD_CONTAINMENT: way } } });
  t.after(() => {
    for (const pid of opened.living()) kill(pid, "SIGKILL");
  });
  if ((await opened.box.control.health()).containment.way === way) return opened;
  t.skip(`this machine does not allow the way "${way}"`);
  return null;
}

async function serving(vllm: VllmBox, run = 1): Promise<{ readonly pid: number; readonly role: string }[]> {
  const tree = await vllm.treeOf(run);
  await vllm.tell("go");
  await vllm.box.until("vllm", (status) => status.state === "RUNNING" && status.run === run);
  return tree;
}

function alive(tree: readonly { readonly pid: number; readonly role: string }[]): string[] {
  return tree.filter(({ pid }) => isAlive(pid)).map(({ role }) => role);
}

/** The stand-in refuses to start beside memory that is still held: that it did is in its log. */
function neverWantedForMemory({ box }: VllmBox): void {
  assert.doesNotMatch(box.log("vllm"), /Free memory on device/);
}

for (const way of WAYS) {
  test(`${way}: a stop is one TERM, to the main process, and then nothing of the tree is left`, async (t) => {
    const vllm = await openWith(t, way);
    if (vllm === null) return;
    const tree = await serving(vllm);
    assert.deepEqual(
      tree.map(({ pid }) => commOf(pid)).slice(1),
      ["VLLM::EngineCor", "VLLM::Worker_TP", "VLLM::Worker_TP"],
      "as the kernel shows it",
    );
    await vllm.box.control.act("stop", ["vllm"]);
    const { why } = await vllm.box.until("vllm", "STOPPED");
    assert.match(why, /exit 0/, "it had the time to end in order");
    assert.deepEqual(alive(tree), []);
    assert.equal(vllm.terms().filter((role) => role === "API").length, 1);
    assert.ok(!vllm.terms().includes("VLLM::EngineCore"), "the engine is ended by its server, not by us");
    assert.doesNotMatch(vllm.box.log("vllm"), /a second signal/);
  });

  test(`${way}: the engine dies, vLLM exits 0: it is restarted, after its workers are gone and their memory is back`, async (t) => {
    const vllm = await openWith(t, way);
    if (vllm === null) return;
    const first = await serving(vllm);
    const workers = first.filter(({ role }) => role.startsWith("VLLM::Worker"));
    kill(first.find(({ role }) => role === "VLLM::EngineCore")!.pid, "SIGKILL");
    await serving(vllm, 2);
    assert.deepEqual(alive(workers), []);
    neverWantedForMemory(vllm);
    const { lastEnd } = JSON.parse((await vllm.box.svctl("why", "vllm", "--json")).stdout);
    assert.equal(lastEnd.how, "exit 0");
    assert.match(lastEnd.evidence.join("\n"), /its engine died without a word/);
  });

  test(`${way}: a KILL of the API server leaves nobody behind for the next start`, async (t) => {
    const vllm = await openWith(t, way);
    if (vllm === null) return;
    const first = await serving(vllm);
    kill(first[0]!.pid, "SIGKILL");
    await serving(vllm, 2);
    assert.deepEqual(alive(first), []);
    neverWantedForMemory(vllm);
  });

  test(`${way}: a stop while it loads, when TERM is ignored, waits its grace and then ends all of it`, async (t) => {
    const vllm = await openWith(t, way, { keys: "phases: vllm\nstop_grace_period: 500ms" });
    if (vllm === null) return;
    const tree = await vllm.treeOf(1);
    await vllm.tell("shards 4");
    await vllm.box.until("vllm", ({ phase }) => phase === "loading shards 4/9");
    await vllm.box.control.act("stop", ["vllm"]);
    await vllm.box.until("vllm", "STOPPED");
    assert.deepEqual(alive(tree), []);
    assert.deepEqual(vllm.terms(), ["API"]);
  });
}

test("TERM before its handlers are there kills only the API server: the rest is ended all the same", async (t) => {
  const vllm = await vllmBox(t, { environment: { VLLM_STAND_IN_TERM: "default" } });
  const tree = await vllm.treeOf(1);
  await vllm.box.control.act("stop", ["vllm"]);
  const { why } = await vllm.box.until("vllm", "STOPPED");
  assert.match(why, /SIGTERM/);
  assert.deepEqual(alive(tree), []);
});

test("the API is up and its engine dead (HTTP 503): unhealthy, and restarted", async (t) => {
  const vllm = await vllmBox(t, { environment: { VLLM_KEEP_ALIVE_ON_ENGINE_DEATH: "1" } });
  const first = await serving(vllm);
  await vllm.tell("engine dies");
  await serving(vllm, 2);
  assert.deepEqual(alive(first), []);
  neverWantedForMemory(vllm);
  assert.match((await vllm.box.svctl("why", "vllm")).stdout, /unhealthy: HTTP 503/);
});

test("the API is up and /health hangs: unhealthy, and restarted", async (t) => {
  const vllm = await vllmBox(t);
  const first = await serving(vllm);
  await vllm.tell("health hang");
  await serving(vllm, 2);
  assert.deepEqual(alive(first), []);
  assert.match((await vllm.box.svctl("why", "vllm")).stdout, /unhealthy: no answer within 1s/);
});

test("a second stop, and a stop of svcd beside it, send no second TERM", async (t) => {
  const vllm = await vllmBox(t);
  await serving(vllm);
  await vllm.box.control.act("stop", ["vllm"]);
  await vllm.box.control.act("stop", ["vllm"]);
  await vllm.box.svctl("shutdown");
  await vllm.box.ended();
  assert.deepEqual(
    vllm.terms().filter((role) => role === "API"),
    ["API"],
  );
  assert.deepEqual(vllm.living(), []);
});

test("a core that dies in the middle of a stop sends no second TERM either", async (t) => {
  const vllm = await vllmBox(t);
  const tree = await serving(vllm);
  await vllm.box.control.act("stop", ["vllm"]);
  kill((await vllm.box.control.health()).core, "SIGKILL");
  await vllm.box.until("vllm", "STOPPED");
  assert.deepEqual(alive(tree), []);
  assert.equal(vllm.terms().filter((role) => role === "API").length, 1);
});

test("the port is bound long before anybody listens: what counts is an answer", async (t) => {
  const vllm = await vllmBox(t);
  await vllm.treeOf(1);
  const { state, why } = await vllm.box.until("vllm", (status) => /refused/.test(status.why));
  assert.deepEqual([state, /connection refused/.test(why)], ["STARTING", true]);
});

test("out of GPU memory: why says how much was wanted, what was free and who holds the rest", async (t) => {
  const vllm = await vllmBox(t, { keys: "phases: vllm\nbackoff: { first: 1h, longest: 1h }" });
  await vllm.treeOf(1);
  await vllm.tell("shards 4");
  await vllm.tell("out of memory");
  await vllm.box.until("vllm", "BACKOFF");
  const { stdout } = await vllm.box.svctl("why", "vllm");
  assert.match(
    stdout,
    /CUDA out of memory: tried 2\.00 GiB, GPU 0 has 1\.19 GiB free of 23\.69 GiB; 13\.90 GiB held by .*4711/,
  );
  assert.match(stdout, /nvidia-smi/);
  assert.deepEqual(vllm.living(), [], "and the workers that were there already are gone");
});

test("the cause of an end can still be read when the next run has begun to write", async (t) => {
  const vllm = await vllmBox(t);
  await vllm.treeOf(1);
  await vllm.tell("out of memory");
  await vllm.treeOf(2);
  await vllm.tell("shards 4");
  await vllm.box.becomes("the second run writes", () =>
    /shards/.test(vllm.box.log("vllm").split("api_server").at(-1) ?? ""),
  );
  const { lastEnd } = JSON.parse((await vllm.box.svctl("why", "vllm", "--json")).stdout);
  assert.match(lastEnd.evidence.join("\n"), /CUDA out of memory: tried 2\.00 GiB/);
});

test("memory that somebody else holds: why says how little is free, and svcd tries again until it is back", async (t) => {
  const vllm = await vllmBox(t, { environment: { VLLM_STAND_IN_GPU_MIB: "24576" } });
  await vllm.treeOf(1);
  // A process that is not ours takes the memory of GPU 0 while the first run ends.
  const [, , worker] = await vllm.treeOf(1);
  writeFileSync(vllm.box.path("gpus/foreign.json"), JSON.stringify({ pid: process.pid, gpu: 0, memoryMiB: 20_000 }));
  kill(worker!.pid, "SIGKILL");
  await vllm.tell("exit 1");
  await vllm.box.becomes("a start fails for want of memory", () => /Free memory on device/.test(vllm.box.log("vllm")));
  await vllm.box.until("vllm", ({ run, restarts }) => run > 2 && restarts > 1);
  const { lastEnd } = JSON.parse((await vllm.box.svctl("why", "vllm", "--json")).stdout);
  assert.match(lastEnd.evidence.join("\n"), /only 4\.47 of 24\.00 GiB of GPU memory are free/);
  rmSync(vllm.box.path("gpus/foreign.json"));
  await vllm.box.becomes("all its processes are there", () => vllm.living().length === 4);
  await vllm.tell("go");
  await vllm.box.until("vllm", "RUNNING");
});

/** Alone: what it waits for on a real box is not the story here. */
function shipped(): string {
  const text = readFileSync(resolve(import.meta.dirname, "../../services.d/vllm.yaml"), "utf8");
  return text.replaceAll(/^(gpus|depends_on):.*\n/gm, "");
}

test("the shipped file: a reranker is shown while it starts, and must order a pair before it is ready", async (t) => {
  const box = Box.prepare(
    t,
    { "vllm.yaml": shipped() },
    { env: { PATH: `${dirname(STAND_IN)}:${process.env["PATH"]}` } },
  );
  const port = await freePort();
  await box.fifo("vllm.control");
  Object.assign(box.env, {
    MODEL_NAME: "Qwen/Qwen3-Reranker-0.6B",
    VLLM_ARGS: `--port ${port}`,
    VLLM_STAND_IN: box.root,
    WORKSPACE: box.root,
    GPU_COUNT: "1",
  });
  await box.start();
  const tell = (words: string): Promise<void> => box.put("vllm.control", `${words}\n`);
  await box.until("vllm", "STARTING");
  await tell("shards 4");
  await box.until("vllm", ({ phase }) => phase === "loading shards 4/9");
  await tell("score wrong");
  await tell("go");
  await box.until("vllm", ({ phase }) => /scores an unrelated text higher/.test(phase ?? ""));
  await tell("score right");
  await box.until("vllm", "RUNNING");
});

test("the shipped file: of a model that is no reranker nobody asks for scores", async (t) => {
  const box = Box.prepare(
    t,
    { "vllm.yaml": shipped() },
    { env: { PATH: `${dirname(STAND_IN)}:${process.env["PATH"]}` } },
  );
  const port = await freePort();
  Object.assign(box.env, {
    MODEL_NAME: "Qwen/Qwen3-0.6B",
    VLLM_ARGS: `--port ${port}`,
    VLLM_STAND_IN: box.root,
    VLLM_STAND_IN_STEPS: "score wrong,go",
    WORKSPACE: box.root,
    GPU_COUNT: "1",
  });
  await box.start();
  await box.until("vllm", "RUNNING");
});
