/**
 * `smoke:`: a server whose health is fine is not ready before it has answered a question well.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { kill } from "./box.ts";
import { vllmBox } from "./vllm-box.ts";

test("a reranker that orders a pair well is ready; it was asked once, not for ever", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm\nsmoke: score" });
  await tell("go");
  const status = await box.until("vllm", "RUNNING");
  assert.match(status.why, /^healthy \(HTTP 200(, scores in order \(0\.\d+ > 0\.\d+\))?\)/);
  // From now on wrong scores are not svcd's business: only its health is.
  await tell("score wrong");
  await box.until("vllm", ({ why }) => why === "healthy (HTTP 200)");

  await t.test("nor does a new core ask again", async () => {
    const { core } = await box.control.health();
    kill(core, "SIGKILL");
    await box.becomes("another core", async () => (await box.control.health()).core !== core);
    const { state, run, why } = await box.until("vllm", ({ health }) => health === "healthy");
    assert.deepEqual([state, run, why], ["RUNNING", 1, "healthy (HTTP 200)"]);
  });
});

test("one that scores an unrelated text higher is not ready, and why says what is wrong", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm\nsmoke: score" });
  await tell("score wrong");
  await tell("go");
  const status = await box.until("vllm", ({ phase }) => /unrelated/.test(phase ?? ""));
  assert.equal(status.state, "STARTING");
  assert.match(status.phase ?? "", /scores an unrelated text higher \(0\.\d+ > 0\.\d+\): wrong overrides or template/);
  const { stdout } = await box.svctl("why", "vllm");
  assert.match(stdout, /why: .*scores an unrelated text higher \(0\.\d+ > 0\.\d+\): wrong overrides or template/);
  await tell("score right");
  await box.until("vllm", "RUNNING");
});

test("one that never orders well is ended after its start period, like any start that fails", async (t) => {
  const { box, tell, treeOf, living } = await vllmBox(t, {
    keys: "smoke: score\ngive_up: { failures: 1, within: 1h }",
    startPeriod: "3s",
  });
  await treeOf(1);
  await tell("score wrong");
  await tell("go");
  const { why } = await box.until("vllm", "FATAL");
  assert.match(why, /unhealthy: HTTP 200, but scores an unrelated text higher .*: wrong overrides or template/);
  assert.deepEqual(living(), []);
});

test("a start that only fails its smoke test and moves on no more has stalled, and that stands in the cause", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm\nstall: 2s\nsmoke: score", startPeriod: "1h" });
  await tell("score wrong");
  await tell("go");
  await box.until("vllm", ({ run }) => run === 2);
  const { stdout } = await box.svctl("why", "vllm");
  assert.match(stdout, /no progress for 2s in starting to serve; last check: HTTP 200, but scores an unrelated text/);
});

test("any question will do: a request and what its answer must be like", async (t) => {
  const { box, tell, port, treeOf } = await vllmBox(t, {
    keys: `smoke: { http: { url: "http://127.0.0.1:\${SMOKE_PORT}/v1/models", expect: "Qwen3-\${SIZE:-Reranker}" } }`,
    environment: { SMOKE_PORT: "1" },
  });
  await tell("go");
  const status = await box.until("vllm", ({ phase }) => /HTTP 200, but/.test(phase ?? ""));
  assert.match(status.phase ?? "", /connection refused \(127\.0\.0\.1:1\)/);
  const text = box.file("services.d/vllm.yaml").replace('"SMOKE_PORT":"1"', `"SMOKE_PORT":"${port}"`);
  box.write("vllm.yaml", text);
  await treeOf(2); // The environment is another: it was restarted.
  await tell("go");
  const { why } = await box.until("vllm", "RUNNING");
  assert.match(why, /HTTP 200/);
});
