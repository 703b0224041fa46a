/**
 * A start of a model server as people see it: what it is busy with, how far it is, how long it will still take; and what
 * becomes of one that stands still.
 */
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { ServiceStatus } from "../../src/control/daemon.ts";
import { Box, isAlive, kill } from "./box.ts";
import { FAKETIME, fakeClock } from "./fake-clock.ts";
import { vllmBox } from "./vllm-box.ts";

test("a start is shown from download to graphs: in status, as JSON, as events, until it is RUNNING", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm" });
  const heard = new Set<string | null>();
  const listening = box.control.events({ since: null }, ({ event }) => {
    if (event.type === "state" && event.service.name === "vllm") heard.add(event.service.phase);
  });
  t.after(() => listening.stop());
  await box.until("vllm", ({ phase }) => phase === "preparing");
  const shown = async (words: string, phase: string): Promise<void> => {
    await tell(words);
    await box.until("vllm", (status) => status.phase === phase);
  };
  await shown("download 37", "download 4 %"); // Of one of nine files.
  const table = await box.svctl("status", "vllm");
  assert.match(table.stdout, /vllm +STARTING .*download 4 %/);
  assert.equal(table.code, 3);
  await shown("shards 4", "loading shards 4/9");
  const [json] = JSON.parse((await box.svctl("status", "--json")).stdout) as ServiceStatus[];
  assert.equal(json?.phase, "loading shards 4/9");
  const counted = { phase: "loading shards", done: 4, total: 9, percent: null, bytes: null };
  assert.deepEqual(json?.progress, { ...counted, leftMs: null, left: null });
  await shown("compile", "compiling");
  await shown("capture 80", "capturing graphs 80/83");
  const why = await box.svctl("why", "vllm");
  assert.match(why.stdout, /why: +started .* ago, capturing graphs 80\/83, health check: connection refused/);
  assert.match(why.stdout, /next: +RUNNING once its check passes; restarted if nothing moves on within (30m|29m)/);
  await tell("serve");
  const running = await box.until("vllm", "RUNNING");
  assert.equal(running.phase, null);
  assert.equal(running.progress, undefined);
  for (const phase of ["download 4 %", "loading shards 4/9", "compiling", "capturing graphs 80/83"])
    assert.ok(heard.has(phase), `${phase} was an event: ${[...heard].join(", ")}`);
});

test("how long it will still take is told from earlier starts, and not guessed without", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm\nstop_grace_period: 300ms" });
  await tell("shards 4");
  await box.until("vllm", ({ phase }) => phase === "loading shards 4/9");
  await tell("go");
  await box.until("vllm", "RUNNING");
  await box.becomes("the start is remembered", () => box.file("state/starts/vllm.json") !== "");
  const [first] = JSON.parse(box.file("state/starts/vllm.json")).starts;
  assert.ok(
    first.phases.some(({ name }: { name: string }) => name === "loading shards"),
    JSON.stringify(first),
  );
  assert.ok(first.totalMs > 0);

  // A cold start as it is on a real box; svcd comes anew and knows it.
  const phases = [
    { name: "loading shards", afterMs: 10_000 },
    { name: "capturing graphs", afterMs: 100_000 },
  ];
  await box.svctl("shutdown");
  await box.ended();
  writeFileSync(box.path("state/starts/vllm.json"), JSON.stringify({ starts: [{ phases, totalMs: 145_000 }] }));
  await box.start();
  await tell("shards 6");
  const status = await box.until("vllm", ({ phase }) => phase === "loading shards 6/9");
  assert.equal(status.progress?.leftMs, 75_000); // A third of 90 s, and 45 s.
  const table = await box.svctl("status", "vllm");
  assert.match(table.stdout, /loading shards 6\/9, about 80 s left/);

  await t.test("a torn file of earlier starts is as none", async () => {
    await box.svctl("shutdown");
    await box.ended();
    writeFileSync(box.path("state/starts/vllm.json"), '{"starts":[{"phases":[{"na');
    await box.start();
    await tell("shards 6");
    const again = await box.until("vllm", ({ phase }) => phase === "loading shards 6/9");
    assert.equal(again.progress?.left, null);
  });
});

test("a start that stands still is ended and tried again, with where it stood as the cause; nothing of it is left", async (t) => {
  const { box, tell, treeOf } = await vllmBox(t, {
    // Longer than what a busy machine takes for the first words.
    keys: "phases: vllm\nstall: 2s\nstop_grace_period: 300ms",
    startPeriod: "1h",
  });
  const first = await treeOf(1);
  await tell("shards 4");
  const ending = await box.until("vllm", ({ state }) => state === "STOPPING");
  assert.match(ending.why, /no progress for 2s in loading shards 4\/9|KILL/);
  await treeOf(2);
  assert.deepEqual(
    first.filter(({ pid }) => isAlive(pid)),
    [],
    "nothing of the first run is left when the second one has begun",
  );
  const { stdout } = await box.svctl("why", "vllm");
  assert.match(stdout, /no progress for 2s in loading shards 4\/9; last check: connection refused/);
});

test("a start that moves on goes on, however short its start period is", async (t) => {
  const { box, tell } = await vllmBox(t, { keys: "phases: vllm\nstall: 1m", startPeriod: "3s" });
  await tell("shards 1");
  const { since } = await box.until("vllm", ({ phase }) => phase === "loading shards 1/9");
  await box.becomes("its start period is long over", () => Date.now() - Date.parse(since) > 4_000);
  // Its retries would long be used up: two probes in a row.
  for (let shard = 2; shard <= 8; shard++) {
    await tell(`shards ${shard}`);
    const { run } = await box.until("vllm", ({ phase }) => phase === `loading shards ${shard}/9`);
    assert.equal(run, 1);
  }
  await tell("go");
  assert.equal((await box.until("vllm", "RUNNING")).run, 1);
});

