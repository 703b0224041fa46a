/**
 * A start of a model server as people see it: what it is busy with, how far it is, how long it will still take; and what
 * becomes of one that stands still.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { isAlive, kill } from "./box.ts";
import { vllmBox } from "./vllm-box.ts";

test("a start is shown from download to graphs: in status, as JSON, as events, until it is RUNNING", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm" });
  const events = box.follow(t, "status", "--watch");
  void events;
  await box.until("vllm", ({ phase }) => phase === "preparing");
  const shown = async (words: string, phase: string): Promise<void> => {
    await tell(words);
    await box.until("vllm", (status) => status.phase === phase);
  };
  await shown("download 37", "download 4 %"); // One of nine files.
  const table = await box.svctl("status", "vllm");
  assert.match(table.stdout, /vllm +STARTING .*download 4 %/);
  assert.equal(table.code, 3);
  await shown("shards 4", "loading shards 4/9");
  const [json] = JSON.parse((await box.svctl("status", "--json")).stdout);
  assert.equal(json.phase, "loading shards 4/9");
  assert.deepEqual(json.progress, {
    phase: "loading shards",
    done: 4,
    total: 9,
    percent: null,
    bytes: null,
    leftMs: null,
    left: null,
  });
  await shown("compile", "compiling");
  await shown("capture 80", "capturing graphs 80/83");
  const why = await box.svctl("why", "vllm");
  assert.match(why.stdout, /capturing graphs 80\/83/);
  assert.match(why.stdout, /connection refused/);
  await tell("serve");
  const running = await box.until("vllm", "RUNNING");
  assert.equal(running.phase, null);
  assert.equal(running.progress, undefined);
});
