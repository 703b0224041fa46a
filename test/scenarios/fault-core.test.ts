/**
 * What can go wrong inside the core: it hangs, it fills its heap, a request meets a bug. Services never notice, and a core
 * that is only late is left alone.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const ECHOES = `command: sh -c 'while read -r word; do echo $$word; done <> say'\nstartsecs: 0s\n`;
/** Not by way of svcd, which may be stopped meanwhile. */
const TICKS = "command: sh -c 'while :; do echo tick >> ticks; sleep 0.1; done'\nstartsecs: 0s\n";

/** Minutes are too long for a story: a keeper that asks its core more often, and that knows sooner that it slept. */
function makeImpatient(box: Box): void {
  box.patch("dist/svcd.js", "ANSWERS_WITHIN_MS = BEAT_MS", "ANSWERS_WITHIN_MS = 1000");
  box.patch("dist/svcd.js", "ASLEEP_MS = 2e3", "ASLEEP_MS = 500");
}

/** What a core does once when this file appears in the root. The next core does it only when the file is there again. */
function teach(box: Box, file: string, act: string): void {
  const core = box.installed("dist/core.js");
  const path = JSON.stringify(box.path(file));
  const look = `setInterval(() => { try { require("node:fs").rmSync(${path}); } catch { return; } ${act} }, 20);`;
  writeFileSync(core, `${look}\n${readFileSync(core, "utf8")}`);
}

/** So many ticks later: time that services see pass, whatever svcd does. */
async function ticks(box: Box, count: number): Promise<void> {
  const until = box.file("ticks").length + count * "tick\n".length;
  await box.becomes(`${count} ticks passed`, () => box.file("ticks").length >= until);
}

test("a core that hangs is replaced; services go on, and what ended meanwhile is known", async (t) => {
  const hangs = {
    spin: "for (;;);",
    wait: "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);",
    stop: 'process.kill(process.pid, "SIGSTOP");',
  };
  const jobs = Object.keys(hangs).map((how) => [`job-${how}.yaml`, `${SLEEPS}restart: no\n`]);
  const box = Box.prepare(t, { "web.yaml": ECHOES, ...Object.fromEntries(jobs) });
  await box.fifo("say");
  makeImpatient(box);
  for (const [how, act] of Object.entries(hangs)) teach(box, how, act);
  await box.start();
  const web = await box.pid("web");
  for (const [index, how] of Object.keys(hangs).entries()) {
    const job = await box.pid(`job-${how}`);
    const { core } = await box.control.health();
    writeFileSync(box.path(how), "");
    await box.becomes("it hangs", () => !exists(box, how));
    kill(job, "SIGTERM");
    await box.put("say", `${how}\n`);
    await box.becomes("services go on", () => box.log("web").endsWith(`${how}\n`));
    await box.becomes("the core that hangs is gone", () => !isAlive(core));
    assert.match((await box.until(`job-${how}`, "EXITED")).why, /^killed by SIGTERM /);
    assert.equal((await box.status("web")).pid, web);
    const told = box.terminal.match(
      /the core has not answered for \d+ s \(its process is in state [RST]\); replacing it/g,
    );
    assert.equal(told?.length, index + 1);
  }
});

test("a core that is busy for five seconds is not replaced", async (t) => {
  const box = Box.prepare(t, { "clock.yaml": TICKS });
  teach(box, "busy", "const until = performance.now() + 5000; while (performance.now() < until);");
  await box.start();
  await box.until("clock", "RUNNING");
  const { core } = await box.control.health();
  writeFileSync(box.path("busy"), "");
  await box.becomes("it is busy", () => !exists(box, "busy"));
  assert.equal((await box.control.health()).core, core);
  assert.equal(box.terminal.includes("the core"), false, box.terminal);
});

test("a core that slept together with its keeper is not replaced", async (t) => {
  const box = Box.prepare(t, { "clock.yaml": TICKS });
  makeImpatient(box);
  await box.start();
  await box.until("clock", "RUNNING");
  const { keeper, core } = await box.control.health();
  // The core first: the last ping may stay unanswered.
  for (const pid of [core, keeper]) kill(pid, "SIGSTOP");
  await ticks(box, 30);
  kill(keeper, "SIGCONT");
  await ticks(box, 3);
  kill(core, "SIGCONT");
  await ticks(box, 20);
  assert.equal((await box.control.health()).core, core);
});

test("a core whose heap is full ends alone, and the next one is in charge", async (t) => {
  const box = Box.prepare(t, { "web.yaml": ECHOES });
  await box.fifo("say");
  box.patch("dist/svcd.js", "...CORE_FLAGS", '...CORE_FLAGS, "--max-old-space-size=64"');
  teach(box, "grow", "const all = []; for (;;) all.push(new Array(1000).fill(Math.random()));");
  await box.start();
  const web = await box.pid("web");
  const { core, keeper } = await box.control.health();
  writeFileSync(box.path("grow"), "");
  await box.becomes("another core is in charge", async () => (await box.control.health()).core !== core);
  assert.match(box.terminal, /heap limit/);
  assert.match(box.terminal, /the core ended \(killed by SIG(ABRT|TRAP|ILL)\); services go on/);
  assert.equal((await box.control.health()).keeper, keeper);
  assert.equal((await box.status("web")).pid, web);
  await box.put("say", "still here\n");
  await box.says("web", "still here\n");
});

test("a request that meets a bug is answered with a reference, and the core goes on; a bug nobody waits for ends only the core", async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS });
  box.patch(
    "dist/core.js",
    "async function whyOf(options, name) {",
    'async function whyOf(options, name) { throw new TypeError("a detail for svcd.log only");',
  );
  teach(box, "reject", 'void Promise.reject(new Error("nobody waits for this"));');
  await box.start();
  const web = await box.pid("web");
  const { core } = await box.control.health();

  const why = await box.svctl("why", "web");
  assert.equal(why.code, 1);
  const [, reference = ""] = /reference ([0-9a-f]{8})/.exec(why.stderr) ?? [];
  assert.doesNotMatch(why.stderr, /detail/);
  await box.becomes("its details are in svcd's log", () => box.log("svcd").includes(`bug ${reference} in GET`));
  assert.match(box.log("svcd"), /a detail for svcd\.log only/);
  assert.equal((await box.control.health()).core, core);

  writeFileSync(box.path("reject"), "");
  await box.becomes("another core is in charge", async () => (await box.control.health()).core !== core);
  assert.match(box.terminal, /a bug in the core: Error: nobody waits for this/);
  assert.equal((await box.status("web")).pid, web);
});

function exists(box: Box, file: string): boolean {
  return existsSync(box.path(file));
}