test("a new core knows the phase, hears what was said meanwhile, and ends what stood still at its time", async (t) => {
  const { box, tell } = await vllmBox(t, {
    keys: "phases: vllm\nstall: 10s\nstop_grace_period: 300ms",
    startPeriod: "1h",
  });
  await tell("shards 4");
  await box.until("vllm", ({ phase }) => phase === "loading shards 4/9");
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await tell("shards 7");
  await box.becomes("another core", async () => (await box.control.health()).core !== core);
  const status = await box.until("vllm", ({ phase }) => phase === "loading shards 7/9");
  assert.equal(status.run, 1);
  kill((await box.control.health()).core, "SIGKILL");
  const again = await box.until("vllm", ({ run }) => run === 2);
  assert.equal(again.restarts, 1);
  assert.match((await box.svctl("why", "vllm")).stdout, /no progress for 10s in loading shards 7\/9/);
});

test("a download that says nothing is seen by its files, and goes on as long as they grow", async (t) => {
  const { box } = await vllmBox(t, { keys: "phases: vllm\nstall: 6s\nstop_grace_period: 300ms", startPeriod: "1h" });
  const blobs = box.path("hf/hub/models--Qwen/blobs");
  mkdirSync(blobs, { recursive: true });
  await box.until("vllm", ({ phase }) => phase === "preparing");
  writeFileSync(`${blobs}/abc.incomplete`, Buffer.alloc(1_000_000, 1));
  const grows = setInterval(() => appendFileSync(`${blobs}/abc.incomplete`, Buffer.alloc(1_000_000, 1)), 300);
  t.after(() => clearInterval(grows));
  const { progress } = await box.until("vllm", ({ phase }) => /^download \d+(\.\d)? MB$/.test(phase ?? ""));
  assert.ok((progress?.bytes ?? 0) > 0);
  const first = progress?.bytes ?? 0;
  await box.until("vllm", (status) => (status.progress?.bytes ?? 0) > first);
  clearInterval(grows);
  const { why } = await box.until("vllm", ({ state }) => state === "STOPPING");
  assert.match(why, /no progress for 6s in download|KILL/);
});

test("phases of its own: rules in the file, taken up while it starts", async (t) => {
  const box = (await vllmBox(t, { keys: 'phases: [ { name: reading, match: "reading (?<percent>[0-9]+)" } ]' })).box;
  box.write(
    "convert.yaml",
    `command: [ sh, -c, 'echo "reading 12"; echo "writing 3 of 4"; exec sleep 1001' ]
healthcheck: { tcp: 1, interval: 100ms, start_period: 1h }
phases: [ { name: reading, match: "reading (?<percent>\\\\d+)" } ]
`,
  );
  await box.until("convert", ({ phase }) => phase === "reading 12 %");
  box.write(
    "convert.yaml",
    `command: [ sh, -c, 'echo "reading 12"; echo "writing 3 of 4"; exec sleep 1001' ]
healthcheck: { tcp: 1, interval: 100ms, start_period: 1h }
phases: [ { name: reading, match: "reading (?<percent>\\\\d+)" }, { name: writing, match: "writing (?<done>\\\\d+) of (?<total>\\\\d+)" } ]
`,
  );
  const { run } = await box.until("convert", ({ phase }) => phase === "writing 3/4");
  assert.equal(run, 1, "it was not restarted for that");
});

test("the wall clock jumps by a day, and back by a month: no start is taken for one that stands still", {
  skip: FAKETIME === undefined && "faketime is not installed",
}, async (t) => {
  const box = Box.prepare(t, {
    "slow.yaml": `command: [ sh, -c, 'n=0; while read -r go; do n=$$((n+1)); echo "step $$n/9"; done <> go' ]
healthcheck: { tcp: 1, interval: 100ms, start_period: 1h }
phases: [ { name: working, match: "step (?<done>\\\\d+)/(?<total>\\\\d+)" } ]
stall: 1m
`,
  });
  await box.fifo("go");
  const setAhead = fakeClock(box);
  await box.start();
  const step = async (number: number): Promise<ServiceStatus> => {
    await box.put("go", "\n");
    return box.until("slow", ({ phase }) => phase === `working ${number}/9`);
  };
  await step(1);
  for (const [index, hours] of [24, -30 * 24].entries()) {
    setAhead(hours * 3600);
    const { run, why } = await step(index + 2);
    assert.equal(run, 1, why);
    const { core } = await box.control.health();
    kill(core, "SIGKILL");
    await box.becomes("another core", async () => (await box.control.health()).core !== core);
    const after = await box.until("slow", ({ phase }) => phase === `working ${index + 2}/9`);
    assert.deepEqual([after.run, after.state], [1, "STARTING"]);
  }
});

test("svcd and the start sleep for longer than its stall: it has its time once more", async (t) => {
  const { box, tell, living } = await vllmBox(t, { keys: "phases: vllm\nstall: 3s", startPeriod: "1h" });
  await tell("shards 4");
  await box.until("vllm", ({ phase }) => phase === "loading shards 4/9");
  const { core, keeper } = await box.control.health();
  const all = [core, keeper, ...living()];
  for (const pid of all) kill(pid, "SIGSTOP");
  const slept = performance.now();
  await box.becomes("they have slept for 7 s", () => performance.now() - slept > 7_000);
  for (const pid of all.toReversed()) kill(pid, "SIGCONT");
  await tell("shards 5");
  const { run } = await box.until("vllm", ({ phase }) => phase === "loading shards 5/9");
  assert.equal(run, 1);
});
