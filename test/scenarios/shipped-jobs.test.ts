/** The jobs that are shipped: each is off until the machine asks for it, and then does what it says. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { noNetworks } from "./net-namespace.ts";
import { PACKAGE, ShippedBox, type ShippedOptions } from "./shipped-box.ts";

const skip = noNetworks;
const DAY_S = 86_400;

async function withJobs(t: TestContext, files: readonly string[], options: ShippedOptions): Promise<ShippedBox> {
  const box = ShippedBox.shipped(t, [], options);
  mkdirSync(box.path("cron.d"), { mode: 0o700 });
  for (const file of files) {
    writeFileSync(box.path("cron.d", file), readFileSync(join(PACKAGE, "cron.d", file), "utf8"), { mode: 0o600 });
  }
  await box.start();
  return box;
}

const run = (box: ShippedBox, job: string) => box.svctl("run", job, "--wait");

test("a model is downloaded by the name that vLLM would load, into the cache that it would look in", {
  skip,
}, async (t) => {
  const programs = { hf: 'echo "into $HF_HOME"' };
  const box = await withJobs(t, ["model-download.yaml"], {
    programs,
    env: { MODEL_NAME: "a/b", VLLM_MODEL: "Qwen/reranker" },
  });
  assert.equal((await run(box, "model-download")).code, 0);
  assert.deepEqual(box.called("hf"), ["download", "Qwen/reranker"]);
  assert.equal((await box.svctl("logs", "model-download")).stdout.trim(), `into ${box.path("workspace/.hf_home")}`);

  writeFileSync(box.path("workspace/.env"), `VLLM_MODEL=${box.path("home")}\n`);
  assert.match((await run(box, "model-download")).stdout, /home exists/); // A directory is no name on the hub.
});

test("housekeeping deletes what nobody has read for a month, and links that then lead nowhere", { skip }, async (t) => {
  const box = await withJobs(t, ["cache-cleanup.yaml"], {});
  const cache = box.path("workspace/cache");
  mkdirSync(join(cache, "blobs"), { recursive: true });
  const old = Date.now() / 1000 - 31 * DAY_S;
  for (const name of ["read", "unread", "also unread"]) writeFileSync(join(cache, "blobs", name), name);
  for (const name of ["unread", "also unread"]) utimesSync(join(cache, "blobs", name), old, old);
  symlinkSync("blobs/unread", join(cache, "gone"));
  symlinkSync("blobs/read", join(cache, "kept"));
  assert.match((await run(box, "cache-cleanup")).stdout, /CACHE_DIR is not set/);

  writeFileSync(box.path("svcd.yaml"), `environment: { CACHE_DIR: ${cache} }\n`);
  await box.becomes("the new settings count", async () => (await run(box, "cache-cleanup")).code === 0);
  assert.equal(
    (await box.run("find", [cache, "-mindepth", "1"])).stdout.split("\n").filter(Boolean).sort().join(),
    [...[join(cache, "blobs"), join(cache, "blobs/read"), join(cache, "kept")]].join(),
  );
});

test("old logs are compressed after a day and deleted after thirty", { skip }, async (t) => {
  const box = ShippedBox.shipped(t, []);
  const logs = box.path("workspace/logs");
  box.env["OLD_LOGS"] = logs;
  mkdirSync(logs);
  const age = (name: string, days: number) => {
    writeFileSync(join(logs, name), name);
    utimesSync(join(logs, name), Date.now() / 1000 - days * DAY_S, Date.now() / 1000 - days * DAY_S);
  };
  age("today.log", 0);
  age("old.log", 2);
  age("ancient.log.gz", 40);
  age("data.bin", 40);
  mkdirSync(box.path("cron.d"), { mode: 0o700 });
  writeFileSync(box.path("cron.d/old.yaml"), readFileSync(join(PACKAGE, "cron.d/cache-cleanup.yaml"), "utf8"), {
    mode: 0o600,
  });
  await box.start();
  assert.equal((await run(box, "old-logs")).code, 0);
  assert.deepEqual((await box.run("ls", [logs])).stdout.trim().split("\n"), ["data.bin", "old.log.gz", "today.log"]);
});

test("the health of an API is a history: what it answered and how long it took, and failures that were tried again", {
  skip,
}, async (t) => {
  const box = ShippedBox.shipped(t, ["score-cpu.yaml"], { env: { API_URL: "http://127.0.0.1:18000/health" } });
  mkdirSync(box.path("cron.d"), { mode: 0o700 });
  const text = readFileSync(join(PACKAGE, "cron.d/api-check.yaml"), "utf8").replace("first: 5s", "first: 10ms");
  writeFileSync(box.path("cron.d/api-check.yaml"), text, { mode: 0o600 });
  await box.start();
  await box.until("score-cpu", "RUNNING");
  assert.equal((await run(box, "api-check")).code, 0);
  assert.match((await box.svctl("logs", "api-check")).stdout, /^200 in 0[.,]\d+ s$/m);
  assert.equal((await box.svctl("stop", "score-cpu")).code, 0);
  assert.notEqual((await run(box, "api-check")).code, 0);
  assert.match((await box.svctl("history", "api-check")).stdout, /fail|exit/i);
});
