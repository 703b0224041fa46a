/**
 * What the image's own test suite holds its vLLM to (the vLLM row of its assertions), and the gap that it has: nobody there tries
 * /score. The server is the stand-in.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { vllmBox } from "./vllm-box.ts";

test("vLLM comes up once, lists its model, answers a warm-up and three questions, and its log has no error", async (t) => {
  const { box, tell, port } = await vllmBox(t, { keys: "phases: vllm\nsmoke: score" });
  await tell("go");
  const { pid, run, restarts } = await box.until("vllm", "RUNNING");
  const url = `http://127.0.0.1:${port}`;
  assert.equal((await fetch(`${url}/health`)).status, 200);
  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  assert.ok(models.data.length > 0 && models.data[0]!.id !== "");

  for (let question = 0; question < 4; question++) {
    const body = JSON.stringify({
      text_1: "What is the capital of France?",
      text_2: ["The capital of France is Paris.", "Bread needs flour, water and salt."],
    });
    const answer = await fetch(`${url}/score`, {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    const { data } = (await answer.json()) as { data: { score: number }[] };
    assert.deepEqual([answer.status, data.length, data[0]!.score > data[1]!.score], [200, 2, true]);
  }

  const after = await box.status("vllm");
  assert.deepEqual([after.pid, after.run, after.restarts, run, restarts], [pid, 1, 0, 1, 0]);
  const known = /torch\.distributed|CUDAGraph|[Dd]eprecat/;
  const wrong = box
    .file("log/vllm.log")
    .split("\n")
    .filter((line) => /\b(ERROR|CRITICAL)\b/.test(line) && !known.test(line));
  assert.deepEqual(wrong, []);
});

test("a vLLM that cannot come up is FATAL at once, with the cause, and nobody waits an hour to hear of it", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm\ngive_up: { failures: 1, within: 1h }" });
  await tell("out of memory");
  await box.until("vllm", "FATAL");
  assert.match((await box.svctl("why", "vllm")).stdout, /CUDA out of memory/);
});
